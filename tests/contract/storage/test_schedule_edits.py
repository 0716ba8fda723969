"""The schedule is edited while an event runs: in the end the database matches the last schedule."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.contract.storage.databases import (
    BOGOTA,
    ENTRADA,
    HISTORY,
    INGRESO,
    MINUTE_MS,
    NORTE,
    PUERTA,
    SALIDA,
    START,
    SUR,
    DatabaseUnderTest,
    add,
    at,
    event_at,
    naive,
    opened,
    rules,
    statements,
)

from aforo.counting.occupancy import OccupancyDelta
from aforo.models import CameraEvent, Feed, ScheduledEvent
from aforo.storage import Correction, EventRecord, Store

_FEED = Feed("S1", "CAM1")
_HOUR = 60  # minutes that the edited event has
_TABLES = {NORTE: "Aforo_parqueadero", SUR: "Aforo_parqueadero_SUR"}


def event(name: str, since: float, until: float, day: int = 0) -> ScheduledEvent:
    """An event of that day, from and until so many minutes after 16:00."""
    return event_at(day, name=name, shift=since / 60, hours=(until - since) / 60)


def door(minute: float, this_id: str, name: str = PUERTA) -> CameraEvent:
    return at(round(minute * MINUTE_MS), this_id, name)


def named(database: DatabaseUnderTest) -> list[tuple[str, str]]:
    """The history's rows: time of day, and whose they are."""
    return [(row[4][11:16], row[5]) for row in sorted(database.history(), key=lambda row: row[4])]


# Shortener, split, renamed.


def test_one_event_is_made_two_after_its_events_were_stored(database: DatabaseUnderTest, store: Store) -> None:
    whole = opened(store, event("Festival", 0, 120))
    events = [door(10, "1", ENTRADA), door(20, "2"), door(65, "3", ENTRADA), door(66, "4", ENTRADA), door(70, "5")]
    add(store, whole, *events, until={_FEED: START + timedelta(minutes=80)})
    first, second = opened(store, event("Festival", 0, 60)), opened(store, event("Cierre", 60, 120))
    assert (first.id, first.occupancies[NORTE].count, second.occupancies[NORTE].count) == (whole.id, 1, 2)
    assert (sum(store.events_by_camera(first).values()), sum(store.events_by_camera(second).values())) == (2, 3)
    assert second.checkpoints == {}
    assert named(database) == [("16:20", "Festival"), ("17:10", "Cierre")]
    assert database.aforo() == {"Festival": 1, "Cierre": 2}
    assert store.recount(second) == second.occupancies
    assert add(store, second, *events[2:]).already == 3


def test_rows_lose_their_name_with_the_time_and_get_it_back(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store, event("Final", 0, 120))
    add(store, record, door(10, "1"), door(50, "2"), door(90, "3"))
    shorter = opened(store, event("Final", 30, 60))
    assert named(database) == [("16:10", ""), ("16:50", "Final"), ("17:30", "")]
    assert store.history_count(shorter) == 1
    assert store.history_count(opened(store, event("Final", 0, 120))) == 3
    assert [name for _, name in named(database)] == ["Final"] * 3


def test_a_renamed_and_shortened_event_keeps_what_is_left(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store, event("Ensayo", 0, 120))
    add(store, record, door(10, "1", ENTRADA), door(10, "2"), door(90, "3", ENTRADA), door(90, "4"))
    renamed = opened(store, event("Concierto", 0, 60))
    assert (renamed.id, database.aforo(), named(database)) == (
        record.id, {"Concierto": 1}, [("16:10", "Concierto"), ("17:30", "")],
    )  # fmt: skip


