"""What the tests of storage share: databases to run on, camera events to store, and the naive count to compare with."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy import event as listening
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from aforo.counting.rules import Rules
from aforo.models import (
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    EventSource,
    Feed,
    Movement,
    Occupancy,
    Rule,
    ScheduledEvent,
    Window,
    Zone,
)
from aforo.storage import EventRecord, Store
from aforo.storage.backends.drivers import choose_driver

BOGOTA = ZoneInfo("America/Bogota")
START = datetime(2026, 1, 17, 21, 0, tzinfo=UTC)  # 16:00 in Bogotá
NORTE, SUR = "Parqueadero Norte", "Zona Sur"
ENTRADA, SALIDA, INGRESO, PUERTA = (
    "Aforo Entrada Parqueadero Norte 1", "AFORO SALIDA PARQUEADERO NORTE 2", "INGRESO PARQUEADERO SUR", "PUERTA 12",
)  # fmt: skip
HISTORY = "eventos_Analisis"
MINUTE_MS = 60_000


@contextmanager
def answers_lost(count: int = 1) -> Iterator[list[Connection]]:
    """The next commits are done, and the connection is lost before the answer; gives the connections lost so far."""
    commit, lost = Connection.commit, list[Connection]()

    def committed_in_silence(connection: Connection) -> None:
        commit(connection)
        if len(lost) < count:
            lost.append(connection)
            raise SQLAlchemyError("the connection is lost after the commit")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "commit", committed_in_silence)
        yield lost


def zones(initial: int = 0, *, sur: bool = True) -> tuple[Zone, ...]:
    """Two zones of the stadium."""

    def rule(text: str) -> tuple[Rule, ...]:
        return (Rule.of(f"contains:{text}"),)

    north = Zone(
        NORTE, "Aforo_parqueadero", rule("AFORO ENTRADA PARQUEADERO NORTE"), rule("AFORO SALIDA PARQUEADERO NORTE"),
        initial=initial,
    )  # fmt: skip
    south = Zone(SUR, "Aforo_parqueadero_SUR", rule("INGRESO PARQUEADERO SUR"), rule("SALIDA PARQUEADERO SUR"))
    return (north, south) if sur else (north,)


def rules(initial: int = 0, *, stored: str = "PUERTA", sur: bool = True) -> Rules:
    """The rules that go with these zones."""
    return Rules([Rule.of(f"contains:{stored}")], zones(initial, sur=sur))


def event_at(day: int = 0, *, name: str = "Concierto Ñandú", hours: float = 7, shift: float = 0) -> ScheduledEvent:
    """The event of some day, from 16:00 (and ``shift`` hours) on."""
    since = START + timedelta(days=day, hours=shift)
    return ScheduledEvent(date(2026, 1, 17) + timedelta(days=day), name, Window(since, since + timedelta(hours=hours)))


def at(
    milliseconds: int, this_id: str, name: str = ENTRADA, *, camera: str = "CAM1", server: str = "S1", day: int = 0
) -> CameraEvent:
    """A camera event so many milliseconds after the start of that day's event."""
    occurred_at = START + timedelta(days=day, milliseconds=milliseconds)
    return CameraEvent(server, this_id, occurred_at, camera, name, "", "OBJECT_COUNTING_ENTER")


def batch(*events: CameraEvent, until: Mapping[Feed, datetime] | None = None) -> Batch:
    """A batch as the rules would make it."""
    made = rules()
    classifications: dict[tuple[str, str, str, str], Classification] = {
        event.source: made.classify(event.source) for event in events
    }
    return Batch(list(events), classifications, dict(until or {}))


