"""A whole event in seconds: the simulator, the real client over HTTPS, the real store, all on one virtual clock."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from tests.fake_clock import FakeClock

from aforo.app import Monitor
from aforo.settings import (
    STADIUM_ZONES,
    AccSettings,
    DatabaseSettings,
    MonitorSettings,
    PushSettings,
    ReportSettings,
    Settings,
    WebSettings,
    ZoneSettings,
)
from aforo.simulator import Faults, Scenario, ScenarioPlan, ServerProfile, Simulator

BOGOTA = ZoneInfo("America/Bogota")
DOORS = datetime(2026, 1, 27, 21, tzinfo=UTC)  # 16:00 in Bogotá
NAME = "Concierto A"


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


END = DOORS + hours(7)
PLAN = ScenarioPlan(DOORS, END, seed=11, cameras=13, events=2_500, burst=400)
SHORT = replace(PLAN, end=DOORS + hours(0.7), events=1_000)


@dataclass
class SimulatedEvent:
    """The parts of one test: the folder of its files, the simulator, the clock, the settings."""

    folder: Path
    site: Simulator
    clock: FakeClock
    monitor_settings: dict[str, Any] = field(default_factory=dict)
    name: str = NAME
    reports: Path | None = None
    web: WebSettings = field(default_factory=lambda: WebSettings(port=0))
    push: PushSettings = field(default_factory=PushSettings)
    zones: list[ZoneSettings] | None = None  # the stadium's

    def schedule(self, since: datetime, until: datetime) -> None:
        day, *times = (instant.astimezone(BOGOTA) for instant in (since, since, until))
        begins, ends = (f"{instant:%H:%M:%S}" for instant in times)
        content = {str(day.date()): {"nombre": self.name, "hora_inicio": begins, "hora_fin": ends}}
        self._write("eventos_programados.json", content)

    def allow(self, cameras: list[str]) -> None:
        self._write("ids_camaras_permitidas.json", cameras)

    @property
    def settings(self) -> Settings:
        credentials = self.site.credentials
        return Settings(
            acc=AccSettings(
                url=self.site.url,
                fingerprint=self.site.fingerprint,
                username=credentials.username,
                password=SecretStr(credentials.password),
                user_nonce=SecretStr(credentials.user_nonce),
                user_key=SecretStr(credentials.user_key),
            ),
            database=DatabaseSettings(url=SecretStr(f"sqlite:///{self.database}")),
            monitor=MonitorSettings(
                schedule_file=self.folder / "eventos_programados.json",
                cameras_file=self.folder / "ids_camaras_permitidas.json",
                **{"interval": 300.0, "live_interval": 300.0, **self.monitor_settings},
            ),
            web=self.web,
            push=self.push,
            report=ReportSettings(folder=self.reports),
            zones=self.zones or STADIUM_ZONES,
        )

    @property
    def database(self) -> Path:
        return self.folder / "aforo.db"

    def monitor(self, stopping: asyncio.Event | None = None) -> Monitor:
        return Monitor(self.settings, self.clock, stopping or asyncio.Event())

    async def run(self, **arguments: bool) -> int:
        monitor = await asyncio.to_thread(self.monitor)
        return await monitor.run(**arguments)

    def check(self, scenario: Scenario, since: datetime, until: datetime) -> None:
        """The tables, read with SQLite itself, hold what the oracle counted: 0 lost, 0 doubled, the right aforo."""
        truth = scenario.truth().between(since, until, scenario.allowed)
        expected = Counter((*row[:4], row.timestamp.isoformat(" ", "milliseconds"), self.name) for row in truth.history)
        with closing(sqlite3.connect(self.database)) as database:
            stored = Counter(database.execute(
                "SELECT analyticEventName, area, activity, cameraId, timestamp, nombre_evento FROM eventos_Analisis"
            ).fetchall())  # fmt: skip
            aforos = {zone.name: stored_aforo(database, zone, self.name) for zone in self.settings.zones}
        assert expected - stored == Counter(), "lost"
        assert stored - expected == Counter(), "doubled"
        assert aforos == {name: zone.aforo for name, zone in truth.zones.items()}

    def _write(self, name: str, content: object) -> None:
        path = self.folder / name
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def stored_aforo(database: sqlite3.Connection, zone: ZoneSettings, event: str) -> int:
    """A zone's aforo from its table; of one without, from its minutes."""
    if zone.table:
        return int(database.execute(f"SELECT aforo FROM {zone.table} WHERE evento = ?", (event,)).fetchone()[0])
    aforo = zone.initial
    for net, floor in database.execute(
        "SELECT net, floor FROM aforo_minutes JOIN aforo_shows ON id = show_id WHERE name = ? AND zone = ?"
        " ORDER BY minute_ms", (event, zone.name),
    ):  # fmt: skip
        aforo = max(floor, aforo + net)
    return aforo


def arranged(folder: Path, site: Simulator, clock: FakeClock, plan: ScenarioPlan, **settings: float) -> SimulatedEvent:
    """A simulated event whose two files hold the plan."""
    simulated = SimulatedEvent(folder, site, clock, settings)
    simulated.schedule(plan.start, plan.end)
    simulated.allow(list(site.scenario.allowed))
    return simulated


@asynccontextmanager
async def simulated_event(
    folder: Path,
    plan: ScenarioPlan = PLAN,
    *,
    starts: datetime = DOORS - timedelta(minutes=3),
    behaviour: ServerProfile | None = None,
    faults: Faults | None = None,
    **settings: float,
) -> AsyncIterator[tuple[SimulatedEvent, Scenario]]:
    scenario = Scenario(plan)
    async with (
        FakeClock(starts) as clock,
        Simulator(scenario, clock=clock, profile=behaviour, faults=faults) as site,
    ):
        yield arranged(folder, site, clock, plan, **settings), scenario