@pytest.mark.parametrize(("since", "until", "renamings"), [(0, 180, 0), (0, 60, 0), (5, 60, 0), (0, 45, 2)])
def test_the_history_is_not_gone_through_for_a_time_of_which_nothing_is_stored(
    database: DatabaseUnderTest, store: Store, since: float, until: float, renamings: int
) -> None:
    add(store, opened(store, event("Final", 0, 120)), door(10, "1"), door(50, "2"))
    with statements() as executed:
        opened(store, event("Final", since, until))
    assert len([sql for sql in executed if sql.startswith("UPDATE") and HISTORY in sql]) == renamings
    assert named(database) == [("16:10", "Final"), ("16:50", "" if renamings else "Final")]


def test_two_events_of_a_date_swap_their_names(database: DatabaseUnderTest, store: Store) -> None:
    early, late = opened(store, event("Uno", 0, 60)), opened(store, event("Dos", 90, 150))
    add(store, early, door(10, "1", ENTRADA), door(11, "2"))
    add(store, late, door(100, "3", ENTRADA), door(101, "4", ENTRADA), door(102, "5"))
    assert [opened(store, event("Dos", 0, 60)).id, opened(store, event("Uno", 90, 150)).id] == [early.id, late.id]
    assert database.aforo() == {"Dos": 1, "Uno": 2}
    assert named(database) == [("16:11", "Dos"), ("17:42", "Uno")]


def test_an_event_is_put_off_and_another_takes_its_place(database: DatabaseUnderTest, store: Store) -> None:
    before = opened(store, event("Partido", 0, 60))
    add(store, before, door(10, "1", ENTRADA), door(11, "2"))
    put_off = opened(store, event("Partido", 90, 150))
    add(store, put_off, door(100, "3", ENTRADA), door(101, "4", ENTRADA))
    assert put_off.id != before.id
    instead = opened(store, event("Telonero", 0, 60))
    assert (instead.id, instead.occupancies[NORTE].count) == (before.id, 1)
    assert database.aforo() == {"Partido": 2, "Telonero": 1}
    assert database.aforo("Aforo_parqueadero_SUR") == {"Partido": 0, "Telonero": 0}


def test_a_shortened_event_leaves_the_row_of_its_name_to_the_event_that_has_it_now(
    database: DatabaseUnderTest, store: Store
) -> None:
    opened(store, event("Partido", 0, 60))
    put_off = opened(store, event("Partido", 90, 150))
    add(store, put_off, door(100, "3", ENTRADA))
    opened(store, event("Telonero", 45, 80))
    assert database.aforo() == {"Partido": 1, "Telonero": 0}


def test_an_event_shortened_before_leaves_the_row_of_its_name_alone(database: DatabaseUnderTest, store: Store) -> None:
    opened(store, event("Partido", 60, 120))
    brought_forward = opened(store, event("Partido", 0, 30))
    add(store, brought_forward, door(10, "1", ENTRADA))
    opened(store, event("Telonero", 40, 100))
    assert database.aforo() == {"Partido": 1, "Telonero": 0}


def test_a_correction_follows_the_event_that_has_its_time(database: DatabaseUnderTest, store: Store) -> None:
    whole = opened(store, event("Festival", 0, 120))
    add(store, whole, door(10, "1", ENTRADA), door(90, "2", ENTRADA))
    for number, minute in enumerate((5, 80)):
        moment = START + timedelta(minutes=minute)
        store.correct(whole, Correction(f"c{number}", NORTE, 10, "conteo", "Ana", moment))
    first, second = opened(store, event("Festival", 0, 60)), opened(store, event("Cierre", 60, 120))
    assert (store.occupancies(first)[NORTE].count, second.occupancies[NORTE].count) == (11, 11)
    assert database.aforo() == {"Festival": 11, "Cierre": 11}
    assert [len(store.corrections(record)) for record in (first, second)] == [1, 1]
    assert store.recount(second) == second.occupancies


