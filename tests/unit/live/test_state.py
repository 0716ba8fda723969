"""The provisional figures are what the database will have: the same events, each once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.doors import minute_of
from aforo.counting.occupancy import OccupancyDelta, composed, timed_movement
from aforo.counting.rules import Rules
from aforo.live.state import HealthProbes, LiveState
from aforo.models import (
    Batch,
    CameraEvent,
    CommitResult,
    EventPhase,
    Feed,
    FeedStatus,
    Occupancy,
    Outcome,
    ReconciliationResult,
    Rule,
    ScheduledEvent,
    Window,
)
from aforo.settings import TotalSettings, ZoneSettings, zones_from
from aforo.storage import EventRecord

START = datetime(2026, 11, 24, 21, tzinfo=UTC)
ZONES = [ZoneSettings(name="Norte", table="T", entries=["contains:ENTRA"], exits=["contains:SALE"], initial=2)]
RULES = Rules([Rule.of("contains:PUERTA")], zones_from(ZONES))
EVENT = ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, START + timedelta(hours=2)))
FEED = Feed("s", "c")


def event(number: int, seconds: float, name: str = "ENTRA") -> CameraEvent:
    return CameraEvent("s", str(number), START + timedelta(seconds=seconds), "c", name, "", "OBJECT_COUNTING_ENTER")


class Fake:
    """A live state, and a database of the test that counts as the real one does."""

    def __init__(self) -> None:
        self.live = LiveState(ZONES, totals=[TotalSettings(name="Todo", zones=["Norte"])])
        self.now = START + timedelta(hours=1)
        self.down: datetime | None = None
        self.waiting: list[Batch] = []
        self.ledger: dict[tuple[str, str], CameraEvent] = {}
        self.live.connect(HealthProbes(database_down_since=lambda: self.down, waiting=lambda: self.waiting))
        self.live.open(EventRecord(1, EVENT, {}, {"Norte": self.truth()}, False, RULES.classify, ""), START)
        self.live.follow([FeedStatus(FEED, START)])

    def read(self, *events: CameraEvent) -> None:
        batch = Batch(list(events), checkpoints={FEED: max(one.occurred_at for one in events)})
        self.live.page_read(batch, START + timedelta(hours=1))
        self.waiting.append(batch)
        if self.down is None:
            self.store()
        self.live.refresh()

    def store(self) -> None:
        for batch in self.waiting:
            new = [one for one in dict.fromkeys(batch.events) if (one.server_id, one.this_id) not in self.ledger]
            self.ledger.update({(one.server_id, one.this_id): one for one in new})
            touched = {minute_of(one) for one in new}
            minutes = {"Norte": {minute: self.delta(minute) for minute in touched}}
            stored = CommitResult(new, len(batch.events) - len(new), {"Norte": self.truth()}, minutes)
            self.live.committed(stored, self.now, batch)
        self.waiting.clear()

    def delta(self, minute: int) -> OccupancyDelta:
        return counted([one for one in self.ledger.values() if minute_of(one) == minute])

    def truth(self, extra: Sequence[CameraEvent] = ()) -> Occupancy:
        known = {(one.server_id, one.this_id): one for one in (*self.ledger.values(), *extra)}
        minutes = {minute_of(one) for one in known.values()}
        deltas = {minute: counted([one for one in known.values() if minute_of(one) == minute]) for minute in minutes}
        return composed(deltas).occupancy("Norte", 2)


def counted(events: Sequence[CameraEvent]) -> OccupancyDelta:
    steps = [timed_movement(one, delta) for one in events for _, delta in RULES.classify(one.source).movements]
    return OccupancyDelta.of([step[4] for step in sorted(steps)])


def test_the_count_follows_only_what_was_stored_while_the_database_is_there() -> None:
    fake = Fake()
    fake.read(event(1, 10), event(2, 70, "SALE"))
    assert fake.live.occupancy("Norte") == Occupancy("Norte", 1, 1, 2, 0)
    assert not fake.live.provisional


def test_while_the_database_is_away_the_count_goes_on_and_is_provisional() -> None:
    fake = Fake()
    fake.read(event(1, 10))
    fake.down = START
    fake.read(event(2, 60), event(3, 61))
    assert fake.live.provisional
    assert fake.live.occupancy("Norte").count == 5
    assert fake.live.occupancies["Norte"].count == 3
    assert fake.live.count_at("Norte", START + timedelta(seconds=60)) == 3


def test_what_is_read_again_counts_once() -> None:
    fake = Fake()
    fake.read(event(1, 10), event(2, 20))
    fake.down = START
    fake.read(event(2, 20), event(3, 30))
    fake.read(event(1, 10), event(3, 30), event(4, 40))
    assert fake.live.occupancy("Norte").count == 6


def test_what_a_sweep_reads_again_long_after_it_was_stored_is_not_new() -> None:
    fake = Fake()
    for minute in range(50):
        fake.now = START + timedelta(minutes=minute + 1)
        fake.read(event(minute, minute * 60))
    fake.down = fake.now
    fake.read(*(event(minute, minute * 60) for minute in range(51)))
    assert fake.live.occupancy("Norte").count == 2 + 51


def test_before_its_first_event_a_zone_is_as_it_begins() -> None:
    live = LiveState(ZONES)
    assert (live.occupancy("Norte"), live.count_at("Norte", START)) == (Occupancy("Norte", 0, 0, 2, 0), 2)


def test_when_it_is_back_nothing_is_provisional_and_the_number_does_not_jump() -> None:
    fake = Fake()
    fake.down = START
    fake.read(event(1, 10), event(2, 20), event(3, 30, "PUERTA 1"))
    before = fake.live.occupancy("Norte")
    fake.store()
    fake.live.refresh()
    assert fake.live.occupancy("Norte") == before
    fake.down = None
    fake.live.refresh()
    assert not fake.live.provisional
    assert not list(fake.live.uncommitted_doors())
    assert fake.live.occupancy("Norte") == fake.live.occupancies["Norte"] == before


def test_a_late_event_changes_its_own_minute_of_the_curve() -> None:
    fake = Fake()
    fake.read(event(1, 300))
    fake.read(event(2, 10))
    assert [count for _, count in fake.live.curves["Norte"]] == [3, 4]
    zones, _ = fake.live.touched(0)
    assert len(zones) == 2


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=8),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_whatever_is_read_again_and_whenever_the_database_goes(
    pages: list[list[tuple[int, bool]]], downs: list[bool]
) -> None:
    fake = Fake()
    for page, down in zip(pages, downs, strict=False):
        fake.down = START if down else None
        if not down:
            fake.store()
        fake.read(*(event(number, number * 7, "ENTRA" if number % 3 else "SALE") for number, _ in page))
        waiting = [one for batch in fake.waiting for one in batch.events]
        assert fake.live.occupancy("Norte").count == approximate(fake, waiting)


def approximate(fake: Fake, waiting: Sequence[CameraEvent]) -> int:
    """What the database will have, what is not stored counted at the end of its minute."""
    stored = {(one.server_id, one.this_id) for one in fake.ledger.values()}
    fresh = {one for one in waiting if (one.server_id, one.this_id) not in stored}
    minutes = {minute_of(one) for one in (*fake.ledger.values(), *fresh)}
    deltas = {
        minute: fake.delta(minute).then(counted([one for one in fresh if minute_of(one) == minute]))
        for minute in minutes
    }
    return composed(deltas).occupancy("Norte", 2).count


def test_a_close_with_reservations_stays_in_sight_beside_the_next_event_of_that_date() -> None:
    fake = Fake()
    hour = timedelta(hours=1)
    windows = [
        Window(EVENT.window.until + hour * number, EVENT.window.until + hour * (number + 1)) for number in (0, 1)
    ]
    second = EventRecord(2, ScheduledEvent(EVENT.day, "Segundo", windows[0]), {}, {}, False, RULES.classify, "")
    next_day = EventRecord(
        3, ScheduledEvent(EVENT.day + timedelta(days=1), "Otro", windows[1]), {}, {}, False, RULES.classify, ""
    )
    first = EventRecord(1, EVENT, {}, {"Norte": fake.truth()}, False, RULES.classify, "")
    live = fake.live
    live.open(second, windows[0].since)
    live.enter(first, EventPhase.CLOSING)
    live.reconcile_beside(first, Outcome.RESERVED)
    live.enter(first, EventPhase.OVER)
    assert list(live.beside) == [(EVENT, Outcome.RESERVED)]
    live.reconcile_beside(first, Outcome.RECONCILED)  # a later comparison
    assert list(live.beside) == []
    live.reconcile(ReconciliationResult(Outcome.NOT_COMPARED))  # of the second, before the third begins
    live.reconcile_beside(first, Outcome.RESERVED)
    live.enter(second, EventPhase.OVER)
    third = EventRecord(4, ScheduledEvent(EVENT.day, "Tercero", windows[1]), {}, {}, False, RULES.classify, "")
    live.open(third, windows[1].since)
    assert list(live.beside) == [(EVENT, Outcome.RESERVED), (second.event, Outcome.NOT_COMPARED)]
    live.open(next_day, windows[1].since)
    assert [outcome for _, outcome in live.beside if isinstance(outcome, Outcome)] == []


def test_the_event_that_began_last_is_displayed_and_the_others_are_beside_it() -> None:
    fake = Fake()
    later = ScheduledEvent(EVENT.day, "Segundo", Window(EVENT.window.until, EVENT.window.until + timedelta(hours=2)))
    first = EventRecord(1, EVENT, {}, {"Norte": fake.truth()}, False, RULES.classify, "")
    second = EventRecord(2, later, {}, {"Norte": fake.truth()}, False, RULES.classify, "")
    live = fake.live
    assert list(live.beside) == []
    assert live.would_display(second)
    live.open(second, later.window.since)
    assert (live.event, live.phase) == (later, EventPhase.WATCHING)
    assert list(live.beside) == [(EVENT, EventPhase.WATCHING)]
    assert not live.would_display(first)
    live.enter(first, EventPhase.CLOSING)
    assert (live.phase, list(live.beside)) == (EventPhase.WATCHING, [(EVENT, EventPhase.CLOSING)])
    live.enter(first, EventPhase.OVER)
    assert (live.phase, list(live.beside)) == (EventPhase.WATCHING, [])
    live.enter(second, EventPhase.WAITING)  # cancelled
    assert live.would_display(first)


def test_a_total_follows_its_zones_whether_stored_or_not() -> None:
    fake = Fake()
    fake.read(event(1, 10), event(2, 70, "SALE"))
    fake.down = START
    fake.read(event(3, 130))
    assert fake.live.total_occupancies == {"Todo": Occupancy("Todo", 1, 1, 2, 0)}
    assert fake.live.occupancy("Todo") == Occupancy("Todo", 2, 1, 3, 0)
    assert fake.live.curve("Todo") == fake.live.curve("Norte")
    assert fake.live.curves["Todo"] == fake.live.curves["Norte"]
    assert fake.live.count_at("Todo", START + timedelta(seconds=60)) == 3
    assert fake.live.initial("Todo") == 2
    assert list(fake.live.flows("Todo").values()) == [(1, 0), (0, 1), (1, 0)]


def test_what_is_not_read_yet_is_that_of_cameras_far_behind_the_one_read_furthest() -> None:
    fake = Fake()
    slow, near, elsewhere = Feed("s", "slow"), Feed("s", "near"), Feed("other", "c")
    statuses = [FeedStatus(feed, START) for feed in (FEED, slow, near)]
    fake.live.follow([*statuses, FeedStatus(elsewhere, START, unknown=True)])
    batch = Batch()
    batch.checkpoints |= {FEED: START + timedelta(minutes=9), near: START + timedelta(minutes=8)}
    fake.live.committed(CommitResult([], 0, {}), START + timedelta(minutes=10), batch)
    furthest, unread = fake.live.newest_and_unread() or (START, {})
    assert furthest == START + timedelta(minutes=9)
    assert unread == {"slow": Window(START, furthest)}
    batch.checkpoints[slow] = START + timedelta(minutes=8)
    fake.live.committed(CommitResult([], 0, {}), START + timedelta(minutes=10), batch)
    assert fake.live.newest_and_unread() == (furthest, {})
