"""T-SQL that SQLAlchemy does not write: many rows as one JSON parameter. Pure; pinned by the tests.

One statement and one parameter carry thousands of rows, the same way through every driver: no loop over rows, no
limit of 2100 parameters, no temporary table. OPENJSON needs SQL Server 2016 and compatibility level 130.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ROWS = 2_000  # in one statement: with some 5,000 locks SQL Server would lock the whole table, and with it the readers
SET_UP = (
    "SET XACT_ABORT ON; SET LOCK_TIMEOUT 10000; SET DEADLOCK_PRIORITY LOW;"
    " SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
)
PROBE = "SELECT COUNT(*) FROM OPENJSON(N'[1]')"
# The SELECT begins the drivers' implicit transaction, which has to be there for the lock: EXEC alone begins none.
LOCK = (
    "SET NOCOUNT ON; DECLARE @taken int; SELECT @taken = COUNT(*) FROM sys.schemas;"
    " EXEC @taken = sp_getapplock @Resource = N'aforo', @LockMode = 'Exclusive', @LockOwner = 'Transaction',"
    " @LockTimeout = 5000; SELECT @taken"
)
LOCKED = "SELECT APPLOCK_MODE('public', N'aforo', 'Transaction')"
RIGHTS = (
    "SELECT j.c0, j.c1 FROM OPENJSON(CAST(? AS nvarchar(max)))"
    " WITH (c0 nvarchar(400) '$[0]', c1 nvarchar(20) '$[1]') AS j WHERE HAS_PERMS_BY_NAME(j.c0, 'OBJECT', j.c1) = 0"
)
DECIMALS = (
    "SELECT DATETIME_PRECISION FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? AND COLUMN_NAME = ?"
    " AND TABLE_SCHEMA = COALESCE(NULLIF(?, ''), SCHEMA_NAME())"
)


_JSON = "OPENJSON(CAST(? AS nvarchar(max)))"  # cast: a driver may send long text as ntext, which OPENJSON rejects


@dataclass(frozen=True, slots=True)
class Field:
    """A column as the JSON gives it: its name in the table, its type there, its collation where it takes part in a key.

    ``converted`` holds ``{}`` where the value goes: how the table's own type is made of it.
    """

    name: str
    type: str
    collation: str = ""
    converted: str = "{}"


def quoted(name: str) -> str:
    """A name as T-SQL takes it, schema and all."""
    return ".".join("[" + part.replace("]", "]]") + "]" for part in name.split("."))


def insert(table: str, fields: Sequence[Field]) -> str:
    """Insert every row of the parameter."""
    values = ", ".join(field.converted.format(f"j.c{place}") for place, field in enumerate(fields))
    return f"SET NOCOUNT ON; INSERT INTO {quoted(table)} ({_names(fields)}) SELECT {values} FROM {_rows(fields)}"  # noqa: S608


def update(table: str, keys: Sequence[Field], fields: Sequence[Field]) -> str:
    """Update by key: a row of the parameter holds the key, then the new values."""
    new = ", ".join(f"{quoted(field.name)} = j.c{place}" for place, field in enumerate(fields, len(keys)))
    same = " AND ".join(
        f"t.{quoted(key.name)} = j.c{place}{f' COLLATE {key.collation}' if key.collation else ''}"
        for place, key in enumerate(keys)
    )
    return f"SET NOCOUNT ON; UPDATE t SET {new} FROM {quoted(table)} AS t JOIN {_rows([*keys, *fields])} ON {same}"  # noqa: S608


def among(table: str, columns: Sequence[str], key: Field) -> str:
    """Select the rows whose key is among those of the parameter, a JSON list."""
    values = f"{_JSON} WITH (c0 {key.type} '$') AS j"
    return f"SELECT {_wanted(columns)} FROM {values} JOIN {quoted(table)} AS t ON t.{quoted(key.name)} = j.c0"  # noqa: S608


# The same for a database without OPENJSON: a row, or a list of values, as parameters.


def insert_one(table: str, fields: Sequence[Field]) -> str:
    """Insert one row."""
    values = ", ".join(field.converted.format("?") for field in fields)
    return f"INSERT INTO {quoted(table)} ({_names(fields)}) VALUES ({values})"  # noqa: S608


def update_one(table: str, keys: Sequence[Field], fields: Sequence[Field]) -> str:
    """Update one row: its parameters are the new values, then the key."""
    new = ", ".join(f"{quoted(field.name)} = ?" for field in fields)
    same = " AND ".join(f"{quoted(key.name)} = ?" for key in keys)
    return f"UPDATE {quoted(table)} SET {new} WHERE {same}"  # noqa: S608


def among_some(table: str, columns: Sequence[str], key: Field, count: int) -> str:
    """Select the rows whose key is one of so many parameters."""
    marks = ", ".join("?" * count)
    return f"SELECT {_wanted(columns)} FROM {quoted(table)} AS t WHERE t.{quoted(key.name)} IN ({marks})"  # noqa: S608


def _names(fields: Sequence[Field]) -> str:
    return ", ".join(quoted(field.name) for field in fields)


def _wanted(columns: Sequence[str]) -> str:
    return ", ".join(f"t.{quoted(column)}" for column in columns)


def _rows(fields: Sequence[Field]) -> str:
    columns = ", ".join(f"c{place} {field.type} '$[{place}]'" for place, field in enumerate(fields))
    return f"{_JSON} WITH ({columns}) AS j"