def test_of_two_events_in_use_one_gives_time_and_corrections_to_the_other(
    database: DatabaseUnderTest, store: Store
) -> None:
    """What is kept in memory of both follows: what is stored next is counted on top of it."""
    first, second = opened(store, event("Uno", 0, 60)), opened(store, event("Dos", 60, 120))
    add(store, first, door(10, "1", ENTRADA), door(50, "2", ENTRADA))
    store.correct(first, Correction("c1", NORTE, 10, "conteo", "Ana", START + timedelta(minutes=55)))
    add(store, second, door(70, "3", ENTRADA))
    second = opened(store, event("Dos", 45, 120))
    first = opened(store, event("Uno", 0, 45))
    add(store, second, door(50.5, "4", ENTRADA), door(55.5, "5", ENTRADA))
    add(store, first, door(40, "6", ENTRADA))
    for made in (store, database.store()):
        counts = [made.occupancies(record)[NORTE].count for record in (first, second)]
        assert counts == [2, 14]
        assert [len(made.corrections(record)) for record in (first, second)] == [0, 1]
    assert store.recount(second)[NORTE].count == 14


@pytest.mark.parametrize("cut_first", [False, True])
def test_camera_events_taken_from_an_event_of_other_rules_are_classified_again(
    database: DatabaseUnderTest, store: Store, cut_first: bool
) -> None:
    whole = opened(store, event("Festival", 0, 120))
    add(store, whole, door(10, "1", ENTRADA), door(90, "2", ENTRADA), door(91, "3"))
    if cut_first:
        opened(store, event("Festival", 0, 60))
    second = opened(store, event("Cierre", 80, 220), rules(stored="PARQUEADERO"))
    assert second.id != whole.id
    assert named(database)[-2:] == [("17:30", "Cierre"), ("17:31", "Cierre")]
    assert store.history_count(second) == 2
    assert second.occupancies[NORTE].count == 1


def test_another_process_with_the_schedule_of_before_takes_nothing_from_the_next_event(
    database: DatabaseUnderTest, store: Store
) -> None:
    other = database.store()
    stale = opened(other, event("Festival", 0, 120))
    first, second = opened(store, event("Festival", 0, 60)), opened(store, event("Cierre", 60, 120))
    late = [door(50, "1"), door(70, "2"), door(71, "3", ENTRADA)]
    until = {_FEED: START + timedelta(minutes=80)}
    assert len(add(other, stale, *late, until=until).new) == 1
    assert len(add(store, second, *late[1:], until=until).new) == 2
    assert store.occupancies(second)[NORTE].count == 1
    assert named(database) == [("16:50", "Festival"), ("17:10", "Cierre")]
    assert opened(store, event("Festival", 0, 60)).checkpoints == first.checkpoints == {}


# Any edits, in any order.


@dataclass
class _Monitor:
    """Reads what happened at a stadium from the checkpoints on, over whatever events are opened."""

    store: Store
    camera_events: Sequence[CameraEvent]
    records: list[EventRecord] = field(default_factory=list)

    def open(self, scheduled: ScheduledEvent) -> None:
        self.records.append(opened(self.store, scheduled))

    def read(self, part: float, *, back: int = 0) -> None:
        """Read on, up to some part of what is left of the event; ``back``: by a process behind in edits."""
        record = self.records[-1 - back % len(self.records)]
        since, until = record.event.window
        read_until = record.checkpoints.get(_FEED, since)
        upto = read_until + (until - read_until) * part
        new = [one for one in self.camera_events if read_until <= one.occurred_at < upto]
        add(self.store, record, *new, until={_FEED: upto})
        record.checkpoints[_FEED] = upto


