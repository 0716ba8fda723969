"""All of the freeze that has to import the program or the other tests: a later renaming changes this file alone.

``fixed_event`` runs one event by the fake clock with a few faults; every source of chance has the same value each time.
"""

import asyncio
import logging
import random
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar
from tests.e2e.harness import Stadium, count_of, stadium
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SimulatedEvent, simulated_event
from tests.page_harness import PASSWORD, Stage, capped_zones, operators, staged

from aforo import os_service
from aforo.logging_setup import logging_to
from aforo.os_service import ServiceOptions, windows
from aforo.os_service.systemd import Systemd
from aforo.settings import STADIUM_ZONES, AlertsSettings, LogSettings, WebSettings
from aforo.settings.reference import page as settings_page
from aforo.simulator import Fault, Faults, Scenario, ScenarioPlan
from aforo.storage import Database

__all__ = ["PASSWORD", "STADIUM_ZONES", "Stadium", "count_of", "settings_page", "stadium"]

BEGIN = DOORS  # 2026-01-27 16:00 in Bogotá
END = BEGIN + timedelta(hours=1)
DAY = "2026-01-27"
EVENT_NAME = "Concierto A"
MINUTE = timedelta(minutes=1)
PLAN = ScenarioPlan(BEGIN, END, seed=23, cameras=11, events=260, burst=20, servers=2)


@dataclass
class FixedEvent:
    """What an event left. ``logs``: the file of each format; ``pages``: what the page answered in mid-event."""

    folder: Path
    exit_code: int = -1
    logs: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    status: str = ""
    half: str = ""  # the database in mid-event, as SQL

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "aforo.db"

    @property
    def reports(self) -> Path:
        """The folder of the event reports."""
        return self.folder / "informes"


@contextmanager
def no_chance() -> Iterator[None]:
    """Every ``uniform`` gives the middle of its span, so that pauses are the same each time."""

    def middle(first: float, last: float) -> float:
        return (first + last) / 2

    def middle_of(_self: random.Random, first: float, last: float) -> float:
        return (first + last) / 2

    with mock.patch.object(random.Random, "uniform", middle_of), mock.patch.object(random, "uniform", middle):
        yield


@contextmanager
def timed_by(clock: FakeClock) -> Iterator[None]:
    """Log records carry the fake clock's time."""
    usual = logging.getLogRecordFactory()

    def record(*arguments: Any, **more: Any) -> logging.LogRecord:
        made = usual(*arguments, **more)
        made.created = clock.now().timestamp()
        return made

    logging.setLogRecordFactory(record)
    try:
        yield
    finally:
        logging.setLogRecordFactory(usual)


def few_faults(scenario: Scenario) -> Faults:
    """An outage of the server, one of a camera, excluded and late events; which ones is fixed by the seed."""
    return Faults(
        5,
        {
            "camera_500": Fault(
                since=BEGIN + 8 * MINUTE, until=BEGIN + 16 * MINUTE, cameras=frozenset(scenario.allowed[:1])
            ),
            "away": Fault(since=BEGIN + 25 * MINUTE, until=BEGIN + 32 * MINUTE),
            "late": Fault(0.05, seconds=25.0),
            "malformed": Fault(0.03),
            "repeated": Fault(0.05),
        },
    )


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


Look = Callable[[FixedEvent, str], Awaitable[None]]


def fixed_event(
    folder: Path,
    look: Look | None = None,
    *,
    database: str = "",
    starts: datetime = BEGIN - 2 * MINUTE,
    faults: bool = True,
) -> FixedEvent:
    """Run the event to its end; ``look`` is called with the page's address at 16:40:30, while the time stands still.

    ``database``: SQL that makes the database with which it begins.
    """
    fixed = FixedEvent(folder)
    if database:
        with closing(sqlite3.connect(fixed.database)) as connection:
            connection.executescript(database)
    with _two_logs(folder):
        asyncio.run(_run(fixed, look, starts, faults=faults))
    for kind in ("text", "json"):
        fixed.logs[kind] = (folder / f"log.{kind}").read_text(encoding="utf-8")
    return fixed


