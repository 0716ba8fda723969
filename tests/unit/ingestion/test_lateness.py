"""How late events become visible is measured from the reads, against simulated servers whose delays are known."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from aforo.avigilon import EventQuery
from aforo.ingestion.lateness import LatenessMeter, ReadKind
from aforo.ingestion.sweep import Sweep
from aforo.models import Batch, CameraEvent, CommitResult, Feed, FeedLateness, Window

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
WHOLE = Window(START, START + timedelta(hours=2))
FEED = Feed("srv", "A")

Delays = Callable[[float], float]  # seconds of the event to seconds until it is visible


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class SimulatedReads:
    """One camera of a server, read in poll cycles and by the sweep, until ``now``; the database is always there.

    ``live``: seconds between two live reads beside them. ``hinted``: each event is also read as soon as it is visible.
    ``stored_at``: when each event was stored, by its number.
    """

    def __init__(
        self,
        events: Iterable[tuple[float, float]],
        interval: float = 60,
        overlap: float = 120,
        live: float | None = None,
        *,
        hinted: bool = False,
    ) -> None:
        self._events = [
            (CameraEvent("srv", str(number), at(occurred), "A", "PUERTA", "", ""), at(visible))
            for number, (occurred, visible) in enumerate(events)
        ]
        self.meter = LatenessMeter(timedelta(seconds=interval), timedelta(seconds=overlap), timedelta(seconds=60))
        self.meter.open(START)
        self.meter.follow([FEED], {})
        self.sweep = Sweep(WHOLE, self.meter.reads)
        self.interval, self.overlap = interval, timedelta(seconds=overlap)
        self.live, self.hinted = live, hinted
        self.live_at = START
        self.now = START
        self.read_until = START
        self.stored_at: dict[str, datetime] = {}
        self.waiting: list[Batch] = []
        self.database_is_down = False

    def read(self, window: Window, kind: ReadKind = ReadKind.POLL) -> int:
        reading = self.meter.begin(EventQuery("srv", ("A",), window), self.now, kind)
        found = [
            event for event, visible in self._events if window.since <= event.occurred_at < window.until
            if visible <= self.now
        ]  # fmt: skip
        self.meter.page_read(reading, found, self.now)
        self.meter.reached(reading, window.until)
        self.waiting.append(Batch(found))
        if not self.database_is_down:
            self.store()
        return len(found)

    def store(self) -> None:
        for batch in self.waiting:
            new = [event for event in batch.events if event.this_id not in self.stored_at]
            self.stored_at.update((event.this_id, self.now) for event in new)
            self.meter.committed(batch, CommitResult(new, len(batch.events) - len(new), {}))
        self.waiting.clear()

    def cycle(self) -> None:
        overlap = max(self.overlap, self.meter.overlaps().get(FEED, self.overlap))
        self.read(Window(max(START, self.read_until - overlap), min(self.now, WHOLE.until)))
        self.read_until = min(self.now, WHOLE.until)
        for query in self.sweep.due([FEED], self.now, lambda _: 1):
            self.sweep.mark_asked(query, self.now)
            self.read(query.query.window)

    def run(self, seconds: float) -> "SimulatedReads":
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            cycle_at = self.now + timedelta(seconds=self.interval)
            while self.live and self.now + timedelta(seconds=self.live) < cycle_at:
                before, self.now = self.now, self.now + timedelta(seconds=self.live)
                self.read_hints(before)
                self.read_live()
            before, self.now = self.now, cycle_at
            self.read_hints(before)
            self.cycle()
        return self

    def read_live(self) -> None:
        margin = self.meter.usually_visible_within().get("srv", timedelta(0)) + timedelta(seconds=2)
        since = max(START, max(self.live_at, self.read_until) - min(margin, timedelta(seconds=30)))
        self.read(Window(since, min(self.now, WHOLE.until)), ReadKind.LIVE)
        self.live_at = self.now

    def read_hints(self, before: datetime) -> None:
        """Read the events that became visible since then, each in a small window."""
        around = timedelta(milliseconds=50)
        for event, visible in self._events if self.hinted else ():
            if before < visible <= self.now:
                self.read(Window(event.occurred_at - around, event.occurred_at + around), ReadKind.HINT)

    @property
    def status(self) -> FeedLateness:
        return self.meter.status(FEED)


def crossings(seconds: float, delay: Delays, each: float = 7.3) -> Sequence[tuple[float, float]]:
    """Events at each so many seconds, and when each is visible."""
    times = [each * number for number in range(int(seconds / each))]
    return [(occurred, occurred + delay(occurred)) for occurred in times]


@pytest.mark.parametrize("interval", [5, 60])
@pytest.mark.parametrize("seconds", [0, 2, 10])
def test_what_is_punctual_is_not_late(interval: float, seconds: float) -> None:
    reads = SimulatedReads(crossings(3600, lambda _: seconds), interval).run(3600)
    assert reads.meter.close_waits() == timedelta(0)
    assert reads.meter.overlaps() == {}
    assert (reads.status.late, reads.status.clock_offset) == ({}, None)
    assert reads.status.events > 450


@pytest.mark.parametrize("interval", [5, 60])
def test_events_beyond_the_overlap_are_found_by_the_sweep_and_widen_it(interval: float) -> None:
    reads = SimulatedReads(crossings(3600, lambda _: 150), interval).run(600)
    assert reads.meter.overlaps()[FEED] >= timedelta(minutes=5)
    reads.run(1200)
    assert 150 <= reads.meter.close_waits().total_seconds() <= 150 + 60
    reads.run(1800 + 210)
    assert len(reads.stored_at) == len(crossings(3600, lambda _: 0)), "none is lost"


def test_a_clock_that_is_behind_is_no_late_delivery() -> None:
    reads = SimulatedReads(crossings(3600, lambda _: 150)).run(3600)
    assert reads.status.clock_offset == pytest.approx(-150, abs=10)


def test_a_clock_that_is_behind_with_jitter() -> None:
    chance = random.Random(1)
    reads = SimulatedReads(crossings(3600, lambda _: 90 + chance.gauss(0, 3)), interval=5).run(3600)
    assert reads.status.clock_offset == pytest.approx(-90, abs=10)


def test_a_clock_that_drifts() -> None:
    reads = SimulatedReads(crossings(7000, lambda second: 40 + second / 200), interval=5).run(7000)
    assert reads.status.clock_offset == pytest.approx(-75, abs=10)


def test_a_heavy_tail_is_late_delivery() -> None:
    chance = random.Random(2)
    delays = crossings(5000, lambda _: 1 if chance.random() < 0.9 else min(600, chance.paretovariate(1) * 60))
    reads = SimulatedReads(delays).run(5000)
    assert reads.status.clock_offset is None
    assert sum(reads.status.late.values()) > 20
    worst = max(visible - occurred for occurred, visible in delays)
    assert reads.meter.close_waits().total_seconds() >= min(900, worst) - 60
    reads.run(1000)
    assert len(reads.stored_at) == len(delays)


@pytest.mark.parametrize("began", [0, 1800])
@pytest.mark.parametrize("interval", [5, 60])
def test_a_camera_that_delivers_after_an_outage_of_its_own_is_late_for_once(interval: float, began: float) -> None:
    delays = crossings(3600, lambda second: max(1.0, began + 180 - second) if second >= began else 1.0, each=2)
    reads = SimulatedReads(delays, interval).run(began + 500)
    assert reads.status.clock_offset is None
    assert sum(reads.status.late.values()) > 30
    assert 175 <= reads.meter.close_waits().total_seconds() <= 460
    assert reads.run(3600 - began).status.clock_offset is None


def test_a_clock_that_is_ahead_is_seen_as_far_as_it_is() -> None:
    reads = SimulatedReads(crossings(3600, lambda _: -100)).run(1800)
    assert reads.status.clock_offset == pytest.approx(100, abs=10)
    assert reads.meter.is_ahead(FEED)
    ahead = [number for number in reads.stored_at if reads.stored_at[number] < at(7.3 * int(number))]
    assert ahead, "an event of the future is stored when it is seen"
    assert reads.meter.close_waits() == timedelta(0)


def test_a_clock_that_is_mended_is_not_ahead_any_more() -> None:
    delays = crossings(7000, lambda second: -100 if second < 2000 else 1)
    reads = SimulatedReads(delays).run(2000)
    assert reads.status.clock_offset is not None
    assert reads.run(3000).status.clock_offset is None


def test_an_outage_of_ours_or_of_the_server_is_no_lateness() -> None:
    reads = SimulatedReads(crossings(7000, lambda _: 2)).run(1800)
    reads.now += timedelta(minutes=20)
    reads.run(1800)
    assert (reads.status.late, reads.meter.close_waits()) == ({}, timedelta(0))
    assert len(reads.stored_at) > 650


def test_a_late_start_is_no_lateness() -> None:
    reads = SimulatedReads(crossings(7000, lambda _: 2))
    reads.now += timedelta(hours=1)
    reads.run(600)
    assert (reads.status.late, reads.meter.close_waits()) == ({}, timedelta(0))


def test_a_database_that_was_away_is_no_lateness() -> None:
    reads = SimulatedReads(crossings(7000, lambda _: 2)).run(1800)
    reads.database_is_down = True
    reads.run(1200)
    reads.database_is_down = False
    reads.store()
    assert (reads.status.late, reads.meter.close_waits()) == ({}, timedelta(0))


def test_lateness_is_measured_while_the_database_is_away() -> None:
    reads = SimulatedReads(crossings(7000, lambda second: 100 if second > 1800 else 2)).run(1800)
    reads.database_is_down = True
    reads.run(1200)
    reads.store()
    assert 100 <= reads.meter.close_waits().total_seconds() <= 160


def test_an_event_that_was_late_during_an_outage_of_ours_counts_by_what_is_certain() -> None:
    reads = SimulatedReads([(1700.0, 1850.0)]).run(1800)
    reads.now += timedelta(minutes=20)
    reads.run(60)
    assert 100 <= reads.status.worst[0] <= reads.status.worst[1] <= 100 + 60


def test_what_another_server_passes_on_is_not_measured() -> None:
    meter = LatenessMeter(timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=60))
    meter.open(START)
    meter.follow([FEED], {FEED: at(3000)})
    reading = meter.begin(EventQuery("srv", ("A",), WHOLE), at(3060))
    copy = CameraEvent("other", "1", at(2900), "A", "PUERTA", "", "")
    meter.page_read(reading, [copy], at(3061))
    meter.committed(Batch([copy]), CommitResult([copy], 0, {}))
    assert meter.take_changed() == []


def test_reads_that_cannot_be_trusted_are_no_evidence() -> None:
    meter = LatenessMeter(timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=60))
    meter.open(START)
    meter.follow([FEED], {FEED: at(3000)})
    meter.distrust("srv")
    reading = meter.begin(EventQuery("srv", ("A",), WHOLE), at(3060))
    event = CameraEvent("srv", "1", at(2900), "A", "PUERTA", "", "")
    meter.page_read(reading, [event], at(3061))
    meter.committed(Batch([event]), CommitResult([event], 0, {}))
    assert meter.close_waits() == timedelta(0)


def test_a_restart_goes_on_with_what_was_measured() -> None:
    reads = SimulatedReads(crossings(3600, lambda _: 150)).run(1800)
    again = LatenessMeter(timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=60))
    again.restore([reads.status])
    again.open(START)
    again.follow([FEED], {FEED: reads.read_until})
    assert again.status(FEED) == reads.status
    assert again.close_waits() == reads.meter.close_waits()
    assert again.overlaps() == reads.meter.overlaps()


def test_two_late_cameras_of_a_server_count_for_all_of_it() -> None:
    meter = LatenessMeter(timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=60))
    feeds = [Feed("srv", camera) for camera in "ABC"] + [Feed("other", "D")]
    meter.open(START)
    meter.follow(feeds, {})
    meter.restore(
        [FeedLateness(feeds[0], 9, {150: 9}, (140.0, 200.0)), FeedLateness(feeds[1], 9, {90: 9}, (80.0, 100.0))]
    )
    within = {feed.camera_id: meter.within(feed).total_seconds() for feed in feeds}
    assert within == {"A": 200, "B": 100, "C": 100, "D": 0}
    assert meter.overlaps() == {feed: timedelta(minutes=5) for feed in feeds[:3]}


def test_one_late_camera_is_its_own_matter() -> None:
    meter = LatenessMeter(timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=60))
    feeds = [Feed("srv", camera) for camera in "ABC"]
    meter.open(START)
    meter.follow(feeds, {})
    meter.restore([FeedLateness(feeds[0], 9, {150: 9}, (140.0, 2000.0))])
    assert meter.overlaps() == {feeds[0]: timedelta(minutes=15)}
    assert meter.close_waits() == timedelta(minutes=15)


def test_a_clock_that_is_set_makes_nothing_late() -> None:
    reads = SimulatedReads(crossings(3600, lambda _: 2)).run(1800)
    reads.meter.begin_cycle(reads.now, 1800)
    reads.now += timedelta(minutes=10)
    reads.meter.begin_cycle(reads.now, 1801)
    assert reads.meter.reads[FEED].until == START
    reading = reads.meter.begin(EventQuery("srv", ("A",), WHOLE), reads.now)
    reads.stored_at.clear()
    event = CameraEvent("srv", "x", at(1700), "A", "PUERTA", "", "")
    reads.meter.page_read(reading, [event], reads.now)
    reads.meter.committed(Batch([event]), CommitResult([event], 0, {}))
    assert reads.meter.close_waits() == timedelta(0)


@pytest.mark.parametrize("hinted", [False, True])
@pytest.mark.parametrize("seconds", [0, 2, 10])
def test_what_is_punctual_is_not_late_beside_live_reads(seconds: float, *, hinted: bool) -> None:
    events = crossings(1200, lambda _: seconds)
    reads = SimulatedReads(events, live=5, hinted=hinted).run(1260)
    assert reads.meter.close_waits() == timedelta(0)
    assert (reads.status.late, reads.status.clock_offset) == ({}, None)
    assert len(events) - 5 <= reads.status.events <= len(events), "each is measured once"


@pytest.mark.parametrize("hinted", [False, True])
@pytest.mark.parametrize("seconds", [45, 150])
def test_what_is_late_is_measured_beside_live_reads(seconds: float, *, hinted: bool) -> None:
    chance = random.Random(3)
    events = crossings(1800, lambda _: seconds if chance.random() < 0.2 else 0)
    reads = SimulatedReads(events, live=5, hinted=hinted).run(2400)
    assert len(reads.stored_at) == len(events)
    late = sum(visible - occurred > 0 for occurred, visible in events)
    assert 0.5 * late <= sum(reads.status.late.values()) <= late
    lower, upper = reads.status.worst
    assert lower <= seconds <= upper + 0.1
    assert seconds <= reads.meter.close_waits().total_seconds() <= seconds + 65


def test_a_clock_that_is_behind_is_known_beside_live_reads() -> None:
    reads = SimulatedReads(crossings(1800, lambda _: 150), live=5).run(1800)
    assert reads.status.clock_offset == pytest.approx(-150, abs=10)
    assert reads.meter.usually_visible_within() == {}


@pytest.mark.parametrize("lag", [0, 3, 20])
def test_the_live_reads_find_what_becomes_visible_late(lag: float) -> None:
    events = crossings(1500, lambda _: lag)
    reads = SimulatedReads(events, live=5).run(1560)
    waited = sorted(
        (reads.stored_at[str(number)] - at(visible)).total_seconds()
        for number, (occurred, visible) in enumerate(events)
        if occurred > 600
    )
    assert waited[int(0.9 * len(waited))] <= 6
