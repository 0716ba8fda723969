"""What is read of an event in one piece: its history, the figures of its close, the snapshot of its report."""

from datetime import timedelta

from tests.contract.storage.databases import (
    ENTRADA,
    MINUTE_MS,
    NORTE,
    PUERTA,
    START,
    SUR,
    DatabaseUnderTest,
    add,
    at,
    batch,
    event_at,
    opened,
)

from aforo.models import Window
from aforo.storage import Correction, EventRecord, JournalKind, Store, StoredHistory

MINUTE = timedelta(minutes=1)


def _correction(record: EventRecord) -> Correction:
    return Correction("c1", NORTE, 4, "conteo", "Ana", record.event.window.since + 2 * MINUTE)


def test_the_stored_history_is_zones_doors_and_corrections(store: Store) -> None:
    record = opened(store)
    assert store.stored_history(record) == StoredHistory({NORTE: {}, SUR: {}}, [], [])
    add(store, record, at(10, "1"), at(20, "2", PUERTA), at(MINUTE_MS, "3", PUERTA))
    store.correct(record, _correction(record))
    history = store.stored_history(record)
    assert history == StoredHistory(store.minutes(record), store.doors(record), store.corrections(record))
    assert [door.events for door in history.doors] == [1, 1]
    assert history.corrections == [_correction(record)]


def test_the_figures_of_the_close_are_recounted(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA), at(30, "3", ENTRADA, camera="CAM2"))
    database.run("UPDATE aforo_minutes SET net = 77, floor = 77", "UPDATE Aforo_parqueadero SET aforo = 77")
    fresh = database.store()
    record = opened(fresh)
    figures = fresh.stored_figures(record)
    assert figures.occupancies[NORTE].count == 2
    assert figures.events_by_camera == {"CAM1": 2, "CAM2": 1}
    assert figures.history_rows == 1
    assert database.aforo() == {"Concierto Ñandú": 2}


def test_a_report_snapshot_holds_what_the_single_reads_give(store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA))
    store.correct(record, _correction(record))
    store.begin_entry(JournalKind.RECONCILIATION, "", START, detail="{}", record=record, ended=START)
    now = START + timedelta(hours=9)
    snapshot = store.report_snapshot(record, now)
    assert (snapshot.record, snapshot.database) == (record, store.name)
    assert [one.id for one in snapshot.same_day] == [record.id]
    assert snapshot.history == store.stored_history(record)
    assert snapshot.events_by_camera == store.events_by_camera(record)
    assert snapshot.history_rows == store.history_count(record)
    assert snapshot.entries == store.entries(record)
    assert snapshot.lateness == [(299.9, 2)]  # to a tenth of a second
    assert (snapshot.recovered, snapshot.gaps) == ({}, [])


def test_a_report_snapshot_counts_what_was_recovered_after_each_outage(store: Store) -> None:
    record = opened(store)
    other = opened(store, event_at(1, name="Otro"))
    store.add(record, batch(at(10, "1")), START + MINUTE)  # seen before the outages end
    late = [at(MINUTE_MS, "2"), at(MINUTE_MS, "3", camera="CAM2"), at(6 * MINUTE_MS, "4", camera="CAM2")]
    store.add(record, batch(*late), START + 20 * MINUTE)
    span = (START, START + 5 * MINUTE)
    outages = {
        kind: store.begin_entry(kind, subject, began, record=of, ended=span[1])
        for kind, subject, began, of in (
            (JournalKind.ACC_AWAY, "", START, record),
            (JournalKind.CAMERA_AWAY, "CAM2", START - 5 * MINUTE, record),
            (JournalKind.DATABASE_AWAY, "SQLite", START, None),
        )
    }
    lasts = store.begin_entry(JournalKind.CAMERA_AWAY, "CAM1", START + MINUTE, record=record)
    elsewhere = [
        store.begin_entry(JournalKind.DATABASE_AWAY, "SQLite", START - 9 * MINUTE, ended=START - 5 * MINUTE),
        store.begin_entry(JournalKind.ACC_AWAY, "", *span[:1], record=other, ended=span[1]),
    ]
    snapshot = store.report_snapshot(record, START + timedelta(hours=1))
    assert snapshot.recovered == {
        outages[JournalKind.ACC_AWAY]: 2,
        outages[JournalKind.CAMERA_AWAY]: 1,
        outages[JournalKind.DATABASE_AWAY]: 2,
    }
    ids = {entry.id for entry in snapshot.entries}
    assert ids == {*outages.values(), lasts}
    assert ids.isdisjoint(elsewhere)


def test_nothing_is_counted_for_outages_that_no_report_lists(store: Store) -> None:
    """When a server with thousands of cameras is away, each of them has an entry: a count each would take minutes."""
    record = opened(store)
    store.add(record, batch(at(MINUTE_MS, "1", camera="CAM2")), START + 20 * MINUTE)
    away = store.begin_entry(JournalKind.ACC_AWAY, "", START, record=record, ended=START + 5 * MINUTE)
    store.begin_entry(JournalKind.CAMERA_AWAY, "CAM2", START, record=record, ended=START + 6 * MINUTE)
    moment = START + 30 * MINUTE
    store.begin_entry(JournalKind.CAMERA_AWAY, "CAM1", moment, record=record, ended=moment + timedelta(seconds=4))
    snapshot = store.report_snapshot(record, START + timedelta(hours=1))
    assert len(snapshot.entries) == 3
    assert snapshot.recovered == {away: 1}


def test_a_report_snapshot_counts_what_was_recovered_after_each_gap(store: Store) -> None:
    record = opened(store)
    every = timedelta(seconds=60)
    store.beat(record, "first", START, START + 10 * MINUTE, every)
    store.beat(record, "second", START + 30 * MINUTE, START + 60 * MINUTE, every)
    store.add(record, batch(at(15 * MINUTE_MS, "1"), at(29 * MINUTE_MS, "2", PUERTA)), START + 31 * MINUTE)
    snapshot = store.report_snapshot(record, START + 60 * MINUTE)
    assert snapshot.gaps == [(Window(START + 10 * MINUTE, START + 30 * MINUTE), 2)]


def test_a_sign_of_life_names_the_other_programs_that_gave_one_lately(store: Store) -> None:
    record = opened(store)
    every = timedelta(seconds=60)
    assert store.beat(record, "first", START, START + MINUTE, every) == []
    (other,) = store.beat(record, "second", START + MINUTE, START + 2 * MINUTE, every)
    assert (other.subject, other.began, other.ended) == ("first", START, START + MINUTE)
    assert store.beat(record, "second", START + MINUTE, START + 5 * MINUTE, every) == []
    assert [entry.ended for entry in store.entries(record)] == [START + MINUTE, START + 5 * MINUTE]
