"""What the stadium's tables reject: a name, a row, all rows. It costs neither the count nor a transaction per event."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy import event as listening
from sqlalchemy.exc import SQLAlchemyError
from tests.contract.storage.databases import (
    ENTRADA,
    HISTORY,
    INGRESO,
    MINUTE_MS,
    NORTE,
    PUERTA,
    START,
    DatabaseUnderTest,
    add,
    at,
    batch,
    event_at,
    opened,
)

from aforo.errors import StoreUnavailable
from aforo.models import CameraEvent
from aforo.storage import Store


def reject(database: DatabaseUnderTest, table: str, column: str, which: str, *verbs: str) -> None:
    """Let a table reject the rows whose column is so, as it is inserted or updated."""
    for verb in verbs or ("INSERT", "UPDATE"):
        name = f"refuse_{table}_{verb}"
        if database.sqlite:
            database.run(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN NEW.{column} {which}"
                " BEGIN SELECT RAISE(ABORT, 'no se admite'); END"
            )
        else:
            database.run(
                f"CREATE TRIGGER {name} ON {table} AFTER {verb} AS BEGIN"
                f" IF EXISTS (SELECT 1 FROM inserted WHERE {column} {which})"
                " BEGIN THROW 50001, 'no se admite', 1; END END"
            )


def allow(database: DatabaseUnderTest, table: str, *verbs: str) -> None:
    """Let it take them again."""
    for verb in verbs or ("INSERT", "UPDATE"):
        database.run(f"DROP TRIGGER refuse_{table}_{verb}")


@contextmanager
def transactions() -> Iterator[list[str]]:
    """The commits and rollbacks meanwhile, of whichever engine."""
    ended: list[str] = []

    def commit(_connection: object) -> None:
        ended.append("commit")

    def rollback(_connection: object) -> None:
        ended.append("rollback")

    listening.listen(Engine, "commit", commit)
    listening.listen(Engine, "rollback", rollback)
    try:
        yield ended
    finally:
        listening.remove(Engine, "commit", commit)
        listening.remove(Engine, "rollback", rollback)


def doors(number: int, sources: int) -> list[CameraEvent]:
    """So many people at so many doors, one of them a second."""
    return [at(1_000 * i, str(i), f"PUERTA {i % sources}") for i in range(1, number + 1)]


def _lost(_connection: object) -> None:
    raise SQLAlchemyError("the connection is lost before the commit")


def wanted(database: DatabaseUnderTest) -> list[str]:
    return [row[-1] for row in database.history()]


# Names.


def test_a_history_that_rejects_a_name_keeps_the_old_one_and_delays_nothing(
    database: DatabaseUnderTest, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA))
    reject(database, HISTORY, "nombre_evento", "= 'Otro nombre'", "UPDATE")
    renamed = opened(store, event_at(name="Otro nombre"))
    assert (renamed.id, renamed.event.name) == (record.id, "Otro nombre")
    assert (database.aforo(), wanted(database)) == ({"Otro nombre": 1}, ["Concierto Ñandú"])
    assert add(store, renamed, at(30, "3"), at(40, "4", PUERTA)).occupancies[NORTE].count == 2
    opened(store, event_at(name="Otro nombre", hours=6))
    reported = [record.getMessage() for record in caplog.records if "conservan el nombre" in record.getMessage()]
    assert len(reported) == 1


def test_a_zones_table_that_is_mended_before_the_other_gets_its_row_all_the_same(
    database: DatabaseUnderTest, store: Store
) -> None:
    record = opened(store)
    for table in ("Aforo_parqueadero", "Aforo_parqueadero_SUR"):
        reject(database, table, "aforo", "> 0")
    add(store, record, at(10, "1"), at(20, "2", INGRESO))
    allow(database, "Aforo_parqueadero")
    for minute in (8, 10):  # nobody moves in either zone: the rows are due from before
        store.add(record, batch(at(minute, f"door {minute}", PUERTA)), START + timedelta(minutes=minute))
    assert (list(database.aforo().values()), list(database.aforo("Aforo_parqueadero_SUR").values())) == ([1], [0])


def test_a_zones_row_that_was_rolled_back_is_written_again(
    database: DatabaseUnderTest, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = opened(store)
    reject(database, "Aforo_parqueadero", "aforo", "> 0")
    add(store, record, at(10, "1"))
    allow(database, "Aforo_parqueadero")
    door, later = batch(at(20, "2", PUERTA)), START + timedelta(minutes=8)
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "commit", _lost)
        with pytest.raises(StoreUnavailable):
            store.add(record, door, later)
    store.add(record, door, later)
    assert list(database.aforo().values()) == [1]


def test_a_zones_table_that_rejects_a_name_delays_neither_history_nor_the_other_zone(
    database: DatabaseUnderTest, store: Store
) -> None:
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA))
    reject(database, "Aforo_parqueadero", "evento", "= 'Otro nombre'")
    renamed = opened(store, event_at(name="Otro nombre"))
    assert add(store, renamed, at(30, "3")).occupancies[NORTE].count == 2
    assert database.aforo() == {"Concierto Ñandú": 1}
    assert database.aforo("Aforo_parqueadero_SUR") == {"Otro nombre": 0}
    assert wanted(database) == ["Otro nombre"]
    allow(database, "Aforo_parqueadero")
    opened(store, event_at(name="Otro nombre"))
    assert database.aforo()["Otro nombre"] == 2


def test_a_history_that_lets_nothing_be_changed_still_follows_a_split_in_what_is_counted(
    database: DatabaseUnderTest, store: Store
) -> None:
    record = opened(store, event_at(name="Festival", hours=2))
    add(store, record, at(10, "1"), at(90 * MINUTE_MS, "2"), at(91 * MINUTE_MS, "3", PUERTA))
    reject(database, HISTORY, "cameraId", "IS NOT NULL", "UPDATE")
    first = opened(store, event_at(name="Festival", hours=1))
    second = opened(store, event_at(name="Cierre", shift=1, hours=1))
    assert [store.occupancies(one)[NORTE].count for one in (first, second)] == [1, 1]
    assert [sum(store.events_by_camera(one).values()) for one in (first, second)] == [1, 2]
    assert database.aforo() == {"Festival": 1, "Cierre": 1}
    assert wanted(database) == ["Festival"]
    allow(database, HISTORY, "UPDATE")
    add(store, second, at(92 * MINUTE_MS, "4", PUERTA))
    assert wanted(database) == ["Festival", "Cierre"]


# Rows.


@pytest.mark.parametrize("sources", [1, 100])
def test_a_history_that_rejects_every_row_costs_no_transaction_per_event(
    database: DatabaseUnderTest, store: Store, sources: int
) -> None:
    events = doors(200, sources)
    record = opened(store)
    reject(database, HISTORY, "cameraId", "IS NOT NULL", "INSERT")
    with transactions() as ended:
        stored = store.add(record, batch(*events, at(5, "x", ENTRADA)), START, history=False)
        rejected = store.write_history(record, stored.new)
    # Where a driver cannot roll back what the server has, a fresh connection is set up, with a commit of its own.
    assert ended.count("rollback") < (12 if sources == 1 else 80)
    assert (len(stored.new), stored.occupancies[NORTE].count) == (201, 1)
    assert sum(one.number for one in rejected) == 200
    assert (sum(store.events_by_camera(record).values()), database.history()) == (201, [])
    allow(database, HISTORY, "INSERT")
    store.recount(record)
    assert store.history_count(record) == len(database.history()) == 200
    assert store.write_history(record, stored.new) == []
    store.recount(record)
    assert store.history_count(record) == 200


def test_what_a_history_rejects_is_returned_by_reason_and_all_else_is_written(
    database: DatabaseUnderTest, store: Store
) -> None:
    events = doors(60, 20)
    bad = [event for event in events if event.name == "PUERTA 7"]
    record = opened(store)
    reject(database, HISTORY, "analyticEventName", "= 'PUERTA 7'", "INSERT")
    stored = store.add(record, batch(*events), START, history=False)
    (rejected,) = store.write_history(record, stored.new)
    assert (rejected.number, rejected.first) == (len(bad), bad[0])
    assert store.history_count(record) == 60 - len(bad)
    # Opened again, it is tried once more: in vain, and without doubling the others.
    again = opened(database.store())
    assert store.history_count(again) == 60 - len(bad)
    allow(database, HISTORY, "INSERT")
    assert store.history_count(opened(database.store())) == 60


# Before the event.


def test_a_dry_run_finds_the_names_that_a_table_rejects_and_leaves_nothing_behind(
    database: DatabaseUnderTest, store: Store
) -> None:
    opened(store)
    reject(database, HISTORY, "nombre_evento", "= 'Malo'")
    reject(database, "Aforo_parqueadero", "evento", "= 'Peor'")
    before = (database.history(), database.aforo(), database.aforo("Aforo_parqueadero_SUR"))
    found = database.store(opened=False).dry_run(["Bueno", "Malo", "Concierto Ñandú", "Peor", "Malo"])
    assert set(found.rejected) == {"Malo", "Peor"}
    assert HISTORY in found.rejected["Malo"]
    assert "Aforo_parqueadero" in found.rejected["Peor"]
    assert found.keeps_names == ""
    assert (database.history(), database.aforo(), database.aforo("Aforo_parqueadero_SUR")) == before
    assert store.entries() == []


def test_a_dry_run_finds_a_history_whose_rows_cannot_be_renamed(database: DatabaseUnderTest, store: Store) -> None:
    reject(database, HISTORY, "cameraId", "IS NOT NULL", "UPDATE")
    found = database.store(opened=False).dry_run(["Bueno"])
    assert HISTORY in found.keeps_names
    assert found.rejected == {}
    assert database.history() == []
