"""The T-SQL that is sent, pinned word for word: a change of it is seen where no server is at hand."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, Unicode, create_engine, make_url, select
from sqlalchemy.dialects import mssql

from aforo.models import Zone
from aforo.storage import schema_sql
from aforo.storage.backends import tsql
from aforo.storage.backends.drivers import LONG_TIMEOUT, STATEMENT_TIMEOUT
from aforo.storage.backends.sqlserver import SqlServer
from aforo.storage.schema import tables
from aforo.storage.site_tables.reflection import document_table

_PINNED = Path(__file__).parents[2] / "data" / "tsql"


class _Connection:
    """Keeps the statements that it is given."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Any]] = []

    def exec_driver_sql(self, sql: str, parameters: Any = None, **_: Any) -> Any:
        self.ran.append((sql, parameters))
        return self

    def all(self) -> list[Any]:
        return []


def _backend(*, json: bool = True) -> SqlServer:
    return SqlServer(make_url("mssql+mssqlpython://u:p@s/d"), try_json=json)


def _pin(name: str, text: str) -> None:
    """Compare with the file; AFORO_PIN=1 writes it anew."""
    file = _PINNED / name
    if os.environ.get("AFORO_PIN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def _history() -> Table:
    return document_table("eventos_Analisis", ["analyticEventName", "cameraId", "timestamp"], "dbo")


@pytest.mark.parametrize("json", [True, False])
def test_the_statements_of_a_transaction(json: bool) -> None:
    connection: Any = _Connection()
    backend = _backend(json=json)
    rows = [(1768683600000, 1, "32732", 7, 1, 1, 1768683605000)]
    backend.among(connection, tables.events, ["occurred_ms", "server", "this_id"], "occurred_ms", [1768683600000, 7])
    backend.insert(connection, tables.events, rows)
    backend.insert(connection, _history(), [("PUERTA Ñ", "4xIx1", "2026-01-17 16:00:00.048")])
    backend.update(connection, tables.minutes, ["entries", "exits"], [(1, "Zona Sur", 1768683600000, 5, 2)])
    lines = [tsql.SET_UP, tsql.PROBE, tsql.LOCK]
    lines += [f"{sql}\n    {parameters!r}" for sql, parameters in connection.ran]
    lines += [tsql.LOCKED, tsql.RIGHTS, tsql.DECIMALS]
    _pin("transaction.sql" if json else "row-by-row.sql", "\n\n".join(lines) + "\n")


def test_the_comparisons_with_the_stadiums_columns() -> None:
    backend, info = _backend(), {"local_time": True}
    kinds: list[Any] = [
        Column("evento", mssql.VARCHAR(50, collation="Modern_Spanish_CI_AS")),
        Column("evento", mssql.NVARCHAR(50)),
        Column("timestamp", mssql.DATETIME(), info=info),
        Column("timestamp", mssql.DATETIME2(precision=3), info=info),  # type: ignore[no-untyped-call]
        Column("timestamp", mssql.SMALLDATETIME(), info=info),
        Column("timestamp", Unicode(30), info=info),
    ]
    compiler: Any = mssql.dialect
    lines = []
    for column in kinds:
        Table("t", MetaData(), column)
        compared = select(column).where(column == backend.as_stored(column, "x"))
        lines.append(str(compared.compile(dialect=compiler(paramstyle="qmark"))))
    _pin("comparisons.sql", "\n\n".join(lines) + "\n")


def test_the_trial_of_a_renaming_goes_through_no_table() -> None:
    history, compiler = _history(), mssql.dialect()  # type: ignore[no-untyped-call]
    renaming = history.update().values(cameraId="")
    tried = _backend().limited_to_one(renaming, history.c.cameraId == "aforo check")
    assert str(tried.compile(dialect=compiler)).startswith("UPDATE TOP (1) ")
    assert "WHERE" not in str(tried.compile(dialect=compiler))


class _Timed(sqlite3.Connection):
    """A driver's connection with a time for its statements, until it is dead."""

    seconds = STATEMENT_TIMEOUT
    dead = False

    @property
    def timeout(self) -> int:
        return self.seconds

    @timeout.setter
    def timeout(self, seconds: int) -> None:
        if self.dead:
            raise sqlite3.OperationalError("the connection is dead")
        self.seconds = seconds


def test_only_what_goes_through_a_whole_table_may_take_long() -> None:
    raw = sqlite3.connect(":memory:", factory=_Timed)
    with create_engine("sqlite://", creator=lambda: raw).connect() as connection:
        with _backend().long_statements(connection):
            assert raw.seconds == LONG_TIMEOUT > STATEMENT_TIMEOUT
        assert raw.seconds == STATEMENT_TIMEOUT
        raw.dead = True
        with _backend().long_statements(connection):
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1  # or whatever a dead connection says here


def test_the_script_for_the_administrator() -> None:
    zones = [Zone("Zona Sur", "dbo.Aforo_parqueadero_SUR", (), ()), Zone("Norte", "Aforo_parqueadero", (), ())]
    _pin("schema.sql", schema_sql(zones, "ESTADIO\\servicio"))


def test_names_are_quoted() -> None:
    assert tsql.quoted("dbo.odd]name") == "[dbo].[odd]]name]"


def test_many_rows_go_in_statements_that_lock_no_table() -> None:
    connection: Any = _Connection()
    rows = [(number, 1, str(number), 7, 1, 1, 0) for number in range(4_500)]
    _backend().insert(connection, tables.events, rows)
    assert len(connection.ran) == 3
    assert tsql.ROWS < 5_000 / 2  # locks at which SQL Server takes the table; rows of two indexes


def test_rows_with_letters_that_json_escapes_go_as_parameters() -> None:
    connection: Any = _Connection()
    rows = [(number, f"C{number}", name, "", "") for number, name in enumerate(["PUERTA", 'la "A"', "á\\b", "ñ\n"])]
    _backend().insert(connection, tables.sources, rows)
    (by_json, first), (by_row, others) = connection.ran
    assert (by_json.startswith("SET NOCOUNT ON; INSERT"), "OPENJSON" in by_row) == (True, False)
    assert first == ('[[0,"C0","PUERTA","",""]]',)
    assert others == rows[1:]


def test_rows_with_long_texts_go_as_parameters() -> None:
    connection: Any = _Connection()
    rows = [(number, f"C{number}", name, "", "") for number, name in enumerate(["PUERTA", "😀" * 2_001])]
    _backend().insert(connection, tables.sources, rows)
    (by_json, _), (by_row, others) = connection.ran
    assert ("OPENJSON" in by_json, "OPENJSON" in by_row) == (True, False)
    assert others == rows[1:]


def test_lengths_are_known_and_what_types_cannot_keep_is_reported() -> None:
    backend = _backend()
    reported = {
        mssql.VARCHAR(50): (50, "varchar"),
        mssql.VARCHAR(50, collation="Latin1_General_100_CI_AS_SC_UTF8"): (25, ""),
        mssql.NVARCHAR(20): (20, ""),
        mssql.NVARCHAR(): (None, ""),
        mssql.TINYINT(): (None, "tinyint"),
        mssql.SMALLINT(): (None, "smallint"),
        mssql.BIGINT(): (None, ""),
    }
    for kind, (limit, word) in reported.items():
        column: Column[Any] = Column("x", kind)  # type: ignore[arg-type]
        shortener = backend.shortener(column)
        assert (shortener and shortener("Ñ" * 99)) == (limit and "Ñ" * limit)
        assert word in " ".join(backend.misfits(column))
        assert bool(backend.misfits(column)) is bool(word)
