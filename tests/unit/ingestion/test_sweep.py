"""The sweep reads everything again at each of its ages, in few and joined queries, and nothing twice."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from aforo.ingestion.sweep import SWEEP_AGES, FeedReads, LastRead, Sweep
from aforo.models import Feed, Window

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
WHOLE = Window(START, START + timedelta(hours=3))
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


class Watched:
    """An event with cameras that are read in poll cycles of a minute; ``most``: sweep queries in each."""

    def __init__(self, cameras: int, joined: int, overlap: float = 2.0, most: int = 1000) -> None:
        self.feeds = [Feed("srv", str(camera)) for camera in range(cameras)]
        self.reads = {feed: FeedReads.until_checkpoint(START, START) for feed in self.feeds}
        self.sweep = Sweep(WHOLE, self.reads)
        self.joined, self.overlap, self.most = joined, overlap, most
        self.windows: list[tuple[datetime, Window]] = []
        self.queries = self.ahead = 0

    def run(self, since: int, until: int, *, answering: int | None = None) -> "Watched":
        """Poll cycles at these minutes; the sweep reads the first ``answering`` cameras."""
        for minute in range(since, until):
            for number, feed in enumerate(self.feeds):
                sent = at(minute) + number * timedelta(milliseconds=1)
                begin = max(START, self.reads[feed].until - self.overlap * MINUTE)
                self.reads[feed].add(Window(begin, min(at(minute), WHOLE.until)), sent)
            now = at(minute) + timedelta(seconds=5)
            for query in self.sweep.due(self.feeds[:answering], now, lambda _: self.joined)[: self.most]:
                self.sweep.mark_asked(query, now)
                self.queries += 1
                self.ahead += query.ahead
                if not query.ahead:
                    self.windows.append((now, query.query.window))
                    for feed in query.query.feeds:
                        self.reads[feed].add(query.query.window, now)
        return self

    def ages(self, instant: datetime) -> list[float]:
        """At which ages (minutes) the sweep read an instant."""
        return [(now - instant) / MINUTE for now, window in self.windows if window.since <= instant < window.until]


def test_everything_is_read_again_at_each_age() -> None:
    watched = Watched(1, 1).run(1, 170)
    for minute in (0.5, 10.2, 33.3, 80.9):
        five, quarter, three_quarters = watched.ages(at(minute))
        assert 5 <= five <= 8.6
        assert 15 <= quarter <= 23.6
        assert 45 <= three_quarters <= 57


def test_the_overlap_spares_what_it_has_reached() -> None:
    assert all((now - window.until) >= 5 * MINUTE for now, window in Watched(1, 1).run(1, 120).windows)
    assert all((now - window.until) >= 15 * MINUTE for now, window in Watched(1, 1, overlap=6).run(1, 120).windows)
    assert min(now - window.until for now, window in Watched(1, 1, overlap=0.5).run(1, 120).windows) < 3 * MINUTE


def test_what_was_first_read_at_that_age_is_not_read_again() -> None:
    watched = Watched(1, 1).run(100, 101)
    assert watched.windows == []
    assert all(window.since >= at(45) for _, window in watched.run(101, 150).windows)


def test_the_requests_of_a_site() -> None:
    """Per minute, in an event's second hour: a stadium's cameras alone and joined, and a large site."""

    def per_minute(cameras: int, joined: int) -> float:
        first = Watched(cameras, joined).run(1, 61)
        before = first.queries
        return (first.run(61, 121).queries - before) / 60

    assert per_minute(17, 1) == pytest.approx(12.5, abs=1)
    assert per_minute(17, 40) == pytest.approx(0.73, abs=0.1)
    assert per_minute(2000, 40) == pytest.approx(37, abs=3)


def test_cameras_of_one_server_are_joined() -> None:
    watched = Watched(17, 40).run(1, 61)
    alone = Watched(1, 40).run(1, 61)
    assert watched.queries == alone.queries


def test_a_sweep_that_falls_behind_reads_longer_windows_and_leaves_nothing_out() -> None:
    watched = Watched(10, 1, most=3).run(1, 150)
    reads = watched.reads[Feed("srv", "3")]
    assert reads.swept[1] > at(150 - 45)
    longest = max(window.until - window.since for _, window in watched.windows)
    assert longest > SWEEP_AGES[1] / 2


def test_after_a_restart_it_goes_on_where_it_was() -> None:
    reads = FeedReads.until_checkpoint(START, at(60))
    sweep = Sweep(WHOLE, {Feed("srv", "A"): reads})
    windows = []
    for _ in range(20):
        due = [one for one in sweep.due([Feed("srv", "A")], at(62), lambda _: 1) if not one.ahead]
        windows += [one.query.window for one in due]
        for one in due:
            reads.add(one.query.window, at(62))
    assert windows
    assert min(window.since for window in windows) == at(0), "the edge before 60 - 45 - 10 minutes"
    assert due == []


def test_a_failure_lets_the_server_rest() -> None:
    watched = Watched(1, 1).run(1, 10)
    now = at(30)
    watched.reads[watched.feeds[0]].add(Window(at(8), at(30)), now)
    query = watched.sweep.due(watched.feeds, now, lambda _: 1)[0]
    watched.sweep.mark_failed(query, now)
    assert watched.sweep.due(watched.feeds, now, lambda _: 1) == []
    assert watched.sweep.due(watched.feeds, now + 2 * MINUTE, lambda _: 1) != []


def test_the_future_is_read_until_the_event_ends() -> None:
    watched = Watched(3, 40).run(1, 200)
    assert watched.ahead == pytest.approx(180 / 10, abs=2)
    sweep = Sweep(WHOLE, watched.reads)
    ahead = [one for one in sweep.due(watched.feeds, at(100), lambda _: 40) if one.ahead]
    assert [one.query.window for one in ahead] == [Window(at(100), WHOLE.until)]


def test_a_clock_that_is_ahead_is_followed_closely() -> None:
    watched = Watched(1, 1).run(1, 20)
    known: Mapping[str, bool] = {"0": True}
    due = watched.sweep.due(watched.feeds, at(22), lambda _: 1, lambda feed: known[feed.camera_id])
    assert [one.ahead for one in due].count(True) == 1


def test_an_instant_was_read_last_when_it_was() -> None:
    reads = FeedReads.until_checkpoint(START, START)
    reads.add(Window(START, at(10)), at(10))
    reads.add(Window(at(8), at(11)), at(11))
    assert reads.last_read(at(11)) is None
    assert reads.last_read(at(9)) == (at(11), None)
    found = reads.last_read(at(7))
    assert found is not None
    assert found.at == at(9), "at an age of two minutes at least"


def test_the_overlap_shows_at_which_age_an_instant_was_last_read() -> None:
    """A short overlap reads nothing at the first age of the sweep, and yet an event that comes later is late."""
    overlap = timedelta(seconds=20)
    reads = FeedReads.until_checkpoint(START, START, overlap)
    for seconds in range(4, 61, 4):
        now = START + timedelta(seconds=seconds)
        reads.add(Window(max(START, now - timedelta(seconds=24)), now), now)
    old = reads.last_read(START + timedelta(seconds=10))
    assert old is not None
    assert old.at == START + timedelta(seconds=30)
    assert old.next_within is not None
    assert old.next_within >= SWEEP_AGES[0] - overlap
    recent = reads.last_read(START + timedelta(seconds=50))
    assert recent == LastRead(START + timedelta(seconds=60), None)