async def _run(fixed: FixedEvent, look: Look | None, starts: datetime, *, faults: bool) -> None:
    folder, scenario = fixed.folder, Scenario(PLAN)
    chosen = few_faults(scenario) if faults else Faults(5)
    async with simulated_event(folder, PLAN, starts=starts, faults=chosen, interval=60.0) as (simulated, _):
        simulated.reports = fixed.reports
        simulated.web = WebSettings(port=free_port())
        clock = simulated.clock
        with no_chance(), timed_by(clock), _one_after_the_other(clock):
            monitor = await asyncio.to_thread(simulated.monitor)
            running = asyncio.create_task(monitor.run())
            await clock.sleep(max(60.0, (BEGIN + 40.5 * MINUTE - starts).total_seconds()))
            busy, clock.busy = clock.busy, lambda: True  # the time stands still
            fixed.half = await asyncio.to_thread(dump, fixed.database)
            if look is not None:
                await look(fixed, f"http://127.0.0.1:{simulated.web.port}")
            clock.busy = busy
            fixed.exit_code = await running
        simulated.check(scenario, BEGIN, END)


@contextmanager
def _two_logs(folder: Path) -> Iterator[None]:
    timezone = ZoneInfo("America/Bogota")
    text = LogSettings(file=folder / "log.text", format="text")
    lines = LogSettings(file=folder / "log.json", format="json")
    with logging_to(text, timezone, console=None), logging_to(lines, timezone, console=None):
        yield


@contextmanager
def _one_after_the_other(clock: FakeClock) -> Iterator[None]:
    """One request at once, each batch stored before the next request, and no time passes while a child process runs."""
    settings_of, put, create = vars(SimulatedEvent)["settings"].fget, Database.put, asyncio.create_subprocess_exec
    children: list[asyncio.subprocess.Process] = []

    def with_one_request(simulated: SimulatedEvent) -> Any:
        settings = settings_of(simulated)
        calm = AlertsSettings(stale=86_400, camera_gone=0, silent_door=0, database_down=0)  # they keep real time
        return settings.model_copy(
            update={"acc": settings.acc.model_copy(update={"concurrency": 1}), "alerts": calm, "zones": capped_zones()}
        )

    async def put_and_drain(writer: Database, record: Any, batch: Any) -> None:
        await put(writer, record, batch)
        await writer.drain()

    async def create_and_know(*arguments: Any, **more: Any) -> asyncio.subprocess.Process:
        starting = object()
        waiting.append(starting)
        try:
            child = await create(*arguments, **more)
        finally:
            waiting.remove(starting)
        children.append(child)
        return child

    waiting: list[object] = []
    clock.busy = lambda: bool(waiting) or any(child.returncode is None for child in children)
    with (
        mock.patch.object(SimulatedEvent, "settings", property(with_one_request)),
        mock.patch.object(Database, "put", put_and_drain),
        mock.patch.object(asyncio, "create_subprocess_exec", create_and_know),
    ):
        yield


def dump(database: Path) -> str:
    """The database as SQL, in the order of its tables' names."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def truth(since: datetime = BEGIN, until: datetime = END) -> dict[str, Any]:
    """What the oracle counts for the fixed event: history rows, zones, events by camera."""
    scenario = Scenario(PLAN)
    answer = scenario.truth().between(since, until, scenario.allowed)
    return {
        "history": [(*row[:4], row.timestamp.isoformat(" ", "milliseconds")) for row in answer.history],
        "zones": {name: zone._asdict() for name, zone in answer.zones.items()},
        "accepted": answer.accepted,
    }


async def get_text(url: str, path: str) -> str:
    """What the page answers at a path."""
    async with ClientSession() as client, client.get(f"{url}{path}") as answer:
        return await answer.text()


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Stage, ClientSession]]:
    """The page with a store behind it, a hundred minutes into an event that stands still, and a client of it."""
    alerts = AlertsSettings(minimum=0, silent_door=0)
    zones = capped_zones((100_000, 100_000, 50))
    settings = WebSettings(operators=operators("Ana Ruiz"))
    async with staged(folder, settings=settings, alerts=alerts, zones=zones) as found:
        await found.play(found.at(100))
        port = found.url.rstrip("/").rpartition(":")[2]
        async with ClientSession(f"http://127.0.0.1:{port}/", cookie_jar=CookieJar(unsafe=True)) as client:
            yield found, client


def windows_commands(folder: str, python: str, account: str = "", config: str = "") -> list[list[str]]:
    """The commands that make and take away a Windows service."""
    plan = windows.Plan(
        "aforo", Path(folder), account=account, config=Path(config) if config else None, python=Path(python)
    )
    return [*windows.create_commands(plan), *windows.delete_commands("aforo")]


def windows_state(answer: str) -> tuple[str, bool]:
    """What is printed for an answer of ``sc query``."""
    return windows.parse_state("aforo", answer)


def systemd_service(action: str, units: Path, *, user: str = "") -> int:
    """``aforo service`` with its units in another folder, on a machine that systemd seems to run."""
    return os_service.main(ServiceOptions(action, user=user), Systemd(units, units))
