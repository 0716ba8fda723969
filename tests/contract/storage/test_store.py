"""What every store promises, whatever its database: SQLite always, and each server that AFORO_TEST_MSSQL_URL names."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
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
    batch,
    event_at,
    naive,
    opened,
    rules,
    statements,
    zones,
)
from tests.contract.storage.scenario import camera_events, pages

from aforo.errors import StoreNotReady, StoreRejectedRow, StoreUnavailable
from aforo.models import Batch, CameraEvent, Feed, Occupancy
from aforo.storage import Correction, JournalKind, Store

_T = TypeVar("_T")
_KILLED = 8  # processes, two at a time


# The stadium's tables.


def test_makes_the_documents_tables_with_its_columns_and_no_others(database: DatabaseUnderTest, store: Store) -> None:
    assert database.columns(HISTORY) == [
        "analyticEventName", "area", "activity", "cameraId", "timestamp", "nombre_evento",
    ]  # fmt: skip
    assert database.columns("Aforo_parqueadero") == database.columns("Aforo_parqueadero_SUR") == ["evento", "aforo"]
    others = {name for name in database.tables() if not name.lower().startswith("aforo_")}
    assert others == {HISTORY}


def test_writes_history_in_bogota_time_to_the_millisecond_with_every_letter(
    database: DatabaseUnderTest, store: Store
) -> None:
    record = opened(store)
    odd = CameraEvent(
        "S1", "7", START + timedelta(milliseconds=1), "CAM1", "Puerta 3 – Ñoño 🎸", "Área «A»", "OBJECT_ENTERS"
    )
    add(store, record, odd, at(999, "8", PUERTA, camera="CAM2"), at(1_500, "9", ENTRADA))
    assert database.history() == [
        ("PUERTA 12", "", "OBJECT_COUNTING_ENTER", "CAM2", "2026-01-17 16:00:00.999", "Concierto Ñandú"),
        ("Puerta 3 – Ñoño 🎸", "Área «A»", "OBJECT_ENTERS", "CAM1", "2026-01-17 16:00:00.001", "Concierto Ñandú"),
    ]


def test_each_zone_has_its_row_as_soon_as_the_event_opens(database: DatabaseUnderTest) -> None:
    store = database.store(initial=40)
    opened(store, counted_by=rules(40))
    assert database.aforo() == {"Concierto Ñandú": 40}
    assert database.aforo("Aforo_parqueadero_SUR") == {"Concierto Ñandú": 0}


def test_a_zones_row_follows_its_count_and_rows_of_other_events_stay(database: DatabaseUnderTest, store: Store) -> None:
    database.run("INSERT INTO Aforo_parqueadero (evento, aforo) VALUES ('Concierto de 2019', 77)")
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2"), at(30, "3", SALIDA))
    assert database.aforo() == {"Concierto de 2019": 77, "Concierto Ñandú": 1}


def test_uses_tables_as_they_are_found(database: DatabaseUnderTest) -> None:
    time = "TEXT" if database.sqlite else "datetime2(3)"
    database.run(
        f"CREATE TABLE EVENTOS_ANALISIS (nombre_evento varchar(80), remark varchar(20) DEFAULT 'sin nota',"
        f' CAMERAID varchar(90), "TIMESTAMP" {time}, Area varchar(90), activity varchar(90),'
        " ANALYTICEVENTNAME varchar(90))",
        "CREATE TABLE AFORO_PARQUEADERO (nota varchar(20), aforo int, Evento varchar(50))",
        "INSERT INTO AFORO_PARQUEADERO (nota, aforo, Evento) VALUES ('a mano', 5, 'Concierto Nandu')",
    )
    store = database.store()
    record = opened(store, event_at(name="Concierto Nandu"))
    add(store, record, at(10, "1"), at(20, "2", PUERTA))
    assert database.rows("SELECT nota, aforo, Evento FROM AFORO_PARQUEADERO") == [("a mano", 1, "Concierto Nandu")]
    assert database.rows("SELECT ANALYTICEVENTNAME, CAMERAID, remark, nombre_evento FROM EVENTOS_ANALISIS") == [
        ("PUERTA 12", "CAM1", "sin nota", "Concierto Nandu")
    ]
    assert store.history_count(record) == 1


def test_missing_columns_of_a_table_are_named_and_nothing_is_changed(database: DatabaseUnderTest) -> None:
    database.run("CREATE TABLE Aforo_parqueadero (evento varchar(50), personas int)")
    with pytest.raises(StoreNotReady, match=r"Aforo_parqueadero.*faltan columnas: aforo"):
        database.store()
    assert database.tables() == ["Aforo_parqueadero"]


# Exactly once.


def test_repeats_change_nothing(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    events = [at(10, "1"), at(20, "2"), at(20, "3", PUERTA), at(30, "4", SALIDA)]
    first = add(store, record, *events, *events)
    assert (list(first.new), first.already) == (events, 4)
    before = (database.history(), database.aforo())
    again = add(store, record, *events)
    assert (list(again.new), again.already, again.occupancies) == ([], 4, first.occupancies)
    assert (database.history(), database.aforo()) == before
    assert store.events_by_camera(record) == {"CAM1": 4}


def test_the_same_thisid_is_another_event_on_another_server_or_at_another_time(store: Store) -> None:
    record = opened(store)
    stored = add(store, record, at(10, "1"), at(10, "1", server="S2"), at(11, "1"), at(10, "01"), at(10, "~a1b2.0"))
    assert len(stored.new) == 5
    assert stored.occupancies[NORTE].count == 5


def test_a_store_started_anew_has_all_of_it(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    feed = Feed("S1", "CAM1")
    stored = add(store, record, at(10, "1"), at(70_000, "2"), until={feed: START + timedelta(minutes=2)})
    again = opened(database.store())
    assert again.id == record.id
    assert again.checkpoints == {feed: START + timedelta(minutes=2)}
    assert again.occupancies == stored.occupancies
    assert not again.closed


def test_checkpoints_never_go_back(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    feed, other = Feed("S1", "CAM1"), Feed("S2", "CAM1")
    late, early = START + timedelta(minutes=9), START + timedelta(minutes=3)
    add(store, record, until={feed: late})
    add(store, record, until={feed: early, other: early})
    assert opened(database.store()).checkpoints == {feed: late, other: early}


def test_checkpoints_of_feeds_that_no_key_can_hold_are_kept_too(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    feeds = [Feed("S" * 300, "CAM1"), Feed("S" * 299 + "T", "CAM1"), Feed("S1", "ñ" * 200), Feed("S1", "CAM1")]
    add(store, record, until=dict.fromkeys(feeds, START))
    later = START + timedelta(minutes=3)
    add(store, record, until=dict.fromkeys(feeds[:2], later))
    assert sorted(opened(database.store()).checkpoints.values()) == [START, START, later, later]
    add(store, record, until=dict.fromkeys(feeds, later))
    assert set(opened(database.store()).checkpoints.values()) == {later}


@pytest.mark.parametrize("seed", range(2))
def test_two_stores_at_once_store_each_event_once(database: DatabaseUnderTest, seed: int) -> None:
    events = camera_events(400, seed)
    made = rules()
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        mine = random.Random(worker)
        store = Store(database.url, zones(), BOGOTA)
        try:
            _insisting(store.open)
            record = _insisting(lambda: store.open_record(event_at(), made.classify, made.fingerprint, START))
            for page in pages(mine, events):
                _insisting(partial(store.add, record, batch(*page), START))
        except BaseException as error:  # noqa: BLE001 -- reported in the test's own thread
            failures.append(error)
        finally:
            store.close()

    threads = [Thread(target=work, args=(worker,)) for worker in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    _assert_right(database, events)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_point_nothing_is_lost_or_doubled(database: DatabaseUnderTest, store: Store) -> None:
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    for pair in range(_KILLED // 2):
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.contract.storage.worker", database.url, str(seed)],
                cwd=root,
                env=environment,
            )
            for seed in (2 * pair, 2 * pair + 1)
        ]
        assert [worker.wait(60) for worker in workers] == [-signal.SIGKILL] * 2
    events = camera_events()
    record = opened(store)
    assert sum(store.events_by_camera(record).values()) > 0
    for page in pages(random.Random(0), events):
        add(store, record, *page)
    _assert_right(database, events)


# One occupancy, whatever the order.

_days = iter(range(1, 100_000))
_crossings = st.lists(
    st.builds(
        lambda when, number, name, server: (when, str(number), name, server),
        st.one_of(st.integers(0, 300), st.integers(0, 5 * MINUTE_MS)),
        st.integers(1, 12),
        st.sampled_from([ENTRADA, SALIDA, SALIDA, INGRESO, PUERTA]),
        st.sampled_from(["S1", "S2"]),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crossings=_crossings, data=st.data())
def test_any_split_any_order_and_any_repeats_give_the_naive_count(
    database: DatabaseUnderTest, crossings: list[tuple[int, str, str, str]], data: st.DataObject
) -> None:
    day = next(_days)
    events = [at(when, this_id, name, server=server, day=day) for when, this_id, name, server in crossings]
    # An id comes once: an event does not change at ACC.
    events = list({(event.server_id, event.this_id, event.occurred_at): event for event in events}.values())
    shuffled = data.draw(st.permutations(events + events[: len(events) // 2]))
    store = database.stores[0] if database.stores else database.store()
    record = opened(store, event_at(day))
    seen: list[CameraEvent] = []
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        page, shuffled = shuffled[:size], shuffled[size:]
        seen += page
        stored = add(store, record, *page)
        assert stored.occupancies == {zone: naive(seen, zone) for zone in (NORTE, SUR)}
    live = store.occupancies(record)
    assert live == {zone: naive(events, zone) for zone in (NORTE, SUR)}
    minutes = store.minutes(record)
    assert store.recount(record) == live
    assert store.minutes(record) == minutes


@pytest.mark.parametrize("late", [False, True])
def test_within_a_millisecond_the_number_of_the_event_decides(store: Store, late: bool) -> None:
    record = opened(store)
    entry, exit_ = at(10, "9"), at(10, "10", SALIDA)
    if late:
        add(store, record, exit_)
        stored = add(store, record, entry)
    else:
        stored = add(store, record, exit_, entry)
    assert stored.occupancies[NORTE] == Occupancy(NORTE, 1, 1, 0, 0)
    assert store.recount(record) == stored.occupancies


def test_late_events_are_right_when_their_minute_is_no_longer_cached(database: DatabaseUnderTest) -> None:
    store = database.store(most_cached=5)
    chance = random.Random(5)
    events = camera_events(300)
    record = opened(store)
    for page in pages(chance, events):
        add(store, record, *page)
    _assert_right(database, events)


def test_late_events_of_many_minutes_cost_few_trips_to_the_database(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    minutes = [minute for minute in range(300) if minute % 7]
    punctual = [
        at(minute * MINUTE_MS + when, f"{minute}{when}", name)
        for minute in minutes
        for when, name in ((20_000, ENTRADA), (30_000, SALIDA), (40_000, INGRESO), (50_000, PUERTA))
    ]
    late = [at(minute * MINUTE_MS + 25_000, f"{minute}", name) for minute, name in enumerate([ENTRADA, SALIDA] * 150)]
    add(store, record, *punctual)
    restarted = database.store()
    record = opened(restarted)
    with statements() as executed:
        stored = add(restarted, record, *late)
    assert len([sql for sql in executed if sql.lstrip().upper().startswith("SELECT")]) < 60
    assert stored.occupancies == {zone: naive([*punctual, *late], zone) for zone in (NORTE, SUR)}
    assert restarted.recount(record) == stored.occupancies


def test_another_process_never_makes_the_count_wrong(database: DatabaseUnderTest, store: Store) -> None:
    other = database.store()
    record, same = opened(store), opened(other)
    seen = []
    for index, event in enumerate(camera_events(60)):
        seen.append(event)
        stored = add(store, record, event) if index % 3 else add(other, same, event)
        assert stored.occupancies[NORTE] == naive(seen, NORTE)


# What an edited schedule and edited rules do.


def test_a_renamed_event_is_the_same_event(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA), until={Feed("S1", "CAM1"): START})
    renamed = opened(store, event_at(name="Concierto Guadalupe"))
    assert (renamed.id, renamed.checkpoints) == (record.id, {Feed("S1", "CAM1"): START})
    assert database.aforo() == {"Concierto Guadalupe": 1}
    assert [row[-1] for row in database.history()] == ["Concierto Guadalupe"]
    assert store.history_count(renamed) == 1


@pytest.mark.parametrize("name", ["Ñ" * 5_000, "Concierto \ud83c"])
def test_a_name_that_no_column_holds_keeps_no_event_from_its_start(
    database: DatabaseUnderTest, store: Store, name: str
) -> None:
    record = opened(store, event_at(name=name))
    assert add(store, record, at(10, "1"), at(20, "2", PUERTA)).occupancies[NORTE].count == 1
    assert store.history_count(opened(store, event_at(name=name))) == 1
    assert len(database.aforo()) == 1
    assert store.dry_run([name]).rejected == {}


def test_an_event_of_another_day_with_the_same_name_is_another_event(store: Store) -> None:
    first, second = opened(store), opened(store, event_at(1))
    assert first.id != second.id
    add(store, first, at(10, "1"))
    add(store, second, at(10, "1", day=1))
    assert store.events_by_camera(first) == store.events_by_camera(second) == {"CAM1": 1}


def test_an_earlier_start_is_read_anew_and_a_later_one_does_not_count(store: Store) -> None:
    record = opened(store)
    feed = Feed("S1", "CAM1")
    add(store, record, at(10, "1"), at(2 * 3_600_000, "2"), until={feed: START})
    later = opened(store, event_at(shift=1, hours=6))
    assert (later.id, later.checkpoints) == (record.id, {feed: START})
    assert later.occupancies[NORTE].entries == 1
    assert store.events_by_camera(later) == {"CAM1": 1}
    earlier = opened(store, event_at(shift=-1, hours=8))
    assert (earlier.id, earlier.checkpoints) == (record.id, {})
    assert earlier.occupancies[NORTE].entries == 2
    assert store.recount(earlier) == earlier.occupancies


def test_an_end_within_a_minute_cuts_that_minute(store: Store) -> None:
    record = opened(store)
    add(store, record, at(61_000, "1"), at(62_000, "2"), at(63_000, "3"))
    shorter = opened(store, event_at(hours=62.5 / 3600))
    assert shorter.occupancies[NORTE].count == 2
    assert add(store, shorter, at(61_500, "4")).occupancies[NORTE].count == 3
    assert add(store, shorter, at(62_700, "5")).occupancies[NORTE].count == 3


def test_changed_rules_classify_the_whole_event_again(database: DatabaseUnderTest) -> None:
    store = database.store(sur=False)
    before = rules(sur=False)
    record = opened(store, counted_by=before)
    events = [at(10, "1"), at(15, "2", INGRESO), at(20, "3", "PUERTA INGRESO PARQUEADERO SUR"), at(30, "4", SALIDA)]
    store.add(record, Batch(events, {}, {Feed("S1", "CAM1"): START}), START)
    assert [row[0] for row in database.history()] == ["PUERTA INGRESO PARQUEADERO SUR"]

    after = rules(5, stored="PARQUEADERO")
    store = database.store(initial=5)
    reclassified = opened(store, counted_by=after)
    assert reclassified.id == record.id
    assert reclassified.checkpoints == {}
    assert reclassified.occupancies == {NORTE: naive(events, NORTE, 5, after), SUR: naive(events, SUR, 0, after)}
    assert (database.aforo(), database.aforo("Aforo_parqueadero_SUR")) == (
        {"Concierto Ñandú": 5},
        {"Concierto Ñandú": 2},
    )
    assert store.history_count(reclassified) == 4
    assert opened(database.store(initial=5), counted_by=after).occupancies == reclassified.occupancies
    assert store.history_count(reclassified) == 4


def test_a_process_with_older_rules_stops_storing(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    newer = database.store(initial=3)
    opened(newer, counted_by=rules(3))
    with pytest.raises(StoreNotReady, match="otras reglas"):
        add(store, record, at(10, "1"))
    assert newer.events_by_camera(record) == {}


def test_an_event_that_takes_time_takes_the_camera_events_in_it(database: DatabaseUnderTest, store: Store) -> None:
    first = opened(store, event_at(name="Partido 1", hours=3))
    add(store, first, at(10, "1"), at(9_000_000, "2"), at(9_000_001, "3", PUERTA))
    second = opened(store, event_at(name="Partido 2", shift=2, hours=3))
    assert second.id != first.id
    assert second.occupancies[NORTE].count == 1
    assert store.events_by_camera(second) == {"CAM1": 2}
    assert store.events_by_camera(first) == {"CAM1": 1}
    assert database.aforo() == {"Partido 1": 1, "Partido 2": 1}
    assert [row[-1] for row in database.history()] == ["Partido 2"]
    assert opened(store, event_at(name="Partido 1", hours=2)).id == first.id


# Corrections.


def _correction(number: int, delta: int, minutes: float = 1) -> Correction:
    return Correction(f"c{number}", NORTE, delta, "segundo conteo", "Ana Gómez", START + timedelta(minutes=minutes))


def test_a_correction_counts_once_and_at_its_own_time(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(200_000, "2", SALIDA), at(200_001, "3", SALIDA), at(200_002, "4", SALIDA))
    assert store.occupancies(record)[NORTE].count == 0
    after = store.correct(record, _correction(1, 5)).occupancies
    assert after[NORTE].count == 3  # 1 + 5, then three exits
    assert (after[NORTE].entries, after[NORTE].exits) == (1, 3)
    assert store.correct(record, _correction(1, 5)).occupancies == after
    assert database.aforo() == {"Concierto Ñandú": 3}
    assert store.corrections(record) == [_correction(1, 5)]
    assert store.recount(record) == after
    undone = store.correct(record, _correction(2, -5, 2)).occupancies
    assert undone[NORTE].count == 0


def test_a_correction_to_a_count_adds_what_the_zone_lacks_of_it(store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2"))
    result = store.correct(record, _correction(1, 0), count=7)
    assert result.occupancies == store.occupancies(record)
    assert result.occupancies[NORTE].count == 7
    assert [correction.delta for correction in result.corrections] == [5]
    assert result.minutes == store.minutes(record)[NORTE]
    again = store.correct(record, _correction(1, 0), count=9)
    assert (again.occupancies, again.corrections) == (result.occupancies, result.corrections)


def test_a_correction_takes_away_no_more_than_there_is(store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2"))
    result = store.correct(record, _correction(1, -5))
    assert result.occupancies[NORTE].count == 0
    assert [correction.delta for correction in result.corrections] == [-2]


def test_late_events_and_other_rules_leave_corrections_where_they_are(
    database: DatabaseUnderTest, store: Store
) -> None:
    record = opened(store)
    store.correct(record, _correction(1, 4, 1))
    store.correct(record, _correction(2, 3, 60 * 24))  # after the end: counts at the very end
    assert (
        add(store, record, at(MINUTE_MS + 5, "1"), at(MINUTE_MS - 5, "2"), at(MINUTE_MS, "3")).occupancies[NORTE].count
        == 10
    )
    again = opened(database.store(initial=2), counted_by=rules(2))
    assert again.occupancies[NORTE].count == 12
    shorter = opened(database.store(initial=2), event_at(hours=1), rules(2))
    assert shorter.occupancies[NORTE].count == 12


# What can be read.


def test_reads_counts_doors_and_the_ledger_page_by_page(store: Store) -> None:
    record = opened(store)
    events = sorted(
        [
            at(i * 20_000, str(i), PUERTA if i % 2 else ENTRADA, camera=f"CAM{i % 3}", server=f"S{i % 2}")
            for i in range(9)
        ]
        + [at(20_000, "20"), at(20_000, "3", PUERTA)],
        key=lambda event: (event.occurred_at, event.this_id),
    )
    for event in events:
        add(store, record, event)
    assert store.events_by_camera(record) == {"CAM0": 3, "CAM1": 5, "CAM2": 3}
    assert store.history_count(record) == 5
    doors = store.doors(record)
    base = int(START.timestamp() * 1000)
    assert [(door.source.name, door.source.camera_id, door.minute_ms - base, door.events) for door in doors] == [
        (PUERTA, "CAM1", 0, 2),
        (PUERTA, "CAM0", MINUTE_MS, 1),
        (PUERTA, "CAM2", MINUTE_MS, 1),
        (PUERTA, "CAM1", 2 * MINUTE_MS, 1),
    ]
    assert store.doors(record, START + timedelta(seconds=130)) == doors[3:]
    read: list[CameraEvent] = []
    after = None
    for _ in range(10):
        page, after = store.events(record, after, limit=3)
        read += page
        if after is None:
            break
    assert sorted(read) == sorted(events)
    assert [event.occurred_at for event in read] == [event.occurred_at for event in events]


def test_the_minutes_give_the_curve(store: Store) -> None:
    record = opened(store)
    add(
        store,
        record,
        at(10, "1"),
        at(20, "2", SALIDA),
        at(30, "3", SALIDA),
        at(MINUTE_MS, "4"),
        at(MINUTE_MS, "5", INGRESO),
    )
    minutes = store.minutes(record)
    base = int(START.timestamp() * 1000)
    assert {zone: [start - base for start in curve] for zone, curve in minutes.items()} == {
        NORTE: [0, MINUTE_MS], SUR: [MINUTE_MS],
    }  # fmt: skip
    first = minutes[NORTE][base]
    assert (first.entries, first.exits, first.after(0), first.peak(0), first.after(7)) == (1, 2, 0, 1, 6)


def test_a_commit_result_holds_the_minutes_that_changed(store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(MINUTE_MS, "2"))
    stored = add(store, record, at(5, "3"), at(15, "4", INGRESO))
    assert stored.minutes == {
        zone: {start: delta for start, delta in curve.items() if start == int(START.timestamp() * 1000)}
        for zone, curve in store.minutes(record).items()
    }


def test_two_events_at_once_are_read_from_the_database_once(store: Store) -> None:
    first, second = opened(store), opened(store, event_at(name="Segundo", shift=7, hours=1))
    start = 7 * 60 * MINUTE_MS
    for number in range(2):
        add(store, first, at(start - 10 + number, f"a{number}"))
        add(store, second, at(start + number, f"b{number}"))
    with statements() as executed:
        add(store, first, at(start - 1, "a9"))
        add(store, second, at(start + 9, "b9"))
    assert [sql for sql in executed if sql.startswith("SELECT") and "aforo_minutes" in sql] == []
    assert (store.occupancies(first)[NORTE].count, store.occupancies(second)[NORTE].count) == (3, 3)


def test_events_that_are_open_are_known_until_they_are_closed(database: DatabaseUnderTest, store: Store) -> None:
    assert store.open_events() == []
    later = event_at(name="Segundo", shift=7, hours=2)
    opened(store, later)
    record = opened(store)
    assert database.store().open_events() == [event_at(), later]
    store.close_record(record, START + timedelta(hours=8))
    assert store.open_events() == [later]
    assert opened(store).closed
    assert not opened(store, event_at(hours=6)).closed
    assert store.open_events() == [event_at(hours=6), later]


def test_planned_comparisons_are_known_until_they_are_made(database: DatabaseUnderTest, store: Store) -> None:
    record, second = opened(store), opened(store, event_at(name="Segundo", shift=7, hours=1))
    due = [START + timedelta(hours=hour) for hour in (8, 9, 20)]
    now = START + timedelta(hours=7, minutes=45)
    assert store.planned_comparisons() == []
    assert store.plan_comparisons(record, due[:1], now, first=True)
    assert store.plan_comparisons(record, due, now)
    assert store.plan_comparisons(second, due[1:2], now, first=True)
    assert not store.plan_comparisons(second, due, now, first=True)
    planned = [(record.event, due[0]), (record.event, due[1]), (second.event, due[1]), (record.event, due[2])]
    assert database.store().planned_comparisons() == planned
    store.end_comparisons(record, due[1])
    assert store.planned_comparisons() == planned[2:]
    store.plan_comparisons(record, [], due[2])
    assert store.planned_comparisons() == planned[2:3], "others of the event take their place"


def test_the_journal_keeps_beginnings_and_ends(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    first = store.begin_entry(JournalKind.CAMERA_AWAY, "CAM1", START, detail="no contesta", record=record)
    store.begin_entry(JournalKind.DATABASE_AWAY, "SQLite", START, ended=START + timedelta(minutes=3))
    store.end_entry(first, START + timedelta(minutes=1))
    store.end_entry(first, START + timedelta(minutes=9))
    entries = database.store().entries()
    assert [(entry.kind, entry.subject, entry.detail, entry.record_id) for entry in entries] == [
        ("camera", "CAM1", "no contesta", record.id), ("database", "SQLite", "", None),
    ]  # fmt: skip
    assert [entry.ended for entry in entries] == [START + timedelta(minutes=1), START + timedelta(minutes=3)]
    assert store.entries(record) == entries[:1] == store.entries(kind=JournalKind.CAMERA_AWAY)


# What the stadium's tables reject.


def test_a_rejected_history_row_leaves_nothing_behind(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"))
    _refuse(database, HISTORY, "cameraId <> 'CAM9'")
    with pytest.raises(StoreRejectedRow, match=HISTORY):
        add(store, record, at(20, "2"), at(30, "3", PUERTA, camera="CAM9"), at(40, "4"))
    assert store.events_by_camera(record) == {"CAM1": 1}
    assert store.occupancies(record)[NORTE].count == 1
    assert add(store, record, at(40, "4"), at(50, "5", PUERTA)).occupancies[NORTE].count == 2

    rejected = batch(at(30, "3", PUERTA, camera="CAM9"))
    assert len(store.add(record, rejected, START, history=False).new) == 1
    assert store.events_by_camera(record) == {"CAM1": 3, "CAM9": 1}
    assert store.history_count(opened(database.store())) == 1
    _allow(database, HISTORY)
    assert store.history_count(opened(database.store())) == 2
    assert store.history_count(opened(database.store())) == 2


def test_a_zones_table_that_rejects_its_row_delays_nothing(
    database: DatabaseUnderTest, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    record = opened(store)
    _refuse(database, "Aforo_parqueadero", "aforo < 2")
    assert add(store, record, at(10, "1"), at(20, "2"), at(25, "3", INGRESO)).occupancies[NORTE].count == 2
    assert add(store, record, at(30, "4")).occupancies[NORTE].count == 3
    assert (database.aforo(), database.aforo("Aforo_parqueadero_SUR")) == (
        {"Concierto Ñandú": 0},
        {"Concierto Ñandú": 1},
    )
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    _allow(database, "Aforo_parqueadero")
    store.add(record, batch(at(50, "5", INGRESO)), START + timedelta(minutes=8))
    assert database.aforo() == {"Concierto Ñandú": 3}


def test_ids_that_no_key_can_hold_still_differ(store: Store) -> None:
    record = opened(store)
    odd_ids = [at(10, "x" * 500 + tail) for tail in ("1", "2")] + [at(10, "ñ" * 200), at(10, "1", camera="C" * 300)]
    odd_ids.append(at(10, "1 "))  # to SQL Server that is "1", as a key
    odd_ids.append(at(10, "1\0"))
    assert len(add(store, record, *odd_ids).new) == 6
    assert add(store, record, *odd_ids).already == 6
    assert [add(store, record, one).already for one in odd_ids] == [1] * 6  # whatever comes with it
    assert store.occupancies(record)[NORTE].count == 6
    assert sum(store.events_by_camera(record).values()) == 6


def _insisting(work: Callable[[], _T]) -> _T:
    while True:
        try:
            return work()
        except StoreUnavailable:
            continue


def _assert_right(database: DatabaseUnderTest, events: list[CameraEvent]) -> None:
    store = database.store()
    record = opened(store)
    right = {zone: naive(events, zone) for zone in (NORTE, SUR)}
    assert record.occupancies == right
    assert store.recount(record) == right
    assert sum(store.events_by_camera(record).values()) == len(events)
    doors = [event for event in events if event.name == PUERTA]
    assert len(database.history()) == len(doors) == store.history_count(record)
    assert database.aforo() == {"Concierto Ñandú": right[NORTE].count}
    assert database.aforo("Aforo_parqueadero_SUR") == {"Concierto Ñandú": right[SUR].count}


def _refuse(database: DatabaseUnderTest, table: str, unless: str) -> None:
    """Let a table of the stadium's reject the rows that do not fit."""
    if database.sqlite:
        condition = " ".join(f"NEW.{word}" if word in {"cameraId", "aforo"} else word for word in unless.split())
        for verb in ("INSERT", "UPDATE"):
            database.run(
                f"CREATE TRIGGER refuse_{verb} BEFORE {verb} ON {table} WHEN NOT ({condition})"
                " BEGIN SELECT RAISE(ABORT, 'no se admite'); END"
            )
    else:
        database.run(f"ALTER TABLE {table} ADD CONSTRAINT refuse_{table} CHECK ({unless})")


