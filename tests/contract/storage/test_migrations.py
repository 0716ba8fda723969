"""Our own tables from one version to the next and back, with data: on each database."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy import event as listening
from tests.contract.storage.databases import (
    BOGOTA,
    NORTE,
    PUERTA,
    SALIDA,
    START,
    DatabaseUnderTest,
    add,
    at,
    naive,
    opened,
    zones,
)
from tests.freeze.golden import GOLDEN

from aforo.errors import StoreNotReady
from aforo.models import CameraEvent
from aforo.storage import Store
from aforo.storage.schema import migrate

# Of one server, with one thisId, in one millisecond: an entry and an exit, and two of a door.
TWO = (at(70, "7", camera="CAM1"), at(70, "7", SALIDA, camera="CAM2"))
DOORS = (at(80, "8", PUERTA, camera="CAM1"), at(80, "8", PUERTA, camera="CAM2"))
FIRST_KEY = ["occurred_ms", "server", "this_id"]
EARLIER = (at(10, "1"), at(20, "2"), at(30, "3", PUERTA))


def ledger(database: DatabaseUnderTest) -> list[tuple[Any, ...]]:
    return sorted(database.rows("SELECT occurred_ms, server, this_id, source, show_id, history FROM aforo_events"))


def key_of_the_ledger(database: DatabaseUnderTest) -> list[str]:
    """Its columns; of SQLite only: not every server that speaks T-SQL tells."""
    if not database.sqlite:
        return FIRST_KEY if version(database) == "0001" else [*FIRST_KEY, "source"]
    with database.connect() as connection:
        return inspect(connection).get_pk_constraint("aforo_events")["constrained_columns"]


def version(database: DatabaseUnderTest) -> str:
    return str(database.rows("SELECT version_num FROM aforo_version")[0][0])


def back(database: DatabaseUnderTest, target: str = "0001") -> None:
    store = database.store(opened=False)
    store.revert(target)
    store.close()


@contextmanager
def altering_forbidden() -> Iterator[None]:
    """SQLite connections that may write rows, and make, change and drop no table."""
    forbidden = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_ALTER_TABLE}

    def limited(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in forbidden else sqlite3.SQLITE_OK)

    listening.listen(Engine, "connect", limited)
    try:
        yield
    finally:
        listening.remove(Engine, "connect", limited)


def test_two_cameras_with_one_id_in_one_millisecond_are_two_events(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    events = (*EARLIER, *TWO, *DOORS)
    stored = add(store, record, *events)
    assert len(stored.new) == len(events)
    assert stored.occupancies[NORTE] == naive(events, NORTE)
    assert store.events_by_camera(record) == {"CAM1": 5, "CAM2": 2}
    assert Counter(row[3] for row in database.history()) == {"CAM1": 2, "CAM2": 1}
    assert store.recount(record)[NORTE] == stored.occupancies[NORTE]
    read, after = [], None
    while True:
        page, after = store.events(record, after, 1)
        read += page
        if after is None:
            break
    assert sorted(read) == sorted(events)


def test_a_repeated_answer_is_the_same_event(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    add(store, record, *TWO, *DOORS)
    again = (*TWO, *DOORS, TWO[0]._replace(name="PUERTA 9", area="otra"), *DOORS)
    for _ in range(2):
        stored = add(store, record, *again)
        assert (stored.new, stored.already) == ([], len(again))
        store.close()


def test_the_tables_of_the_first_version_are_brought_to_the_second_with_their_data(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    add(store, record, *EARLIER, TWO[0], DOORS[1])
    before = ledger(database)
    store.close()
    back(database)
    assert (version(database), key_of_the_ledger(database)) == ("0001", FIRST_KEY)
    assert not {"aforo_ended_sessions", "aforo_push"} & set(database.tables())
    assert ledger(database) == before
    store = database.store()
    assert version(database) == migrate.HEAD
    assert key_of_the_ledger(database) == [*FIRST_KEY, "source"]
    assert ledger(database) == before
    stored = add(store, opened(store), *EARLIER, *TWO, *DOORS)
    assert sorted(stored.new) == sorted([TWO[1], DOORS[0]])
    assert stored.occupancies[NORTE] == naive((*EARLIER, *TWO, *DOORS), NORTE)


def test_the_way_back_keeps_both_events_and_the_way_forward_doubles_none(database: DatabaseUnderTest) -> None:
    store = database.store()
    events = (*EARLIER, *TWO, *DOORS)
    add(store, opened(store), *events)
    before = ledger(database)
    store.close()
    back(database)
    found = ledger(database)
    assert len(found) == len(before)
    assert [row for row in before if row not in found] == [before[4], before[6]]
    assert {row[2] for row in found} - {"1", "2", "3", "7", "8"} == {f"7~#{before[4][3]}", f"8~#{before[6][3]}"}
    store = database.store()
    assert ledger(database) == before
    stored = add(store, opened(store), *events)
    assert (stored.new, stored.already) == ([], len(events))


def test_an_id_that_fills_the_column_goes_back_too(database: DatabaseUnderTest) -> None:
    store = database.store()
    long = "x" * 128
    add(store, opened(store), at(70, long, camera="CAM1"), at(70, long, camera="CAM2"))
    store.close()
    back(database)
    assert sorted(len(row[2]) for row in ledger(database)) == [110 + len("~#2"), 128]


def test_a_migration_that_does_not_reach_its_end_leaves_all_as_it_was(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = database.store()
    add(store, opened(store), *EARLIER, *TWO)
    store.close()
    back(database)
    before = ledger(database)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "_prepare", _killed_after_the_migration)
        with pytest.raises(KeyboardInterrupt):
            database.store()
    assert (version(database), ledger(database)) == ("0001", before)
    assert key_of_the_ledger(database) == FIRST_KEY
    database.store()
    assert version(database) == migrate.HEAD


def _killed_after_the_migration(store: Any) -> None:
    with store._database.write() as connection:  # noqa: SLF001
        migrate.ensure(connection, store._database.backend)  # noqa: SLF001
        raise KeyboardInterrupt


def test_a_process_that_was_running_before_goes_on_beside_a_new_one(database: DatabaseUnderTest) -> None:
    """The first version's process knows by three columns what is stored; it never stores twice what the other has."""
    store = database.store()
    add(store, opened(store), *EARLIER)
    store.close()
    back(database)
    old = database.store(opened=False)
    old._prepare(upgrade=False)  # noqa: SLF001 -- as a process of the first version opened it
    record = opened(old)
    add(old, record, TWO[0])
    new = database.store()
    assert version(database) == migrate.HEAD
    assert add(old, record, at(40, "4")).new == [at(40, "4")]
    events: tuple[CameraEvent, ...] = (*EARLIER, *TWO, at(40, "4"))
    stored = add(new, opened(new), *events)
    assert (stored.new, stored.already) == ([TWO[1]], len(events) - 1)
    assert add(old, record, *events).new == []
    assert old.occupancies(record)[NORTE] == naive(events, NORTE)