_schedules = st.builds(
    lambda bounds, taken: [
        (name, since, until)
        for name, (since, until), there in zip(
            taken[0], pairwise(sorted(bounds)), taken[1], strict=False
        )
        if there
    ],
    st.lists(st.sampled_from([*range(0, _HOUR + 1, 5), 7.5, 22.501]), min_size=2, max_size=4, unique=True),
    st.tuples(st.permutations(["A", "B", "C"]), st.lists(st.booleans(), min_size=3, max_size=3)),
)  # fmt: skip
_happened = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, _HOUR * MINUTE_MS - 1),
            st.sampled_from([450_000, 900_000, 1_350_060, 1_800_000, 449_999, 899_999]),
        ),
        st.sampled_from([ENTRADA, SALIDA, INGRESO, PUERTA, PUERTA]),
    ),
    max_size=25,
    unique_by=lambda one: one[0],
)
_actions = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), _schedules),
        st.tuples(st.just("open"), st.integers(0, 2)),
        st.tuples(st.just("read"), st.floats(0, 1), st.sampled_from([0, 0, 0, 1, 2])),
    ),
    max_size=14,
)
_days = iter(range(1, 100_000))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=_happened, actions=_actions, last=_schedules, shared=st.booleans(), data=st.data())
def test_whatever_was_edited_the_last_schedule_holds(
    database: DatabaseUnderTest,
    happened: list[tuple[int, str]],
    actions: list[tuple[object, ...]],
    last: list[tuple[str, float, float]],
    shared: bool,
    data: st.DataObject,
) -> None:
    assume(last)
    day = next(_days)
    camera_events = [at(when, str(number), name, day=day) for number, (when, name) in enumerate(happened, 1)]
    monitor = _Monitor(database.stores[0] if database.stores else database.store(), camera_events)

    def planned(schedule: object) -> list[ScheduledEvent]:
        # Names come back on other days, or they don't.
        return [event(name if shared else f"{name} {day}", since, until, day) for name, since, until in schedule]  # type: ignore[attr-defined]

    schedule: list[ScheduledEvent] = []
    for what, *more in actions:
        if what == "edit":
            schedule = planned(more[0])
        elif what == "open" and schedule:
            monitor.open(schedule[int(str(more[0])) % len(schedule)])
        elif what == "read" and monitor.records:
            monitor.read(float(str(more[0])), back=int(str(more[1])))
    for scheduled in data.draw(st.permutations(planned(last))):
        monitor.open(scheduled)
        monitor.read(1)
    for scheduled in planned(last):
        _assert_holds(database, monitor, scheduled)


def _assert_holds(database: DatabaseUnderTest, monitor: _Monitor, scheduled: ScheduledEvent) -> None:
    store = monitor.store
    (record,) = [one for one in monitor.records[-3:] if one.event == scheduled][-1:]
    inside = [
        one for one in monitor.camera_events if scheduled.window.since <= one.occurred_at < scheduled.window.until
    ]
    right = {zone: naive(inside, zone) for zone in (NORTE, SUR)}
    curves = {zone: _curve(inside, zone) for zone in (NORTE, SUR)}
    assert sorted(store.events(record)[0]) == sorted(inside)
    assert (store.occupancies(record), store.minutes(record)) == (right, curves)
    assert {zone: database.aforo(table)[scheduled.name] for zone, table in _TABLES.items()} == {
        zone: occupancy.count for zone, occupancy in right.items()
    }
    doors = Counter(_wall(one.occurred_at) for one in inside if one.name == PUERTA)
    since, until = map(_wall, scheduled.window)
    rows = [(wall, name) for *_, wall, name in database.history() if since <= wall < until]
    assert Counter(wall for wall, _ in rows) == doors
    assert {name for _, name in rows} <= {scheduled.name}
    assert store.history_count(record) == sum(doors.values())
    assert (store.recount(record), store.minutes(record)) == (right, curves)


def _curve(inside: Sequence[CameraEvent], zone: str) -> dict[int, OccupancyDelta]:
    moving = [
        (int(one.occurred_at.timestamp() * 1000 + 0.5), movement.delta)
        for one in sorted(inside, key=lambda one: one.occurred_at)
        for movement in rules().classify(one.source).movements
        if movement.zone == zone
    ]
    return {
        minute * MINUTE_MS: OccupancyDelta.of([delta for _, delta in run])
        for minute, run in groupby(moving, key=lambda one: one[0] // MINUTE_MS)
    }


def _wall(instant: datetime) -> str:
    return instant.astimezone(BOGOTA).replace(tzinfo=None).isoformat(" ", "milliseconds")