def naive(events: Iterable[CameraEvent], zone: str, initial: int = 0, counted_by: Rules | None = None) -> Occupancy:
    """The aforo as the mission defines it: one event after the other, never below zero."""
    counted_by = counted_by or rules()
    once = {(event.server_id, event.this_id, event.occurred_at, event.camera_id): event for event in events}.values()

    def order(event: CameraEvent) -> tuple[datetime, int, str, str, int]:
        return (
            event.occurred_at,
            int(event.this_id) if event.this_id.isdigit() else 0,
            event.server_id,
            event.this_id,
            sum(movement.delta for movement in counted_by.classify(event.source).movements if movement.zone == zone),
        )

    entries = exits = unmatched = 0
    count = initial
    for event in sorted(once, key=order):
        for movement in counted_by.classify(event.source).movements:
            if movement == Movement(zone, 1):
                entries, count = entries + 1, count + 1
            elif movement == Movement(zone, -1):
                exits += 1
                unmatched += count == 0
                count = max(0, count - 1)
    return Occupancy(zone, entries, exits, count, unmatched)


@dataclass
class DatabaseUnderTest:
    """A database to run the tests on, with connections of its own to inspect it."""

    url: str
    stores: list[Store] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.sqlite:
            self._engine: Engine = create_engine(self.url, poolclass=NullPool)
        else:
            to_server = choose_driver(make_url(self.url))
            self._engine = create_engine(f"{to_server.dialect}://", creator=to_server.connect, poolclass=NullPool)

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def store(self, *, initial: int = 0, sur: bool = True, opened: bool = True, **more: Any) -> Store:
        """Another store on this database."""
        store = Store(self.url, zones(initial, sur=sur), BOGOTA, **more)
        self.stores.append(store)
        if opened:
            store.open()
        return store

    def run(self, *statements: str, **parameters: Any) -> None:
        """Run statements as somebody else would, committed."""
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), parameters)

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    def history(self) -> list[tuple[Any, ...]]:
        """The rows of the history table, by time; the timestamp as text to the millisecond."""
        found = self.rows(
            'SELECT analyticEventName, area, activity, cameraId, "timestamp", nombre_evento FROM eventos_Analisis'
        )
        return sorted((*row[:4], _wall(row[4]), row[5]) for row in found)

    def aforo(self, table: str = "Aforo_parqueadero") -> dict[str, int]:
        """A zone's table."""
        return {evento: aforo for evento, aforo in self.rows(f"SELECT evento, aforo FROM {table}")}  # noqa: C416

    def tables(self) -> list[str]:
        """The names of all tables."""
        with self._engine.connect() as connection:
            return inspect(connection).get_table_names()

    def columns(self, table: str) -> list[str]:
        """A table's columns, in the words of its result."""
        with self._engine.connect() as connection:
            return list(connection.execute(text(f"SELECT * FROM {table} WHERE 1 = 0")).keys())

    def connect(self) -> Connection:
        """A connection of somebody else's."""
        return self._engine.connect()

    def clear(self) -> None:
        """Drop every table."""
        with self._engine.begin() as connection:
            for name in inspect(connection).get_table_names():
                connection.execute(text(f'DROP TABLE "{name}"'))

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self._engine.dispose()


def urls(folder: Path) -> dict[str, str]:
    """The databases to test, by name: SQLite always, and each server that the environment names."""
    servers = os.environ.get("AFORO_TEST_MSSQL_URL", "").split()
    return {"sqlite": f"sqlite:///{folder / 'aforo.db'}"} | {
        f"server{number}": url for number, url in enumerate(servers, 1)
    }


def names() -> Sequence[str]:
    """The names of the databases to test."""
    return list(urls(Path()))


def opened(store: Store, event: ScheduledEvent | None = None, counted_by: Rules | None = None) -> EventRecord:
    """The record of that event, by the rules of these tests."""
    counted_by = counted_by or rules()
    return store.open_record(event or event_at(), counted_by.classify, counted_by.fingerprint, START)


def add(
    store: Store, record: EventRecord, *events: CameraEvent, until: Mapping[Feed, datetime] | None = None
) -> CommitResult:
    """Store some events."""
    return store.add(record, batch(*events, until=until), START + timedelta(minutes=5))


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that is sent meanwhile, by whichever engine."""
    executed: list[str] = []

    def sent(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        executed.append(sql)

    listening.listen(Engine, "before_cursor_execute", sent)
    try:
        yield executed
    finally:
        listening.remove(Engine, "before_cursor_execute", sent)


def classify(source: EventSource) -> Classification:
    """What a source means by the tests' rules."""
    return rules().classify(source)


def _wall(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    return str(value)
