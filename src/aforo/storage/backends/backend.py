"""What differs between databases, as a protocol; each kind has a module of its own."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, Table, Update
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from aforo.storage.backends.errors import Recovery

DRAINED = "aforo_drained"  # an execution option: read all that the statement answers, an error may come last
LOCAL_TIME = "local_time"  # in a column's ``info``: it holds the site's wall time, given as ISO text

Shortener = Callable[[str], str]


class Backend(Protocol):
    """What differs between databases. Every method but ``engine`` is called inside a transaction."""

    name: str
    most_parameters: int  # in one IN list

    def engine(self) -> Engine:
        """Make connections, none of them pooled."""
        ...

    def identity(self) -> object:
        """What distinguishes the database from another one at the same address; None where nothing outside it does."""
        ...

    def leave(self, connection: Connection) -> None:
        """Prepare the end of a connection whose database was replaced: nothing of it may get into the new one."""
        ...

    def prepare(self, connection: Connection) -> bool:
        """Set up a fresh connection; False where it was spent on finding something out, and another one is needed."""
        ...

    def lock_writers(self, connection: Connection) -> None:
        """Open the one transaction that writes. Raises StoreUnavailable while another one is open."""
        ...

    def confirm(self, connection: Connection) -> None:
        """Raise StoreUnavailable unless the transaction that ``lock_writers`` opened is still whole."""
        ...

    def begin_read(self, connection: Connection) -> None:
        """Open a transaction that only reads."""
        ...

    def classify(self, exc: DBAPIError) -> Recovery:
        """What an error of the driver allows."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each in the order of the table's columns."""
        ...

    def update(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update ``columns`` by primary key; each row holds the key, then the new values."""
        ...

    def among(
        self, connection: Connection, table: Table, columns: Sequence[str], key: str, values: Sequence[int]
    ) -> Iterable[Sequence[Any]]:
        """Select the rows whose ``key`` is among many values."""
        ...

    def as_stored(self, column: Column[Any], value: str) -> ColumnElement[Any]:
        """A text or a wall time as the column keeps it, to compare it with the column."""
        ...

    def long_statements(self, connection: Connection) -> AbstractContextManager[None]:
        """Allow statements the time of a scan of a site table of many seasons."""
        ...

    def limited_to_one(self, update: Update, mine: ColumnElement[bool]) -> Update:
        """The update limited to one row: mine, or any where finding mine takes a scan of the whole table."""
        ...

    def shortener(self, column: Column[Any]) -> Shortener | None:
        """A function that makes a text as short as the column accepts; None: no limit that matters."""
        ...

    def schema(self, name: str) -> str | None:
        """A table's schema as this database has it; None: its own default."""
        ...

    def refined_type(
        self, connection: Connection, table: str, schema: str | None, column: ReflectedColumn
    ) -> TypeEngine[Any]:
        """A column's type, with what reflection leaves out of it."""
        ...

    def missing_rights(self, connection: Connection, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Which of these rights, such as ``("dbo.Aforo", "UPDATE")``, this account does not have."""
        ...

    def misfits(self, column: Column[Any]) -> list[str]:
        """What the column's type cannot keep, in Spanish; nothing where all that is written fits."""
        ...
