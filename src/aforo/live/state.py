"""The live picture of the evening: what the page, the terminal, the alerts and the metrics read.

The numbers follow only what was stored. While the database is away the picture can also tell the provisional ones:
what is stored and, on top, what was read since.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from aforo.alerting.engine import ZoneLevels
from aforo.counting.doors import Doors, SourceMinute, by_source_and_minute
from aforo.counting.occupancy import MinuteDelta, OccupancyDelta, composed
from aforo.counting.zone_series import ZoneSeries
from aforo.live import freshness
from aforo.live.uncommitted import UncommittedEvents
from aforo.models import (
    Alert,
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    EventPhase,
    EventSource,
    Feed,
    FeedStatus,
    Occupancy,
    ScheduledEvent,
    from_ms,
    to_ms,
)
from aforo.storage import Correction, EventRecord, StoredHistory

UNDO = "deshace:"  # an id made of this and another's id: that one is taken back, and once only
_LATENESS_SAMPLES = 2_000  # of the last new events: enough for percentiles, little to keep
_SAMPLES_PER_BATCH = 50
_REMEMBER = timedelta(
    minutes=10
)  # beyond twice an interval and the overlap: what may be read again after it was stored


class ZoneSettings(Protocol):
    """What the settings say of a zone: ``capacity`` 0 is unknown, the levels are percentages of it."""

    @property
    def name(self) -> str: ...  # noqa: D102 -- the setting of that name
    @property
    def capacity(self) -> int: ...  # noqa: D102
    @property
    def initial(self) -> int: ...  # noqa: D102
    @property
    def warning(self) -> float: ...  # noqa: D102
    @property
    def full(self) -> float: ...  # noqa: D102


class Lateness(NamedTuple):
    """How long after its instant a passage was stored."""

    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class HealthProbes:
    """How the world stands, asked whenever it is told: since when the database or the cameras' server does not answer.

    ``waiting``: batches read and not stored; ``pending``: how many events those are; ``upcoming``: the next to watch.
    """

    database_down_since: Callable[[], datetime | None] = lambda: None
    link_down_since: Callable[[], datetime | None] = lambda: None
    waiting: Callable[[], Iterable[Batch]] = tuple
    pending: Callable[[], int] = lambda: 0
    upcoming: Callable[[], ScheduledEvent | None] = lambda: None


def undone_by(correction: Correction) -> str:
    """The id of the correction that this one takes back; "" where it takes none back."""
    return correction.id.removeprefix(UNDO) if correction.id.startswith(UNDO) else ""


class LiveState:
    """The picture. Instants are aware UTC; minutes are named by the epoch millisecond of their start.

    ``changes`` grows whenever anything does; ``touched`` tells which minutes of which zones and doors did.
    """

    def __init__(self, zones: Sequence[ZoneSettings] = ()) -> None:
        self.zones = tuple(zones)
        self.phase = EventPhase.WAITING
        self.event: ScheduledEvent | None = None
        self.feeds: dict[Feed, FeedStatus] = {}
        self.occupancies: dict[str, Occupancy] = {}
        self.series: dict[str, ZoneSeries] = {}
        self.doors = Doors()
        self.corrections: dict[str, Correction] = {}
        self.camera_names: dict[str, str] = {}
        self.stored = 0
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        self.stored_at: datetime | None = None
        self.lateness: deque[Lateness] = deque(maxlen=_LATENESS_SAMPLES)
        self.pending = UncommittedEvents()
        self.signs = HealthProbes()
        self.show: EventRecord | None = None
        self.alerts: Sequence[Alert] = ()  # those that are on, newest first, and the last that are over
        self.levels = ZoneLevels(0.0)
        self.silent_doors: frozenset[str] = frozenset()
        self.changes = 0
        self.evening = 0  # grows with each evening: whoever follows the series starts anew
        self.listeners: list[Callable[[], None]] = []
        self._opened_at: datetime | None = None
        self._answered: dict[Feed, datetime] = {}
        self._floors: dict[str, datetime] = {}
        self._touched: dict[tuple[str, int], int] = {}
        self._touched_doors: dict[tuple[str, int], int] = {}

    def open(self, show: EventRecord, now: datetime) -> None:
        """A new evening begins, or one goes on after a restart: ``recall`` then tells what the store knows of it."""
        self.phase, self.show, self.event = EventPhase.WATCHING, show, show.event
        self.feeds = {}
        self.occupancies = dict(show.occupancies)
        self._opened_at = now
        self.pending.clear()
        self.lateness.clear()
        self._answered = {}
        self._floors = {}
        self.recall(StoredHistory())

    def follow(self, feeds: Sequence[FeedStatus]) -> None:
        """All feeds that are read now. What a new one was read until was stored before."""
        self.feeds = {status.feed: status for status in feeds}
        for status in feeds:
            if status.feed not in self._answered:
                self._answered[status.feed] = status.read_until
                camera_id = status.feed.camera_id
                self._floors[camera_id] = min(status.read_until, self._floors.get(camera_id, status.read_until))

    def update_feeds(self, feeds: Sequence[FeedStatus]) -> None:
        """How some of the feeds stand now."""
        self.feeds.update((status.feed, status) for status in feeds if status.feed in self.feeds)

    def recall(self, past: StoredHistory) -> None:
        """Take the evening's series, doors and corrections as the store has them, instead of what is here."""
        initial = {zone.name: zone.initial for zone in self.zones}
        self.series = {name: ZoneSeries(initial.get(name, 0)) for name in self.occupancies}
        for zone, stretches in past.minutes.items():
            for minute, stretch in stretches.items():
                self._series(zone).put(minute, MinuteDelta(stretch))
        self.doors = Doors()
        for name, activity, minute, count in past.doors:
            source = EventSource("", name, "", activity)
            self.doors.add(SourceMinute(source, minute), self._classify(source), count)
        self.corrections = {correction.id: correction for correction in past.corrections}
        self._touched.clear()
        self._touched_doors.clear()
        self.evening += 1
        self.notify()

    def read(self, batch: Batch) -> None:
        """A page was read and sifted."""
        for (_, reason), count in batch.excluded.items():
            self.refused[reason] += count
        if self.signs.database_down_since() is not None:
            self.notify()

    def apply(self, stored: CommitResult, now: datetime, batch: Batch | None = None) -> None:
        """A transaction was committed."""
        self.stored += len(stored.new)
        self.repeated += stored.already
        self.stored_at = now
        if batch is not None:
            self.pending.stored(batch, now, _REMEMBER)
            self._advance(batch)
            self._count_doors(stored.new)
        self._sample_lateness(stored.new, now)
        self.counted(stored.occupancies, stored.minutes)

    def counted(
        self, occupancies: Mapping[str, Occupancy], minutes: Mapping[str, Mapping[int, tuple[int, ...]]]
    ) -> None:
        """The store counted anew: zones, and the minutes that changed."""
        self.occupancies.update(occupancies)
        self.changes += 1
        for zone, stretches in minutes.items():
            for minute, stretch in stretches.items():
                self._series(zone).put(minute, MinuteDelta(OccupancyDelta._make(stretch)))
                self._touched[zone, minute] = self.changes
        self.notify()

    def correct(self, correction: Correction) -> None:
        """A correction was stored."""
        self.corrections[correction.id] = correction
        self.notify()

    def notify(self) -> None:
        """Tell the listeners that something changed. They must be quick and must not raise."""
        self.changes += 1
        for listener in self.listeners:
            listener()

    @property
    def curves(self) -> dict[str, list[tuple[datetime, int]]]:
        """Each zone's aforo at the end of each minute in which it moved."""
        return {
            name: [(from_ms(minute), count) for minute, count in series.curve({})]
            for name, series in self.series.items()
        }

    @property
    def provisional(self) -> bool:
        """The database is away, and something was read that it does not have; as of the last ``look``."""
        return self.pending.active and len(self.pending) > 0

    def look(self) -> None:
        """Look how the database stands: begin, follow or end the provisional numbers."""
        if self.signs.database_down_since() is not None:
            self.pending.activate()
        if not self.pending.active:
            return
        waiting = list(self.signs.waiting())
        if self.pending.follow(waiting, self._classify, self._may_be_new):
            self._touch_pending()
        elif not waiting and self.signs.database_down_since() is None:
            self._touch_pending()
            self.pending.deactivate()

    def occupancy(self, zone: str) -> Occupancy:
        """A zone's aforo as stored, or the provisional one while there is one."""
        known = self.occupancies[zone]
        pending = self.pending.stretches(zone) if self.pending.active else {}
        if not pending:
            return known
        series = self._series(zone)
        return composed(series.deltas(pending)).occupancy(zone, series.initial)

    def count_at(self, zone: str, instant: datetime) -> int:
        """A zone's count at an instant, to the minute."""
        pending = self.pending.stretches(zone) if self.pending.active else {}
        return self._series(zone).count(to_ms(instant), pending)

    def as_of(self) -> datetime | None:
        """Until when the count is known: what all cameras said until then is counted.

        A camera that fails by itself is not waited for; one that fails together with most others is.
        """
        if self.event is None:
            return None
        known = {}
        for feed, status in self.feeds.items():
            known[feed] = self._answered.get(feed, self.event.window.since)
            if self.pending.active:
                known[feed] = max(known[feed], status.read_until)
        waited_for = [known[status.feed] for status in freshness.waited_for(self.feeds.values())]
        return min(waited_for) if waited_for else max(known.values(), default=self.event.window.since)

    def known_until(self, feed: Feed, asked_until: datetime) -> datetime:
        """Until when all of a feed was read. The close asks for all of it again: what was known is not lost by that."""
        return max(asked_until, self._answered.get(feed, asked_until))

    def touched(self, since: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """The (zone, minute) and (door, minute) that changed after ``since``, a value of ``changes``."""
        zones = [key for key, change in self._touched.items() if change > since]
        return zones, [key for key, change in self._touched_doors.items() if change > since]

    def stretch(self, zone: str, minute: int) -> OccupancyDelta:
        """What a minute of a zone lived, with what is not stored of it."""
        stored = self._series(zone).delta(minute)
        return (
            stored.then(self.pending.stretches(zone).get(minute, OccupancyDelta())) if self.pending.active else stored
        )

    def _touch_pending(self) -> None:
        self.notify()
        for key in self.pending.minutes():
            self._touched[key] = self.changes

    def _classify(self, source: EventSource) -> Classification:
        return self.show.classify(source) if self.show is not None else Classification(False, ())

    def _series(self, zone: str) -> ZoneSeries:
        return self.series.setdefault(zone, ZoneSeries())

    def _may_be_new(self, event: CameraEvent) -> bool:
        floor = self._floors.get(event.camera_id)
        return floor is None or event.occurred_at >= floor

    def _advance(self, batch: Batch) -> None:
        for feed, until in batch.checkpoints.items():
            self._answered[feed] = max(until, self._answered.get(feed, until))

    def _count_doors(self, new: Sequence[CameraEvent]) -> None:
        for one, count in by_source_and_minute(new):
            door = self.doors.add(one, self._classify(one.source), count)
            self._touched_doors[door, one.minute] = self.changes + 1

    def _sample_lateness(self, new: Sequence[CameraEvent], now: datetime) -> None:
        step = max(1, len(new) // _SAMPLES_PER_BATCH)
        for event in new[::step]:
            if self._opened_at is None or event.occurred_at >= self._opened_at:
                self.lateness.append(Lateness(now, (now - event.occurred_at).total_seconds()))
