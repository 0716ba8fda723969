"""What only a server does: its types and collations, triggers, rights, restarts. Each server of AFORO_TEST_MSSQL_URL.

AFORO_TEST_MSSQL_LIMITED_URL: an account of the same database that may use tables and not make them.
AFORO_TEST_MSSQL_RESTART: a command that restarts the server, where the test may do that.
"""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from tests.contract.storage.databases import (
    BOGOTA,
    ENTRADA,
    HISTORY,
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
    names,
    opened,
    rules,
    urls,
    zones,
)
from tests.contract.storage.scenario import camera_events, pages

from aforo.errors import StoreError, StoreNotReady, StoreRejectedLogin, StoreRejectedRow, StoreUnavailable
from aforo.storage import Store, schema_sql
from aforo.storage.backends import drivers, sqlserver, tsql
from aforo.storage.backends.connection import DatabaseConnection

_SERVERS = [name for name in names() if name != "sqlite"]
_T = TypeVar("_T")
_LAST_MS = 7 * 3_600_000 - 1  # of the record


@pytest.fixture(params=_SERVERS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    made = DatabaseUnderTest(urls(tmp_path)[request.param])
    made.clear()
    yield made
    made.close()


def _history_table(
    database: DatabaseUnderTest, *, timestamp: str = "datetime2(3)", text: str = "nvarchar(255)", more: str = ""
) -> None:
    database.run(
        f"CREATE TABLE {HISTORY} ({more} analyticEventName {text}, area {text}, activity {text}, cameraId {text},"
        f" timestamp {timestamp}, nombre_evento {text})"
    )


# Types.


@pytest.mark.parametrize(
    ("kind", "kept", "reported"),
    [
        ("datetime2(7)", ["16:00:00.001", "16:00:00.998", "22:59:59.999"], False),
        ("datetime2(0)", ["16:00:00.000", "16:00:01.000", "23:00:00.000"], True),
        ("datetime", ["16:00:00.000", "16:00:00.997", "23:00:00.000"], True),
        ("smalldatetime", ["16:00:00.000", "16:00:00.000", "23:00:00.000"], True),
        ("varchar(30)", ["16:00:00.001", "16:00:00.998", "22:59:59.999"], True),
        ("nvarchar(50)", ["16:00:00.001", "16:00:00.998", "22:59:59.999"], True),
    ],
)
def test_a_timestamp_is_rounded_by_its_column_and_still_counted(
    database: DatabaseUnderTest, kind: str, kept: list[str], reported: bool
) -> None:
    _history_table(database, timestamp=kind)
    store = database.store()
    record = opened(store)
    stored = add(store, record, *(at(when, str(when), PUERTA) for when in (1, 998, _LAST_MS)))
    assert len(stored.new) == 3
    assert [row[4] for row in database.history()] == [f"2026-01-17 {time}" for time in kept]
    assert store.history_count(record) == 3
    assert any("timestamp" in misfit for misfit in store.misfits()) is reported
    assert [event.occurred_at - START for event in store.events(record)[0]] == [
        timedelta(milliseconds=when) for when in (1, 998, _LAST_MS)
    ]  # fmt: skip


def test_what_a_narrow_column_cannot_keep_is_cut_or_replaced_and_never_fatal(database: DatabaseUnderTest) -> None:
    _history_table(database, text="varchar(20) COLLATE Modern_Spanish_CI_AS")
    database.run("CREATE TABLE Aforo_parqueadero (evento varchar(12) COLLATE Modern_Spanish_CI_AS, aforo smallint)")
    store = database.store()
    event = event_at(name="Ñandú 🎸 en El Campín")
    record = opened(store, event)
    add(store, record, at(10, "1"), at(20, "2", "PUERTA ÑUÑOA – ENTRADA DEL NORTE"), at(30, "3", "PUERTA 🎸"))
    add(store, record, at(40, "4"))
    rows = database.history()
    assert [row[0][:16] for row in rows] == ["PUERTA " + rows[0][0][7:], "PUERTA ÑUÑOA – E"]
    assert set(rows[0][0][7:]) == {"?"}
    assert len(database.aforo()) == 1
    assert list(database.aforo().values()) == [2]
    assert store.history_count(record) == 2
    names_stored = {one.name for one in store.events(record)[0]}
    assert {"PUERTA ÑUÑOA – ENTRADA DEL NORTE", "PUERTA 🎸"} < names_stored
    reported = store.misfits([event.name], ["CAM" * 20])
    assert any("evento" in line and "no cabe" in line for line in reported)
    assert any("smallint" in line for line in reported)
    renamed = opened(store, event_at(name="Ñandú 🎸 otra vez"))
    assert store.history_count(renamed) == 2
    assert len(database.aforo()) == 1


@pytest.mark.parametrize("kind", ["nvarchar(max)", "varchar(8000)"])
def test_a_long_text_is_kept_whole_where_its_column_takes_it(database: DatabaseUnderTest, kind: str) -> None:
    _history_table(database, text=kind)
    store = database.store()
    long = at(10, "1", PUERTA)._replace(area="larga " * 1_000)
    add(store, opened(store), long)
    assert [row[1] for row in database.history()] == [long.area]


def test_identity_defaults_computed_columns_and_old_rows_stay_as_they_are(database: DatabaseUnderTest) -> None:
    _history_table(database, more="id int IDENTITY(1,1) PRIMARY KEY, stored datetime NOT NULL DEFAULT GETDATE(),")
    database.run(
        f"INSERT INTO {HISTORY} (analyticEventName, timestamp, nombre_evento)"
        " VALUES ('PUERTA 1', '2019-05-04', 'Otro')",
        "CREATE TABLE Aforo_parqueadero (id int IDENTITY(1,1) PRIMARY KEY, evento nvarchar(50), aforo int,"
        " doble AS (aforo * 2))",
    )
    store = database.store()
    record = opened(store)
    add(store, record, at(10, "1"), at(20, "2", PUERTA))
    assert database.rows(f"SELECT id, nombre_evento FROM {HISTORY} ORDER BY id") == [
        (1, "Otro"),
        (2, "Concierto Ñandú"),
    ]
    assert database.rows("SELECT id, evento, aforo, doble FROM Aforo_parqueadero") == [(1, "Concierto Ñandú", 1, 2)]


def test_a_column_that_nobody_fills_is_reported_before_the_event(database: DatabaseUnderTest) -> None:
    _history_table(database, more="turno int NOT NULL,")
    with pytest.raises(StoreNotReady, match="exige columnas que nadie llena: turno"):
        database.store()


# Triggers.


def test_the_results_of_a_trigger_are_read_to_their_end(database: DatabaseUnderTest) -> None:
    _history_table(database)
    database.run(
        "CREATE TABLE Aforo_parqueadero (evento nvarchar(50), aforo int)",
        "CREATE TABLE aforo_espejo (evento nvarchar(50), aforo int)",
        "CREATE TRIGGER espejo ON Aforo_parqueadero AFTER INSERT, UPDATE AS BEGIN"
        " INSERT INTO aforo_espejo SELECT evento, aforo FROM inserted; SELECT COUNT(*) FROM aforo_espejo; END",
    )
    store = database.store()
    record = opened(store)
    add(store, record, at(10, "1"))
    add(store, record, at(20, "2"))
    assert database.rows("SELECT aforo FROM aforo_espejo ORDER BY aforo") == [(0,), (1,), (2,)]
    assert store.occupancies(record)[NORTE].count == 2


@pytest.mark.parametrize("how", ["THROW 50001, 'no se admite', 1", "RAISERROR('no se admite', 16, 1); ROLLBACK"])
def test_a_trigger_that_rejects_a_row_leaves_nothing_half_done(database: DatabaseUnderTest, how: str) -> None:
    _history_table(database)
    database.run(
        f"CREATE TRIGGER reject ON {HISTORY} AFTER INSERT AS BEGIN"
        f" IF EXISTS (SELECT 1 FROM inserted WHERE cameraId = 'MALA') BEGIN {how}; END END"
    )
    store = database.store()
    record = opened(store)
    bad = at(20, "2", PUERTA, camera="MALA")
    with pytest.raises((StoreRejectedRow, StoreUnavailable)):
        add(store, record, at(10, "1"), bad)
    assert (store.events_by_camera(record), database.history()) == ({}, [])
    stored = store.add(record, batch(at(10, "1"), bad), START, history=False)
    assert len(stored.new) == 2
    assert add(store, record, at(30, "3", PUERTA)).already == 0
    assert store.history_count(record) == 1


def test_a_trigger_that_rolls_back_in_silence_is_noticed(database: DatabaseUnderTest) -> None:
    _history_table(database)
    database.run(
        f"CREATE TRIGGER silent ON {HISTORY} AFTER INSERT AS BEGIN"
        " IF EXISTS (SELECT 1 FROM inserted WHERE cameraId = 'MALA') ROLLBACK; END"
    )
    store = database.store()
    record = opened(store)
    with pytest.raises((StoreRejectedRow, StoreUnavailable)):
        add(store, record, at(10, "1"), at(20, "2", PUERTA, camera="MALA"))
    assert (store.events_by_camera(record), database.history()) == ({}, [])
    assert add(store, record, at(10, "1")).occupancies[NORTE].count == 1


# Writers, isolation, older servers.


def test_without_openjson_it_writes_row_by_row(database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsql, "PROBE", "SELECT * FROM no_such_table_of_ours")
    store = database.store()
    record = opened(store)
    events = camera_events(80)
    for page in pages(random.Random(3), events):
        add(store, record, *page)
    assert store.recount(record) == {zone: naive(events, zone) for zone in (NORTE, SUR)}
    assert store.history_count(record) == sum(event.name == PUERTA for event in events)


@pytest.mark.parametrize("level", ["SNAPSHOT", "SERIALIZABLE"])
def test_two_writers_are_safe_under_other_isolation_levels(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setattr(tsql, "SET_UP", tsql.SET_UP.replace("READ COMMITTED", level))
    counting, events, failures = rules(), camera_events(60), list[BaseException]()
    database.store()

    def work(seed: int) -> None:
        store = Store(database.url, zones(), BOGOTA)
        try:
            _insisting(store.open)
            record = _insisting(lambda: store.open_record(event_at(), counting.classify, counting.fingerprint, START))
            for page in pages(random.Random(seed), events):
                made = batch(*page)
                _insisting(partial(store.add, record, made, START))
        except BaseException as error:  # noqa: BLE001 -- reported in the test's own thread
            failures.append(error)
        finally:
            store.close()

    threads = [Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    store = database.store()
    record = opened(store)
    assert record.occupancies == {zone: naive(events, zone) for zone in (NORTE, SUR)} == store.recount(record)


@pytest.mark.parametrize(
    "text", ['PUERTA "A"', "PUERTA \\1\\", "PUERTA\t2\n", "PUERTA 'x' [y] {z} %s ? :p", "PUERTA \u2028\x7f"]
)
def test_every_letter_arrives_as_it_was_sent(database: DatabaseUnderTest, text: str) -> None:
    store = database.store()
    record = opened(store, event_at(name=f"«{text}»"))
    add(
        store,
        record,
        at(1, text, text, camera=text[:40], server=text[:40]),
        at(2, "x" + text, ENTRADA),
        at(3, "3", SALIDA),
    )
    assert [(row[0], row[3], row[5]) for row in database.history()] == [(text, text[:40], f"«{text}»")]
    assert store.history_count(record) == 1
    assert {event.this_id for event in store.events(record)[0]} == {text, "x" + text, "3"}
    assert database.aforo() == {f"«{text}»": 0}


# Accounts and restarts.


def test_a_wrong_password_is_reported_without_repeating_it(database: DatabaseUnderTest) -> None:
    url = make_url(database.url)
    if "odbc_connect" in url.query:
        pytest.skip("the string holds the password")
    wrong = url.set(password="secreto-equivocado").render_as_string(hide_password=False)
    with pytest.raises(StoreRejectedLogin) as raised:
        Store(wrong, zones(), BOGOTA).open()
    assert "secreto-equivocado" not in f"{raised.value}{raised.value.__cause__}"


def test_an_account_that_may_not_make_tables_gets_a_list_of_what_is_missing(database: DatabaseUnderTest) -> None:
    url = os.environ.get("AFORO_TEST_MSSQL_LIMITED_URL")
    if not url:
        pytest.skip("AFORO_TEST_MSSQL_LIMITED_URL names no account")
    limited = Store(url, zones(), BOGOTA)
    database.stores.append(limited)
    with pytest.raises(StoreNotReady, match=r"faltan las tablas aforo_shows.*aforo schema"):
        limited.open()
    assert database.tables() == []

    _history_table(database)
    account = str(make_url(url).username)
    batches = schema_sql(zones(), account).split("\nGO\n")
    *tables, grants = [batch for batch in batches if batch.strip()]
    database.run(*tables)
    try:
        limited.open()  # where the account may do all to every table anyway
    except StoreNotReady as error:
        assert "faltan permisos" in str(error)  # noqa: PT017
        assert "DELETE en aforo_minutes" in str(error)  # noqa: PT017
    database.run(*_grants(grants))
    limited.open()
    record = opened(limited)
    assert add(limited, record, at(10, "1"), at(20, "2", PUERTA)).occupancies[NORTE].count == 1
    assert opened(limited, event_at(hours=1), rules()).occupancies[NORTE].count == 1


def test_an_account_without_update_on_the_history_does_the_whole_job_and_leaves_names_as_they_are(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    url = os.environ.get("AFORO_TEST_MSSQL_LIMITED_URL")
    if not url:
        pytest.skip("AFORO_TEST_MSSQL_LIMITED_URL names no account")
    account = str(make_url(url).username)
    *tables, grants = [batch for batch in schema_sql(zones(), account).split("\nGO\n") if batch.strip()]
    narrowed = grants.replace(f"SELECT, INSERT, UPDATE ON [{HISTORY}]", f"SELECT, INSERT ON [{HISTORY}]")
    assert narrowed != grants
    database.run(*tables, *_grants(narrowed))
    limited = Store(url, zones(), BOGOTA)
    database.stores.append(limited)
    with _without_update_on_all_tables(database, url):
        found = limited.dry_run(["Uno"])
        assert (HISTORY in found.keeps_names, found.rejected) == (True, {})
        limited.open()
        record = opened(limited, event_at(name="Uno"))
        assert add(limited, record, at(10, "1"), at(20, "2", PUERTA)).occupancies[NORTE].count == 1
        renamed = opened(limited, event_at(name="Dos", hours=6))
        add(limited, renamed, at(30, "3"), at(40, "4", PUERTA))
        assert (database.aforo(), [row[-1] for row in database.history()]) == ({"Dos": 2}, ["Uno", "Dos"])
        assert limited.recount(renamed)[NORTE].count == 2
    assert len([record for record in caplog.records if "conservan el nombre" in record.getMessage()]) == 1


def test_an_account_that_may_not_alter_goes_on_with_the_tables_of_the_first_version(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    url = os.environ.get("AFORO_TEST_MSSQL_LIMITED_URL")
    if not url:
        pytest.skip("AFORO_TEST_MSSQL_LIMITED_URL names no account")
    *tables, grants = [
        batch for batch in schema_sql(zones(), str(make_url(url).username)).split("\nGO\n") if batch.strip()
    ]
    database.run(*tables, *_grants(grants))
    administrator = database.store()
    add(administrator, opened(administrator), at(10, "1"))
    assert administrator.revert("0001") == "0002"
    administrator.close()
    limited = Store(url, zones(), BOGOTA)
    database.stores.append(limited)
    limited.open()
    assert len([one for one in caplog.records if "«aforo schema --since 0001»" in one.getMessage()]) == 1
    assert limited.dry_run().kept is not None
    stored = add(limited, opened(limited), at(10, "1"), at(70, "7"), at(70, "7", camera="CAM2"))
    assert (len(stored.new), stored.already) == (1, 2)
    limited.close()
    database.run(*[batch for batch in schema_sql(zones(), since="0001").split("\nGO\n") if "aforo_events" in batch][:1])
    administrator.open()
    assert database.rows("SELECT version_num FROM aforo_version") == [("0002",)]
    assert len(add(administrator, opened(administrator), at(70, "7"), at(70, "7", camera="CAM2")).new) == 1


def _grants(script: str) -> list[str]:
    return [line for line in script.splitlines() if line.startswith("GRANT ")]


@contextmanager
def _without_update_on_all_tables(database: DatabaseUnderTest, url: str) -> Iterator[None]:
    """Where the account may update every table by a right on the schema: not meanwhile."""
    account = str(make_url(url).username)
    theirs = DatabaseUnderTest(url)
    try:
        theirs.run(f"UPDATE {HISTORY} SET area = area WHERE 1 = 0")
    except DBAPIError:
        yield
        return
    finally:
        theirs.close()
    database.run(f"REVOKE UPDATE ON SCHEMA::dbo FROM {account}")
    try:
        yield
    finally:
        database.run(f"GRANT UPDATE ON SCHEMA::dbo TO {account}")


def test_only_what_goes_through_a_whole_table_may_take_long(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (drivers, sqlserver):
        monkeypatch.setattr(module, "STATEMENT_TIMEOUT", 1)
    link = DatabaseConnection(database.url)
    try:
        with link.read() as connection, link.backend.long_statements(connection):
            connection.exec_driver_sql("WAITFOR DELAY '00:00:03'")
    except StoreNotReady:
        pytest.skip("the server knows no WAITFOR")
    with pytest.raises(StoreUnavailable), link.read() as connection:
        connection.exec_driver_sql("WAITFOR DELAY '00:00:03'")
    link.close()


def test_a_restarted_server_loses_and_doubles_nothing(database: DatabaseUnderTest) -> None:
    command = os.environ.get("AFORO_TEST_MSSQL_RESTART")
    if not command:
        pytest.skip("AFORO_TEST_MSSQL_RESTART names no command")
    events = camera_events(300)
    store = database.store()
    record = opened(store)
    failures = []
    restarting = Thread(target=lambda: [subprocess.run(command, shell=True, check=True) for _ in range(2)])
    for number, page in enumerate(pages(random.Random(4), events)):
        if number == 3:
            restarting.start()
        while True:
            try:
                add(store, record, *page)
            except StoreError as error:
                failures.append(error)
            else:
                break
    restarting.join()
    assert store.recount(record) == {zone: naive(events, zone) for zone in (NORTE, SUR)}
    assert sum(store.events_by_camera(record).values()) == len(events)
    assert store.history_count(record) == sum(event.name == PUERTA for event in events)


def _insisting(work: Callable[[], _T]) -> _T:
    while True:
        try:
            return work()
        except StoreUnavailable:
            continue