def test_logged_out_sessions_are_kept_until_they_expire(database: DatabaseUnderTest) -> None:
    store = database.store()
    hour = timedelta(hours=1)
    store.end_session("a", START + hour, START)
    store.end_session("a", START + hour, START)
    store.end_session("b", START + 3 * hour, START)
    assert store.ended_sessions(START) == {"a", "b"}
    assert store.ended_sessions(START + hour) == {"b"}
    store.end_session("c", START + 3 * hour, START + 2 * hour)
    assert database.rows("SELECT session_key FROM aforo_ended_sessions ORDER BY session_key") == [("b",), ("c",)]


def test_a_database_of_the_release_is_brought_to_the_second_version(tmp_path: Path) -> None:
    """What release 1.0 left in mid-event: every row is still there, and the way back leads to its own tables."""
    path = tmp_path / "aforo.db"
    with closing(sqlite3.connect(path)) as release:
        release.executescript((GOLDEN / "release-1.0.sql").read_text(encoding="utf-8"))
        before = release.execute("SELECT * FROM aforo_events ORDER BY 1, 2, 3").fetchall()
        tables = release.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'aforo%' ORDER BY 1").fetchall()
    store = Store(f"sqlite:///{path}", zones(), BOGOTA)
    store.open()
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT * FROM aforo_events ORDER BY 1, 2, 3").fetchall() == before
        assert reader.execute("SELECT version_num FROM aforo_version").fetchall() == [(migrate.HEAD,)]
    assert store.revert("0001") == migrate.HEAD
    store.close()
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT * FROM aforo_events ORDER BY 1, 2, 3").fetchall() == before
        found = reader.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'aforo%' ORDER BY 1").fetchall()
    assert [(name, words(sql)) for name, sql in found] == [(name, words(sql)) for name, sql in tables]


