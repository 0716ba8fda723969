"""What only SQLite does: its file, its folder, its one writer; and the versions of our own tables."""

import re
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table
from tests.contract.storage.databases import (
    BOGOTA,
    NORTE,
    PUERTA,
    START,
    SUR,
    DatabaseUnderTest,
    add,
    at,
    event_at,
    opened,
    rules,
    statements,
    zones,
)

from aforo.errors import AforoError, BadSetting, StoreNotReady, StoreUnavailable
from aforo.models import Feed, Total
from aforo.storage import Correction, JournalKind, Store
from aforo.storage.backends import sqlite
from aforo.storage.schema import grants, migrate, tables


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    made = DatabaseUnderTest(f"sqlite:///{tmp_path / 'aforo.db'}")
    yield made
    made.close()


def test_another_writer_is_waited_for_not_fatal(database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)
    store = database.store()
    record = opened(store)
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="otro proceso la tiene tomada"):
            add(store, record, at(10, "1"))
        other.execute("ROLLBACK")
    assert add(store, record, at(10, "1")).occupancies[NORTE].count == 1


def test_readers_do_not_wait_for_the_writer(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    add(store, record, at(10, "1"))
    reader = database.store(opened=False)
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert reader.occupancies(record)[NORTE].count == 1
        other.execute("ROLLBACK")


def test_the_file_is_kept_in_wal_and_commits_whole(database: DatabaseUnderTest) -> None:
    database.store()
    assert database.rows("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("sqlite:////no-such-folder/aforo.db", StoreNotReady, "No existe la carpeta /no-such-folder"),
        ("sqlite:////tmp", StoreUnavailable, "el archivo no se puede abrir"),
        ("oracle://x:secreto@y/z", StoreNotReady, "No se admite la base de datos «oracle»"),
        ("esto no es una URL con secreto", BadSetting, "no es una URL"),
    ],
)
def test_an_unusable_place_is_named_in_the_error(url: str, error: type[AforoError], says: str) -> None:
    with pytest.raises(error) as raised:
        Store(url, zones(), BOGOTA).open()
    assert says in str(raised.value)
    assert "secreto" not in str(raised.value)


def test_an_older_sqlite_takes_all_of_a_batch(database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = sqlite.Sqlite.prepare

    def as_before_3_32(self: sqlite.Sqlite, connection: Connection) -> bool:
        raw: Any = connection.connection.dbapi_connection
        raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        return prepare(self, connection)

    monkeypatch.setattr(sqlite.Sqlite, "prepare", as_before_3_32)
    store = database.store()
    events = [at(number, str(number)) for number in range(1_200)]
    assert add(store, opened(store), *events).occupancies[NORTE].count == len(events)


def test_a_file_that_is_no_database_is_not_ready(tmp_path: Path) -> None:
    file = tmp_path / "aforo.db"
    file.write_text("esto no es SQLite, " * 100)
    with pytest.raises(StoreNotReady, match="el archivo no es una base de datos SQLite"):
        Store(f"sqlite:///{file}", zones(), BOGOTA).open()


# The versions of our own tables.


def test_the_migrations_make_the_tables_that_the_code_knows(database: DatabaseUnderTest) -> None:
    database.store()

    def ours(item: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        table = item if isinstance(item, Table) else getattr(item, "table", None)
        return (name if kind == "table" else getattr(table, "name", "")).startswith("aforo_") and (  # type: ignore[union-attr]
            name != migrate.VERSION_TABLE
        )

    with database.connect() as connection:
        options = {"include_object": ours, "compare_type": True, "version_table": migrate.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_the_required_rights_are_those_that_are_used(database: DatabaseUnderTest) -> None:
    store = database.store(totals=[Total("Parqueaderos", (NORTE, SUR))])
    store.close()
    used = defaultdict(set)
    with statements() as executed:
        record = opened(store, event_at(name="Festival"))
        feed, moment = Feed("S1", "CAM1"), START + timedelta(minutes=1)
        add(store, record, at(10, "1"), at(30, "3", PUERTA), at(9_000_000, "4"), until={feed: START})
        add(store, record, at(20, "2"), until={feed: moment})
        store.correct(record, Correction("c1", NORTE, 1, "conteo", "Ana", moment))
        store.correct(record, Correction("c2", NORTE, 1, "conteo", "Ana", moment + timedelta(hours=3)))
        opened(store, event_at(name="Festival", hours=2), rules(stored="ENTRADA"))
        opened(store, event_at(name="Cierre", shift=2, hours=3))
        store.end_entry(store.begin_entry(JournalKind.ACC_AWAY, "S1", START), moment)
        store.dry_run(["Otro"])
        store.end_session("s1", moment, START)
        assert store.ended_sessions(START) == {"s1"}
        for _ in range(2):
            store.renew_push("https://aforo.example/push", "proceso 1", "token", START, timedelta(minutes=1))
        store.drop_push("https://aforo.example/push", "proceso 1")
    for sql in executed:
        for verb, table in re.findall(r"(INSERT INTO|UPDATE|DELETE FROM|FROM|JOIN) (aforo_\w+)", sql):
            used[table].add({"FROM": "SELECT", "JOIN": "SELECT"}.get(verb, verb.split()[0]))
    del used[migrate.VERSION_TABLE]
    assert used == {name: set(asked) for name, asked in grants.OWN.items()}
    assert grants.OWN.keys() == tables.metadata.tables.keys()


def test_head_is_the_newest_migration_and_all_of_them_are_known() -> None:
    folder = Path(migrate.__file__).parent / "migrations"
    scripts = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
    assert scripts.get_current_head() == migrate.HEAD
    assert {script.revision for script in scripts.walk_revisions()} == migrate.KNOWN


def test_the_tables_of_a_newer_program_are_left_alone(database: DatabaseUnderTest) -> None:
    database.store().close()
    database.run("UPDATE aforo_version SET version_num = '9999'")
    with pytest.raises(StoreNotReady, match=r"programa más nuevo \(versión 9999"):
        database.store()


def test_alembic_is_not_imported_where_there_is_nothing_to_do(database: DatabaseUnderTest) -> None:
    database.store().close()
    script = (
        "import sys; from aforo.storage import Store; from zoneinfo import ZoneInfo\n"
        f"Store({database.url!r}, (), ZoneInfo('America/Bogota')).open()\n"
        "print('alembic' in sys.modules)"
    )
    reported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert reported.stdout.strip() == "False"
