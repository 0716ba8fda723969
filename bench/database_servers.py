"""Events per second into a server: this program's storage against one INSERT per event through the same driver.

``AFORO_TEST_MSSQL_URL="URL URL…" python -m bench.database_servers`` **drops all tables** of the databases named, one
URL for each driver to measure. Both methods run alternately in the same process. The store writes everything (ledger,
history, minutes, aforo, one transaction per batch); row by row, only the history row is written.
"""

import os
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from aforo.models import Batch, CameraEvent, Classification, EventSource, Movement, ScheduledEvent, Window, Zone
from aforo.storage import Store
from aforo.storage.backends.drivers import choose_driver
from bench.results import Figure, spread, table

START = datetime(2026, 1, 17, 21, tzinfo=UTC)
ZONE = Zone("Zona Sur", "Aforo_parqueadero_SUR", (), ())
RUNS = 3
EVENTS = 16_000
TOGETHER = 8_000  # events in one transaction, as the writer puts them together
ROWS = 800  # row by row: enough to know
SQL = (
    'INSERT INTO eventos_Analisis (analyticEventName, area, activity, cameraId, "timestamp", nombre_evento)'
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_day = count()


def classify(source: EventSource) -> Classification:
    """Half of the events are people at doors, half are cars."""
    if source.name.startswith("PUERTA"):
        return Classification(True, ())
    return Classification(False, (Movement(ZONE.name, 1 if "INGRESO" in source.name else -1),))


def camera_events(start: datetime, size: int) -> list[CameraEvent]:
    """Events of 17 cameras over ten minutes."""
    chance = random.Random(1)
    names = ["PUERTA 1", "PUERTA 2", "INGRESO PARQUEADERO SUR", "SALIDA PARQUEADERO SUR"]
    instants = sorted(chance.randrange(600_000) for _ in range(size))
    return [
        CameraEvent(
            "UMooServer", str(number), start + timedelta(milliseconds=instant), f"4xIx1DMwMLSwMDW1TE{number % 17:02d}",
            names[number % 4], "", "OBJECT_COUNTING_ENTER",
        )
        for number, instant in enumerate(instants)
    ]  # fmt: skip


def ours(url: str) -> float:
    """Seconds per event."""
    store = Store(url, [ZONE], ZoneInfo("America/Bogota"))
    store.open()
    start = START + timedelta(days=next(_day))
    event = ScheduledEvent(date(2026, 1, 17), f"Concierto {start:%j}", Window(start, start + timedelta(hours=7)))
    record = store.open_record(event, classify, "", START)
    events = camera_events(start, EVENTS)
    store.add(record, Batch(events[:50]), START)  # the server has seen each statement once
    started = time.perf_counter()
    for first in range(50, EVENTS, TOGETHER):
        store.add(record, Batch(events[first : first + TOGETHER]), START)
    seconds = time.perf_counter() - started
    assert sum(store.events_by_camera(record).values()) == EVENTS
    assert store.history_count(record) == EVENTS // 2
    store.close()
    return seconds / (EVENTS - 50)


def row_by_row(url: str, *, commit: bool) -> float:
    """Seconds per event."""
    connection: Any = choose_driver(make_url(url)).connect()
    cursor = connection.cursor()
    started = time.perf_counter()
    for event in camera_events(START, ROWS):
        wall = event.occurred_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]
        cursor.execute(SQL, (event.name, event.area, event.activity, event.camera_id, wall, "Concierto A"))
        if commit:
            connection.commit()
    connection.commit()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds / ROWS


def measure(url: str) -> list[Figure]:
    """The rows for one driver."""
    to_server = choose_driver(make_url(url))
    engine = create_engine(f"{to_server.dialect}://", creator=to_server.connect, poolclass=NullPool)
    with engine.begin() as connection:
        for name in inspect(connection).get_table_names():
            connection.execute(text(f'DROP TABLE "{name}"'))
    methods: dict[str, Callable[[], float]] = {
        "the store": lambda: ours(url),
        "one INSERT each, one commit": lambda: row_by_row(url, commit=False),
        "one INSERT and commit each": lambda: row_by_row(url, commit=True),
    }
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(RUNS):
        for name, run in methods.items():
            taken[name].append(run())
    best = statistics.median(taken["the store"])
    figures = []
    for name, seconds in taken.items():
        rate = spread([1 / one for one in seconds], "events/s", 0)
        times = f"the store is {statistics.median(seconds) / best:.1f} × as fast" if name != "the store" else ""
        figures.append(Figure(f"{to_server.why.partition(':')[0]}: {name}", rate, times))
    return figures


def main() -> None:
    """Measure every server that is named."""
    figures = [figure for url in os.environ["AFORO_TEST_MSSQL_URL"].split() for figure in measure(url)]
    print(table(figures))


if __name__ == "__main__":
    main()