def _allow(database: DatabaseUnderTest, table: str) -> None:
    if database.sqlite:
        database.run("DROP TRIGGER refuse_INSERT", "DROP TRIGGER refuse_UPDATE")
    else:
        database.run(f"ALTER TABLE {table} DROP CONSTRAINT refuse_{table}")


def test_the_row_of_a_name_belongs_to_the_newest_event_of_that_name(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    store = database.store()
    tonight = opened(store, event_at(7, name="Final"))
    add(store, tonight, at(10, "1", day=7), at(20, "2", day=7))
    assert database.aforo() == {"Final": 2}
    older = opened(store, event_at(0, name="Final"))
    add(store, older, at(10, "1"), at(20, "2"), at(30, "3"))
    store.correct(older, Correction("c1", NORTE, 4, "conteo", "Ana", START))
    assert store.recount(older)[NORTE].count == 7
    assert database.aforo() == {"Final": 2}
    (line,) = [one.getMessage() for one in caplog.records if "se llama igual" in one.getMessage()]
    assert line.startswith("«Final», del 2026-01-17, se llama igual que un evento posterior, el del 2026-01-24:")
    assert add(store, tonight, at(30, "3", day=7)).occupancies[NORTE].count == 3
    assert database.aforo() == {"Final": 3}


def test_an_event_that_begins_later_takes_the_row_of_its_name_from_a_process_that_counts_on(
    database: DatabaseUnderTest,
) -> None:
    store, other = database.store(), database.store()
    older = opened(store, event_at(0, name="Final"))
    add(store, older, at(10, "1"), at(20, "2"))
    opened(other, event_at(1, name="Final"))
    assert database.aforo() == {"Final": 0}
    add(store, older, at(30, "3"))
    assert database.aforo() == {"Final": 0}


def test_a_name_that_the_newest_event_gives_up_goes_back_to_the_earlier_one(database: DatabaseUnderTest) -> None:
    store = database.store()
    older = opened(store, event_at(0, name="Final"))
    add(store, older, at(10, "1"), at(20, "2"))
    newer = opened(store, event_at(1, name="Final"))
    add(store, newer, at(10, "1", day=1))
    assert database.aforo() == {"Final": 1}
    opened(store, event_at(1, name="Final de verdad"))
    assert database.aforo() == {"Final": 2, "Final de verdad": 1}
    add(store, older, at(30, "3"))
    assert database.aforo() == {"Final": 3, "Final de verdad": 1}
    opened(store, event_at(1, name="Final"))
    assert database.aforo()["Final"] == 1