def words(sql: str) -> str:
    return " ".join(sql.replace('"', "").replace("(", " ( ").split())


def test_an_account_that_may_not_alter_goes_on_with_the_tables_there_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = DatabaseUnderTest(f"sqlite:///{tmp_path / 'aforo.db'}")
    store = database.store()
    add(store, opened(store), *EARLIER)
    store.close()
    back(database)
    with altering_forbidden():
        store = database.store()
        (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert "son de la versión 0001" in line
        assert "«aforo schema --since 0001»" in line
        found = store.dry_run()
        assert found.version == "0001"
        assert isinstance(found.kept, StoreNotReady)
        record = opened(store)
        stored = add(store, record, *EARLIER, *TWO, *TWO)
        assert (stored.new, stored.already) == ([TWO[1]], len(EARLIER) + 3)
        assert add(store, record, *TWO).new == []
        store.end_session("a", START + timedelta(hours=1), START)
        assert store.ended_sessions(START) == frozenset()
        store.close()
    assert version(database) == "0001"
    store = database.store()
    assert version(database) == migrate.HEAD
    assert add(store, opened(store), *TWO).new == [TWO[0]]
    database.close()


def test_processes_share_the_token_of_an_address_and_one_of_them_keeps_its_webhook(database: DatabaseUnderTest) -> None:
    store, alive = database.store(), timedelta(minutes=3)
    store.open()
    url, later = "http://10.20.0.7:8090/avisos", START + alive + timedelta(seconds=1)
    assert store.renew_push(url, "otra, proceso 1, a", "T1", START, alive) == ("T1", True, True)
    assert store.renew_push(url, "otra, proceso 2, b", "T2", START, alive) == ("T1", False, False)
    assert store.renew_push(url + "2", "otra, proceso 2, b", "T3", START, alive) == ("T3", True, True)
    assert store.renew_push(url, "otra, proceso 1, a", "T4", START, alive) == ("T1", True, False)
    assert store.leave_push(url, "otra, proceso 1, a", START, alive) is False
    assert store.renew_push(url, "otra, proceso 2, b", "T5", START, alive) == ("T1", True, True)
    assert store.renew_push(url, "otra, proceso 3, c", "T6", later, alive) == ("T1", True, True)
    assert store.leave_push(url, "otra, proceso 3, c", later, alive) is True
    assert store.renew_push(url, "otra, proceso 4, d", "T7", later, alive) == ("T1", False, False)
    store.drop_push(url, "otra, proceso 3, c")
    assert store.renew_push(url, "otra, proceso 4, d", "T8", later, alive) == ("T1", True, True)
    store.drop_push(url, "otra, proceso 4, d")
    assert store.renew_push(url, "otra, proceso 5, e", "T9", later, alive) == ("T9", True, True)
    store.close()
