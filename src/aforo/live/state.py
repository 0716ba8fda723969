"""The state of the event under way, as the page, the terminal, the alerts and the metrics read it.

The figures follow what was committed. While the database is away there are provisional ones as well: what was
committed and, on top of it, what was read since.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from aforo.counting.camera_health import blind
from aforo.counting.door_activity import DoorActivity, DoorWatch, History
from aforo.counting.doors import Doors, SourceMinute, by_source_and_minute
from aforo.counting.estimate import Band
from aforo.counting.exclusions import ExclusionCount
from aforo.counting.occupancy import MinuteDelta, OccupancyDelta, composed
from aforo.counting.one_way import Directions, OneWayDoor
from aforo.counting.totals import summed, summed_curve, sums
from aforo.counting.zone_series import ZoneSeries
from aforo.live import freshness
from aforo.live.event_rates import EventRates
from aforo.live.latency import Latency
from aforo.live.uncommitted import UncommittedEvents
from aforo.models import (
    Alert,
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    EventPhase,
    EventSource,
    FaultSpan,
    Feed,
    FeedLateness,
    FeedStatus,
    Occupancy,
    Outcome,
    PushStatus,
    ReconciliationResult,
    ScheduledEvent,
    Window,
    ZoneLevel,
    from_ms,
    to_ms,
)
from aforo.reference_clock import ClockStep
from aforo.settings import TotalSettings, ZoneSettings, totals_from
from aforo.storage import Correction, EventRecord, StoredHistory

UNDO = "deshace:"  # a correction's id made of this and another's id takes that one back, and once only
_LATENESS_SAMPLES = 2_000  # of the last new events: enough for percentiles, little to keep
_SAMPLES_PER_BATCH = 50
_WATCH_DOORS_EVERY = timedelta(seconds=5)
_READ_AGAIN_WITHIN = timedelta(minutes=10)  # more than twice an interval and the overlap
_CURRENT = timedelta(minutes=2)  # a count that is known until this long ago is current: the first catch-up is over


class Lateness(NamedTuple):
    """Seconds from a camera event to its commit, and when (aware UTC) it was committed."""

    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class LiveEstimate:
    """Between what and what the people of a zone or a total lie, and why (in Spanish) it is not narrower.

    ``unreliable``: it is wider than the settings allow. ``bands``: the same at the quarters of an hour until now.
    """

    low: int
    mode: int
    high: int
    because: str
    unreliable: bool
    bands: Sequence[Band] = ()


@dataclass(frozen=True, slots=True)
class HealthProbes:
    """Functions that give the state of the parts around the count, at the moment of the call.

    ``database_down_since`` and ``link_down_since``: since when the database or the cameras' server does not answer.
    ``waiting``: batches read and not committed; ``pending``: how many events those hold; ``upcoming``: the next event.
    ``file_faults``: of each input file, by its name, why its version on disk is not in force; "" where it is.
    ``clock_steps``: all that are known, ``current_clock_steps``: those that last; ``clock_skew``: the cameras' server's
    clock less the machine's, None while it is not known. ``push``: how the server's pushes stand, None without.
    """

    database_down_since: Callable[[], datetime | None] = lambda: None
    link_down_since: Callable[[], datetime | None] = lambda: None
    waiting: Callable[[], Iterable[Batch]] = tuple
    pending: Callable[[], int] = lambda: 0
    upcoming: Callable[[], ScheduledEvent | None] = lambda: None
    file_faults: Callable[[], Mapping[str, str]] = dict
    clock_steps: Callable[[], Sequence[ClockStep]] = tuple
    current_clock_steps: Callable[[], Sequence[ClockStep]] = tuple
    clock_skew: Callable[[], timedelta | None] = lambda: None
    push: Callable[[], PushStatus | None] = lambda: None


def undone_by(correction: Correction) -> str:
    """Return the id of the correction that this one takes back; "" where it takes none back."""
    return correction.id.removeprefix(UNDO) if correction.id.startswith(UNDO) else ""


class LiveState:
    """The live state. Instants are aware UTC; minutes are named by the epoch millisecond of their start."""

    def __init__(
        self,
        zones: Sequence[ZoneSettings] = (),
        probes: HealthProbes | None = None,
        *,
        totals: Sequence[TotalSettings] = (),
    ) -> None:
        self._zones = tuple(zones)
        self._totals = tuple(totals)
        self._summed = {total.name: tuple(total.zones) for total in totals}
        self._probes = probes or HealthProbes()
        self._phase = EventPhase.WAITING
        self._record: EventRecord | None = None
        self._beside: dict[int, tuple[ScheduledEvent, EventPhase | Outcome]] = {}
        self._feeds: dict[Feed, FeedStatus] = {}
        self._camera_names: dict[str, str] = {}
        self._fault_spans: tuple[FaultSpan, ...] = ()
        # Before the first event each zone is as it will begin.
        self._occupancies = {zone.name: Occupancy(zone.name, 0, 0, zone.initial, 0) for zone in zones}
        self._series = {zone.name: ZoneSeries(zone.initial) for zone in zones}
        self._doors = Doors()
        self._directions = Directions()
        self._rates = EventRates()
        self._corrections: dict[str, Correction] = {}
        self._estimates: Mapping[str, LiveEstimate] = {}
        self._stored = 0
        self._repeated = 0
        self._exclusions = ExclusionCount()
        self._reconciliation: ReconciliationResult | None = None
        self._stored_at: datetime | None = None
        self._lateness: deque[Lateness] = deque(maxlen=_LATENESS_SAMPLES)
        self._latency = Latency()
        self._measured: dict[Feed, FeedLateness] = {}
        self._found_late_at: dict[Feed, datetime] = {}
        self._close_waits_until: datetime | None = None
        self._uncommitted = UncommittedEvents()
        self._alerts: tuple[Alert, ...] = ()
        self._levels: dict[str, ZoneLevel] = {}
        self._silent_doors: frozenset[str] = frozenset()
        self._past_doors: History = {}
        self._door_watch = DoorWatch()
        self._door_activity: Mapping[str, DoorActivity] = {}
        self._doors_watched_until: datetime | None = None
        self._changes = 0
        self._generation = 0
        self._listeners: list[Callable[[], None]] = []
        self._opened_at: datetime | None = None
        self._caught_up = False
        self._advanced_at: datetime | None = None
        self._furthest: datetime | None = None
        self._committed_until: dict[Feed, datetime] = {}
        self._floors: dict[str, datetime] = {}
        self._touched: dict[tuple[str, int], int] = {}
        self._touched_doors: dict[tuple[str, int], int] = {}

    # What is read.

    @property
    def zones(self) -> tuple[ZoneSettings, ...]:
        """The zones of the settings, in their order."""
        return self._zones

    @property
    def totals(self) -> tuple[TotalSettings, ...]:
        """The sums of zones of the settings, in their order."""
        return self._totals

    @property
    def probes(self) -> HealthProbes:
        """The functions that return the state of database, server and schedule."""
        return self._probes

    @property
    def phase(self) -> EventPhase:
        """Where the event under way stands."""
        return self._phase

    @property
    def record(self) -> EventRecord | None:
        """The record of the event that is shown; None before the first."""
        return self._record

    @property
    def event(self) -> ScheduledEvent | None:
        """The event that is shown: of those that were opened the one that began last; None before the first."""
        return self._record.event if self._record is not None else None

    @property
    def beside(self) -> Sequence[tuple[ScheduledEvent, EventPhase | Outcome]]:
        """The events that are watched or closed beside the one that is shown, and the phase of each.

        Those of its date that were not reconciled without reservations stay, with what their close came to.
        """
        return tuple(self._beside.values())

    @property
    def feeds(self) -> Mapping[Feed, FeedStatus]:
        """The feeds that are read, and how each stands."""
        return self._feeds

    @property
    def camera_names(self) -> Mapping[str, str]:
        """The names at ACC of the cameras that the site has listed, by id; "" where one has none."""
        return self._camera_names

    @property
    def fault_spans(self) -> Sequence[FaultSpan]:
        """The faults that ACC reported of the event's cameras during the event, over or not, by their begin."""
        if self.event is None:
            return ()
        window, read = self.event.window, {feed.camera_id for feed in self._feeds}
        return [span for span in self._fault_spans if span.camera_id in read and span.touches(window)]

    def blind(self, now: datetime) -> dict[str, list[Window]]:
        """Return when each camera was blind in the event that is shown, until ``now``; cameras that never were, not.

        What passed them then is not counted, and ACC does not have it either.
        """
        return {} if self.event is None else blind(self.fault_spans, self.event.window, now)

    @property
    def occupancies(self) -> Mapping[str, Occupancy]:
        """Each zone's occupancy as committed."""
        return self._occupancies

    @property
    def total_occupancies(self) -> Mapping[str, Occupancy]:
        """Each total's occupancy as committed; of those whose zones are all counted."""
        return sums(totals_from(self._totals), self._occupancies)

    @property
    def doors(self) -> Doors:
        """The crossings of each door as committed."""
        return self._doors

    @property
    def one_way_doors(self) -> Sequence[OneWayDoor]:
        """The doors that surely lack a direction: what goes the other way makes their zone's count drift."""
        by_rule = {zone.name for zone in self._zones if not (zone.entries and zone.exits)}
        return self._directions.one_way(complete=self._phase is EventPhase.OVER, surely=True, by_rule=by_rule)

    @property
    def corrections(self) -> Mapping[str, Correction]:
        """The event's corrections, by id."""
        return self._corrections

    @property
    def estimates(self) -> Mapping[str, LiveEstimate]:
        """Between what and what zones and totals lie, by name, as of the last time that it was estimated."""
        return self._estimates

    @property
    def intervals(self) -> dict[str, tuple[int, int]]:
        """The bounds of the estimates, by name."""
        return {name: (one.low, one.high) for name, one in self._estimates.items()}

    @property
    def stored(self) -> int:
        """Camera events committed since the start of the program."""
        return self._stored

    @property
    def repeated(self) -> int:
        """Camera events that were read again and had been committed before."""
        return self._repeated

    @property
    def excluded(self) -> Mapping[str, int]:
        """How many camera events of the event were excluded, each once, by reason: at the close, all that ACC has."""
        return self._exclusions.by_reason if self._reconciliation is None else self._reconciliation.rejected

    @property
    def reconciliation(self) -> ReconciliationResult | None:
        """What the comparison at the close came to; None before it."""
        return self._reconciliation

    @property
    def stored_at(self) -> datetime | None:
        """When the last transaction was committed."""
        return self._stored_at

    @property
    def lateness(self) -> Sequence[Lateness]:
        """A sample of the last new events, oldest first."""
        return self._lateness

    @property
    def latency(self) -> Latency:
        """How long new camera events took to be visible, stored and sent to a page, since the start of the program."""
        return self._latency

    @property
    def measured_lateness(self) -> Mapping[Feed, FeedLateness]:
        """How late camera events became visible at ACC, in this event so far, by feed."""
        return self._measured

    @property
    def close_waits_until(self) -> datetime | None:
        """Until when the close waits for late camera events; None where it does not."""
        return self._close_waits_until if self._phase is EventPhase.CLOSING else None

    def late_cameras(self, since: datetime) -> list[str]:
        """Return the cameras of which late events were found since an instant; not those whose clocks are off."""
        return sorted(
            {
                feed.camera_id
                for feed, at in self._found_late_at.items()
                if at >= since and self._measured[feed].clock_offset is None
            }
        )

    def late_events(self, feed: Feed) -> int:
        """Return how many camera events of a feed were late."""
        return sum(self._measured[feed].late.values()) if feed in self._measured else 0

    @property
    def clock_offsets(self) -> dict[str, float]:
        """By how many seconds the clocks of cameras are ahead (behind: less than zero), where they are off."""
        return {
            feed.camera_id: one.clock_offset for feed, one in self._measured.items() if one.clock_offset is not None
        }

    @property
    def alerts(self) -> Sequence[Alert]:
        """The alerts that are on, newest first, then the last ones that are over."""
        return self._alerts

    def busiest_minutes(self, now: datetime) -> Mapping[str, int]:
        """Return for each camera the events of the busiest minute that something was lately stored of."""
        return self._rates.busiest(now)

    @property
    def silent_doors(self) -> frozenset[str]:
        """Names of the doors that an alert takes for silent."""
        return self._silent_doors

    def door_activity(self) -> Mapping[str, DoorActivity]:
        """Return what the counts of each door show, by its name, as of the instant until which the count is known.

        While the database is away, as of before.
        """
        as_of = self.as_of()
        if as_of is None or self.event is None or self._uncommitted.active:
            return self._door_activity
        watched = self._doors_watched_until
        if watched is None or as_of >= watched + _WATCH_DOORS_EVERY:
            since = to_ms(self.event.window.since)
            self._door_activity = self._door_watch.update(self._doors, since, to_ms(as_of))
            self._doors_watched_until = as_of
        return self._door_activity

    @property
    def changes(self) -> int:
        """A number that grows with every change."""
        return self._changes

    @property
    def generation(self) -> int:
        """A number that grows whenever the history is replaced: who follows the series starts anew."""
        return self._generation

    @property
    def provisional(self) -> bool:
        """Whether the database is away and events were read that it does not have; as of the last ``refresh``."""
        return self._uncommitted.active and len(self._uncommitted) > 0

    @property
    def curves(self) -> dict[str, list[tuple[datetime, int]]]:
        """The count of each zone and total, as committed, at the end of each minute in which it moved."""
        curves = {name: series.curve({}) for name, series in self._series.items()}
        for name in self.total_occupancies:
            parts = [(self.initial(zone), dict(curves.get(zone, ()))) for zone in self._summed[name]]
            curves[name] = summed_curve(parts)
        return {name: [(from_ms(minute), count) for minute, count in curve] for name, curve in curves.items()}

    def level(self, name: str) -> ZoneLevel:
        """Return how full a zone or a total is."""
        return self._levels.get(name, ZoneLevel.UNKNOWN)

    def occupancy(self, name: str) -> Occupancy:
        """Return the occupancy of a zone or a total, the provisional one while there is one."""
        if name in self._summed:
            return summed(name, map(self._occupancy, self._summed[name]))
        return self._occupancy(name)

    def count_at(self, name: str, instant: datetime) -> int:
        """Return the count of a zone or a total at an instant, to the minute."""
        return sum(
            self._series_of(zone).count(to_ms(instant), self._uncommitted.deltas(zone))
            for zone in self._summed.get(name, (name,))
        )

    def initial(self, name: str) -> int:
        """Return the count of a zone or a total at the start of the event."""
        return sum(self._series_of(zone).initial for zone in self._summed.get(name, (name,)))

    def deltas(self, zone: str) -> dict[int, OccupancyDelta]:
        """Return what happened in a zone, minute by minute, in order, uncommitted events included."""
        return self._series_of(zone).deltas(self._uncommitted.deltas(zone))

    def delta(self, zone: str, minute: int) -> OccupancyDelta:
        """Return what happened in a zone in one minute, uncommitted events included."""
        committed = self._series_of(zone).delta(minute)
        uncommitted = self._uncommitted.deltas(zone).get(minute)
        return committed if uncommitted is None else committed.then(uncommitted)

    def flows(self, total: str) -> dict[int, tuple[int, int]]:
        """Return a total's entries and exits by minute, uncommitted events included."""
        found: dict[int, tuple[int, int]] = {}
        for zone in self._summed[total]:
            for minute, delta in self.deltas(zone).items():
                entries, exits = found.get(minute, (0, 0))
                found[minute] = entries + delta.entries, exits + delta.exits
        return found

    def curve(self, name: str) -> list[tuple[int, int]]:
        """Return the count of a zone or a total at the end of each minute in which it moved, uncommitted included."""
        if name not in self._summed:
            return self._series_of(name).curve(self._uncommitted.deltas(name))
        return summed_curve([(self.initial(zone), dict(self.curve(zone))) for zone in self._summed[name]])

    def uncommitted_doors(self) -> Doors:
        """Return the crossings that were read and are not committed."""
        doors = Doors()
        for reported, classification in self._uncommitted.crossings():
            doors.add(reported, classification)
        return doors

    def as_of(self) -> datetime | None:
        """Return until when the count is known: all that the cameras reported until then is counted.

        A camera that fails alone does not hold it back; one that fails together with most others does.
        """
        event = self.event
        if event is None:
            return None
        known = self._counted_until(event.window.since)
        waited_for = [known[status.feed] for status in freshness.waited_for(self._feeds.values())]
        return min(waited_for) if waited_for else max(known.values(), default=event.window.since)

    def newest_and_unread(self) -> tuple[datetime, dict[str, Window]] | None:
        """Return until when the camera that is read furthest is counted, and what is not yet of those far behind it."""
        event = self.event
        if event is None:
            return None
        cameras: dict[str, datetime] = {}
        unknown = freshness.unknown_cameras(self._feeds.values())
        for feed, until in self._counted_until(event.window.since).items():
            if feed.camera_id not in unknown:
                cameras[feed.camera_id] = max(until, cameras.get(feed.camera_id, until))
        furthest = max(cameras.values(), default=event.window.since)
        behind = {camera: until for camera, until in cameras.items() if furthest - until > _CURRENT}
        return furthest, {camera: Window(until, furthest) for camera, until in behind.items()}

    def _counted_until(self, since: datetime) -> dict[Feed, datetime]:
        """Until when all of each feed is counted; while the database is away, in the provisional figures."""
        known = {}
        for feed, status in self._feeds.items():
            known[feed] = self._committed_until.get(feed, since)
            if self._uncommitted.active:
                known[feed] = max(known[feed], status.read_until)
        return known

    def catching_up(self, now: datetime, patience: timedelta) -> bool:
        """Return whether the first catch-up of an event goes on: what came before the start of the program is read.

        It is over once the count was current, and taken for failed once ``patience`` passes without any progress.
        """
        if self._caught_up or self._opened_at is None:
            return False
        return abs(now - (self._advanced_at or self._opened_at)) <= patience

    def known_until(self, feed: Feed, read_until: datetime) -> datetime:
        """Return until when all of a feed was read: the close reads it anew, and what was known stays known."""
        return max(read_until, self._committed_until.get(feed, read_until))

    def touched(self, since: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """Return the (zone, minute) and the (door, minute) that changed after ``since``, a value of ``changes``."""
        zones = [key for key, change in self._touched.items() if change > since]
        return zones, [key for key, change in self._touched_doors.items() if change > since]

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call ``listener`` after every change inside the ``with``. It must be quick and must not raise."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    # What changes it.

    def connect(self, probes: HealthProbes) -> None:
        """Use these functions for the state of database, server and schedule from now on."""
        self._probes = probes

    def displays(self, record: EventRecord) -> bool:
        """Return whether that event is the one that is shown."""
        return self._record is not None and self._record.id == record.id

    def would_display(self, record: EventRecord) -> bool:
        """Return whether an event that is opened is to be shown: not where the one that is shown began later."""
        shown = self._record
        if shown is None or shown.id == record.id or self._phase is EventPhase.WAITING:
            return True
        return record.event.window.since >= shown.event.window.since

    def open(self, record: EventRecord, now: datetime, feeds: Sequence[FeedStatus] = ()) -> None:
        """Begin with an event, or go on with one after a restart; ``load`` then brings what the database has of it.

        ``feeds``: all that are read. Without them the count is as old as the event's start.
        """
        if self._record is not None and not self.displays(record):
            self._put_beside(self._record, self._phase)
            if self._reconciliation is not None:
                self.reconcile_beside(self._record, self._reconciliation.outcome)
            self._measured.clear()
            self._found_late_at.clear()
        self._close_waits_until = None
        self._beside.pop(record.id, None)
        self._beside = {
            number: (event, state)
            for number, (event, state) in self._beside.items()
            if not isinstance(state, Outcome) or event.day == record.event.day
        }
        if not self.displays(record):
            self._exclusions = ExclusionCount()
            self._estimates = {}
            self._latency.begin_event()
        self._reconciliation = None
        self._phase, self._record = EventPhase.WATCHING, record
        self._occupancies = dict(record.occupancies)
        self._opened_at = now
        self._caught_up, self._advanced_at, self._furthest = False, None, None
        self._uncommitted.clear()
        self._lateness.clear()
        self._committed_until = {}
        self._floors = {}
        self.follow(feeds)
        self.load(StoredHistory())

    def load(self, history: StoredHistory, past_doors: History | None = None) -> None:
        """Replace series, doors and corrections by what the database has of the event.

        ``past_doors``: how many crossed each door in earlier events; None for those of before.
        """
        if past_doors is not None:
            self._past_doors = past_doors
        initial = {zone.name: zone.initial for zone in self._zones}
        self._series = {name: ZoneSeries(initial.get(name, 0)) for name in self._occupancies}
        for zone, minutes in history.minutes.items():
            for minute, delta in minutes.items():
                self._series_of(zone).put(minute, MinuteDelta(delta))
        self._doors = Doors()
        self._directions = Directions()
        self._rates = EventRates()
        for source, minute, count in history.doors:
            classification = self._classify(source)
            self._doors.add(SourceMinute(source, minute), classification, count)
            self._directions.add(source, classification, count)
        self._corrections = {correction.id: correction for correction in history.corrections}
        self._door_watch = DoorWatch(self._past_doors)
        self._door_activity, self._doors_watched_until = {}, None
        self._touched.clear()
        self._touched_doors.clear()
        self._generation += 1
        self.notify()

    def recount(self, occupancies: Mapping[str, Occupancy], history: StoredHistory) -> None:
        """Take zones and history as they are after the database counted the whole event anew."""
        self._occupancies.update(occupancies)
        self.load(history)

    def measure_lateness(self, feeds: Sequence[FeedLateness], now: datetime) -> None:
        """Set how late the camera events of some feeds became visible at ACC, in this event so far."""
        for one in feeds:
            before = self._measured.get(one.feed)
            if sum(one.late.values()) > (sum(before.late.values()) if before is not None else 0):
                self._found_late_at[one.feed] = now
            self._measured[one.feed] = one

    def wait_at_close(self, until: datetime) -> None:
        """Set until when the close waits for late camera events."""
        self._close_waits_until = until
        self.notify()

    def enter(self, record: EventRecord, phase: EventPhase) -> None:
        """Set an event's phase."""
        if self.displays(record):
            self._phase = phase
        else:
            self._put_beside(record, phase)
            self.notify()

    def reconcile(self, result: ReconciliationResult) -> None:
        """Set what the comparison at the close of the event that is shown came to."""
        self._reconciliation = result
        self.notify()

    def follow(self, feeds: Sequence[FeedStatus]) -> None:
        """Set all feeds that are read. What a new one was read until has been committed."""
        self._feeds = {status.feed: status for status in feeds}
        for status in feeds:
            if status.feed not in self._committed_until:
                self._committed_until[status.feed] = status.read_until
                camera_id = status.feed.camera_id
                self._floors[camera_id] = min(status.read_until, self._floors.get(camera_id, status.read_until))

    def update_feeds(self, feeds: Sequence[FeedStatus], now: datetime) -> None:
        """Set how some of the feeds stand. What was committed until later than ``now``, by another clock, is not."""
        self._feeds.update((status.feed, status) for status in feeds if status.feed in self._feeds)
        for status in feeds:
            if self._committed_until.get(status.feed, now) > now:
                self._committed_until[status.feed] = min(status.read_until, now)

    def list_cameras(self, names: Mapping[str, str]) -> None:
        """Add cameras of the site, by id."""
        self._camera_names.update(names)

    def update_health(self, spans: Sequence[FaultSpan]) -> None:
        """Set the faults that ACC reported of cameras, over or not, by their begin."""
        self._fault_spans = tuple(spans)
        self.notify()

    def page_read(self, batch: Batch, now: datetime) -> None:
        """Count what a page held that was excluded; its events were visible at ``now``."""
        self._exclusions.add(batch.excluded)
        self._latency.page_read(batch.events, now)
        if self._probes.database_down_since() is not None:
            self.notify()

    def committed(self, result: CommitResult, now: datetime, batch: Batch) -> None:
        """Take what a transaction changed."""
        self._stored += len(result.new)
        self._repeated += result.already
        self._stored_at = now
        self._uncommitted.committed(batch, now, _READ_AGAIN_WITHIN)
        for feed, until in (*batch.live_until.items(), *batch.checkpoints.items()):
            self._committed_until[feed] = max(until, self._committed_until.get(feed, until))
        self._follow_catch_up(now)
        self._count_doors(result.new)
        self._rates.add(result.new, now)
        self._sample_lateness(result.new, now)
        self._latency.committed(batch.events, [event for event in result.new if self._is_live(event)], now)
        self._recounted(result.occupancies, result.minutes)

    def committed_beside(self, result: CommitResult, now: datetime) -> None:
        """Count what a transaction stored of an event that is not shown."""
        self._stored += len(result.new)
        self._repeated += result.already
        self._stored_at = now

    def correct(
        self,
        corrections: Iterable[Correction],
        occupancies: Mapping[str, Occupancy],
        minutes: Mapping[str, Mapping[int, tuple[int, ...]]],
    ) -> None:
        """Take all corrections of the event after one was stored, and what that changed."""
        self._corrections = {correction.id: correction for correction in corrections}
        self._recounted(occupancies, minutes)

    def update_estimates(self, estimates: Mapping[str, LiveEstimate]) -> None:
        """Set between what and what zones and totals lie; listeners are notified of a change."""
        if self._estimates != estimates:
            self._estimates = dict(estimates)
            self.notify()

    def update_alerts(
        self, alerts: Sequence[Alert], levels: Mapping[str, ZoneLevel], silent_doors: frozenset[str]
    ) -> None:
        """Set the alerts, the zones' levels and the silent doors; listeners are notified of alerts and doors."""
        self._levels = dict(levels)
        if (self._alerts, self._silent_doors) != (tuple(alerts), silent_doors):
            self._alerts, self._silent_doors = tuple(alerts), silent_doors
            self.notify()

    def refresh(self) -> None:
        """Begin, follow or end the provisional figures, by how the database stands now."""
        if self._probes.database_down_since() is not None:
            self._uncommitted.activate()
        if not self._uncommitted.active:
            return
        waiting = list(self._probes.waiting())
        if self._uncommitted.follow(waiting, self._classify, self._may_be_new):
            self._touch_uncommitted()
        elif not waiting and self._probes.database_down_since() is None:
            self._touch_uncommitted()
            self._uncommitted.deactivate()

    def reconcile_beside(self, record: EventRecord, outcome: Outcome) -> None:
        """Set what the comparison at the close of another event came to."""
        if outcome is Outcome.RECONCILED:
            self._beside.pop(record.id, None)
        else:
            self._beside[record.id] = record.event, outcome
        self.notify()

    def notify(self) -> None:
        """Call the listeners: something changed."""
        self._changes += 1
        for listener in self._listeners:
            listener()

    def _put_beside(self, record: EventRecord, phase: EventPhase) -> None:
        if phase in {EventPhase.WATCHING, EventPhase.CLOSING}:
            self._beside[record.id] = record.event, phase
        elif not isinstance(self._beside.get(record.id, (None, None))[1], Outcome):
            self._beside.pop(record.id, None)

    def _recounted(
        self, occupancies: Mapping[str, Occupancy], minutes: Mapping[str, Mapping[int, tuple[int, ...]]]
    ) -> None:
        self._occupancies.update(occupancies)
        self._changes += 1
        for zone, deltas in minutes.items():
            for minute, delta in deltas.items():
                self._series_of(zone).put(minute, MinuteDelta(OccupancyDelta._make(delta)))
                self._touched[zone, minute] = self._changes
        self.notify()

    def _follow_catch_up(self, now: datetime) -> None:
        as_of = self.as_of()
        if self._caught_up or as_of is None or self.event is None:
            return
        if self._furthest is None or as_of > self._furthest:
            self._furthest, self._advanced_at = as_of, now
        self._caught_up = as_of >= min(now, self.event.window.until) - _CURRENT

    def _touch_uncommitted(self) -> None:
        self.notify()
        for key in self._uncommitted.minutes():
            self._touched[key] = self._changes

    def _classify(self, source: EventSource) -> Classification:
        return self._record.classify(source) if self._record is not None else Classification(False, ())

    def _series_of(self, zone: str) -> ZoneSeries:
        return self._series.setdefault(zone, ZoneSeries())

    def _occupancy(self, zone: str) -> Occupancy:
        uncommitted = self._uncommitted.deltas(zone)
        if not uncommitted:
            return self._occupancies[zone]
        series = self._series_of(zone)
        return composed(series.deltas(uncommitted)).occupancy(zone, series.initial)

    def _may_be_new(self, event: CameraEvent) -> bool:
        """Return whether an event that was read may be missing in the database.

        The sweeps read hours again: what is well before a feed's checkpoint is committed. A late event among it is
        counted once the database is back.
        """
        floor = self._floors.get(event.camera_id)
        committed = self._committed_until.get(Feed(event.server_id, event.camera_id))
        known = committed is not None and event.occurred_at < committed - _READ_AGAIN_WITHIN / 2
        return not known and (floor is None or event.occurred_at >= floor)

    def _count_doors(self, new: Sequence[CameraEvent]) -> None:
        for reported, count in by_source_and_minute(new):
            classification = self._classify(reported.source)
            door = self._doors.add(reported, classification, count)
            self._directions.add(reported.source, classification, count)
            self._touched_doors[door, reported.minute] = self._changes + 1
        self._doors.mark(new)

    def _is_live(self, event: CameraEvent) -> bool:
        """Whether it happened since the event was opened, by a clock that is right as far as is known."""
        if self._opened_at is not None and event.occurred_at < self._opened_at:
            return False
        measured = self._measured.get(Feed(event.server_id, event.camera_id))
        return measured is None or measured.clock_offset is None

    def _sample_lateness(self, new: Sequence[CameraEvent], now: datetime) -> None:
        step = max(1, len(new) // _SAMPLES_PER_BATCH)
        for event in new[::step]:
            if self._opened_at is None or event.occurred_at >= self._opened_at:
                self._lateness.append(Lateness(now, (now - event.occurred_at).total_seconds()))
