"""``aforo demo``: a match in a minute over real HTTPS into SQLite, and the proof that nothing was lost."""

import asyncio
import json
import logging
import socket
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.table import Table

from aforo.app import Monitor
from aforo.cli.tui import LastRecords, View
from aforo.clock import Clock, SystemClock
from aforo.logging_setup import logging_to
from aforo.models import ScheduledEvent, Window
from aforo.redaction import Mask
from aforo.settings import (
    AccSettings,
    DatabaseSettings,
    LogSettings,
    MonitorSettings,
    OperatorSettings,
    ReportSettings,
    Settings,
    WebSettings,
    ZoneSettings,
)
from aforo.simulator import (
    STADIUM,
    CrowdOptions,
    CrowdTruth,
    Fault,
    Faults,
    Scenario,
    ScenarioPlan,
    ServerProfile,
    Simulator,
)
from aforo.web.auth import hash_password
from aforo.wording import grouped, interval

_log = logging.getLogger(__name__)

_NAME = "Partido de demostración"
_EARLY = timedelta(minutes=4)  # from the start of the monitor to the start of the event
_DOORS, _HOURS = time(16, 0), timedelta(hours=7)
_AFTER = timedelta(minutes=10)  # grace and close, by the demo's clock
_CAPACITIES = (560, 620, 400, 6_500)  # of the three car parks, one of which becomes full, one nearly; of the stadium
_PEOPLE = "Personas en el estadio"
_INSIDE = 180  # staff that is inside when the doors open
_DEAD_AFTER = timedelta(hours=3, minutes=10)  # a door that sees nobody from then on; ACC reports its camera
# The sixth door counts each crossing twice after the first hour.
_CROWD = CrowdOptions(people=6_000, inside=_INSIDE, doubling=6, doubling_at=0.15)
_DAY = 86_400.0  # seconds
_OPERATOR, _PASSWORD = "operador", "partido-de-prueba"  # may correct the demo's counts, on this machine only
# after the start of the event: the time in which another program holds the database
_LOCKED = (timedelta(hours=3), timedelta(hours=3, minutes=40))


def main(*, seconds: float = 60.0, port: int = 8080, seed: int = 1, folder: Path | None = None) -> int:
    """Play the match in about ``seconds`` real seconds; ``port`` 0 means no page. Returns 0 if the proof holds."""
    folder = folder or Path.cwd()
    console = Console()
    port = port and _free_port(port)
    if port:
        console.print(f"Página del partido: http://127.0.0.1:{port}/ (para corregir: {_OPERATOR}, clave {_PASSWORD})")
    with tempfile.TemporaryDirectory(prefix="aforo-") as scratch:
        return asyncio.run(_Demo(console, folder, Path(scratch), port, seed).play(seconds))


def _free_port(wanted: int) -> int:
    """Return that port, or a free one if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


class _Demo:
    def __init__(self, console: Console, folder: Path, scratch: Path, port: int, seed: int) -> None:
        self._console = console
        self._database = folder / "aforo-demo.db"
        self._log_file = folder / "aforo-demo.log"
        self._reports = folder / "aforo-demo-acta"
        self._scratch = scratch
        self._port = port
        self._seed = seed
        self._operator = OperatorSettings(name=_OPERATOR, password_hash=SecretStr(hash_password(_PASSWORD)))
        self._last_records = LastRecords()

    async def play(self, seconds: float) -> int:
        defaults = MonitorSettings()
        timezone = defaults.timezone
        today = SystemClock().now().astimezone(timezone).date()
        doors = datetime.combine(today, _DOORS, timezone).astimezone(UTC)
        event = ScheduledEvent(today, _NAME, Window(doors, doors + _HOURS))
        clock = SystemClock((_EARLY + _HOURS + _AFTER) / timedelta(seconds=seconds), doors - _EARLY)
        scenario = Scenario(ScenarioPlan(*event.window, self._seed, cameras=20, events=4_600, burst=300, crowd=_CROWD))
        for stale in self._database.parent.glob(self._database.name + "*"):
            stale.unlink()
        faults = self._faults(scenario, event)
        # By the demo's clock a login or a page may take hours.
        patient = ServerProfile(clock_tolerance_seconds=_DAY, session_seconds=_DAY, page_token_seconds=_DAY)
        async with Simulator(scenario, clock=clock, profile=patient, faults=faults) as site:
            settings = self._settings(site, scenario, event)
            with logging_to(settings.log, timezone, Mask(settings.secrets()), console=None):
                logging.getLogger().addHandler(self._last_records)
                try:
                    await self._run_job(settings, clock, event)
                finally:
                    logging.getLogger().removeHandler(self._last_records)
        return self._print_proof(scenario, faults, event, settings)

    def _settings(self, site: Simulator, scenario: Scenario, event: ScheduledEvent) -> Settings:
        """Return settings as a stadium has them, with its two files in a temporary folder."""
        schedule = {str(event.day): {"nombre": event.name, "hora_inicio": "16:00", "hora_fin": "23:00"}}
        schedule_file = self._scratch / "eventos_programados.json"
        cameras_file = self._scratch / "ids_camaras_permitidas.json"
        schedule_file.write_text(json.dumps(schedule), encoding="utf-8")
        cameras_file.write_text(json.dumps(scenario.allowed), encoding="utf-8")
        return Settings(
            acc=AccSettings(
                url=site.url,
                username=site.credentials.username,
                fingerprint=site.fingerprint,
                timeout=2.0,
                password=SecretStr(site.credentials.password),
                user_nonce=SecretStr(site.credentials.user_nonce),
                user_key=SecretStr(site.credentials.user_key),
            ),
            database=DatabaseSettings(url=SecretStr(f"sqlite:///{self._database}")),
            # Between two poll cycles a demo has a quarter of a second: there is no time for live reads.
            monitor=MonitorSettings(
                schedule_file=schedule_file, cameras_file=cameras_file, live_interval=MonitorSettings().interval
            ),
            log=LogSettings(file=self._log_file),
            web=WebSettings(port=self._port, operators=[self._operator]),
            zones=[
                zone.model_copy(update={"capacity": capacity, "initial": _INSIDE if zone.name == _PEOPLE else 0})
                for zone, capacity in zip(Settings().zones, _CAPACITIES, strict=True)
            ],
            report=ReportSettings(folder=self._reports),
        )

    def _faults(self, scenario: Scenario, event: ScheduledEvent) -> Faults:
        """Return the faults of the event; times are by the demo's clock."""
        start = event.window.since
        hung = Fault(
            since=start + timedelta(minutes=70),
            until=start + timedelta(minutes=110),
            cameras=frozenset(scenario.allowed[-1:]),
        )
        dead = Fault(since=start + _DEAD_AFTER, cameras=frozenset(scenario.allowed[-3:-2]))
        away = Fault(since=start + timedelta(minutes=130), until=start + timedelta(minutes=155))
        faults = {
            "error_503": Fault(0.02),
            "cut_json": Fault(0.01),
            "expire_session": Fault(0.004),
            "malformed": Fault(0.01),
            "repeated": Fault(0.03),
            "late": Fault(0.03, seconds=100.0),
            "camera_hang": hung,
            "camera_dead": dead,
            "camera_disconnected": dead,
            "away": away,
        }
        return Faults(self._seed, faults)

    async def _run_job(self, settings: Settings, clock: Clock, event: ScheduledEvent) -> None:
        """Run the job, its view, and the program that locks the database for a while."""
        monitor = await asyncio.to_thread(Monitor, settings, clock, asyncio.Event())
        locking = asyncio.create_task(self._lock_database(clock, event))
        try:
            async with self._view(monitor, clock, settings):
                await monitor.run()
        finally:
            locking.cancel()

    async def _lock_database(self, clock: Clock, event: ScheduledEvent) -> None:
        begins, ends = (event.window.since + after for after in _LOCKED)
        await clock.sleep((begins - clock.now()).total_seconds())
        with closing(sqlite3.connect(self._database, isolation_level=None, timeout=1.0)) as other:
            other.execute("BEGIN IMMEDIATE")
            await clock.sleep((ends - clock.now()).total_seconds())
            other.execute("ROLLBACK")

    @asynccontextmanager
    async def _view(self, monitor: Monitor, clock: Clock, settings: Settings) -> AsyncIterator[None]:
        """Draw the view four times a second on a terminal; print the log's lines elsewhere."""

        def draw() -> View:
            page = f"http://{settings.web.host}:{self._port}/" if self._port else ""
            timezone = settings.monitor.timezone
            first = settings.web.first
            return View(monitor.live, clock.now(), timezone, monitor.problems(), self._last_records, page, first=first)

        if not self._console.is_terminal:
            echo = logging.StreamHandler(sys.stdout)
            logging.getLogger("aforo").addHandler(echo)
            try:
                yield
            finally:
                logging.getLogger("aforo").removeHandler(echo)
            return
        with Live(get_renderable=draw, console=self._console, refresh_per_second=4, screen=True):
            yield

    def _print_proof(self, scenario: Scenario, faults: Faults, event: ScheduledEvent, settings: Settings) -> int:
        """Compare the tables, read with SQLite itself, with the scenario's truth; returns 0 if they are equal."""
        zones = [zone._replace(initial=_INSIDE if zone.name == _PEOPLE else 0) for zone in STADIUM.zones]
        oracle = scenario.truth(STADIUM._replace(zones=tuple(zones)), faults)
        truth = oracle.between(*event.window, scenario.allowed)
        with closing(sqlite3.connect(self._database)) as database:
            stored = Counter(database.execute(
                'SELECT "analyticEventName", "area", "activity", "cameraId", "timestamp" FROM "eventos_Analisis"'
                " WHERE nombre_evento = ?", (event.name,),
            ).fetchall())  # fmt: skip
            aforos = {zone.name: _aforo(database, zone, event.name) for zone in settings.zones}
            corrected = {zone for (zone,) in database.execute("SELECT zone FROM aforo_corrections")}
        expected = Counter((*row[:4], row.timestamp.isoformat(" ", "milliseconds")) for row in truth.history)
        table = Table(title="La prueba: lo que pasó en el estadio y lo que dicen las tablas")
        for heading in ("", "vieron las cámaras", "en la base", "diferencia"):
            table.add_column(heading, justify="right" if heading else "left")
        lost, repeated = (expected - stored).total(), (stored - expected).total()
        _add_row(table, "eventos_Analisis, filas", expected.total(), stored.total())
        for zone in settings.zones:
            _add_row(table, f"{zone.table or zone.name}, aforo", truth.zones[zone.name].aforo, aforos[zone.name])
        for total in settings.totals:
            expected_sum = sum(truth.zones[name].aforo for name in total.zones)
            _add_row(table, f"{total.name}, aforo", expected_sum, sum(aforos[name] for name in total.zones))
        self._console.print(table)
        counted = {name: aforo for name, aforo in aforos.items() if name not in corrected}
        equal = not lost and not repeated and all(truth.zones[name].aforo == aforo for name, aforo in counted.items())
        if corrected:
            self._console.print(f"Corregidas a mano en la página, y por eso distintas: {', '.join(sorted(corrected))}.")
        self._console.print(f"Perdidos: {lost}. Repetidos: {repeated}. {'Todo coincide.' if equal else 'NO coincide.'}")
        page = max(self._reports.glob("*.html"), default=None)
        if page is not None and scenario.crowd is not None:
            self._print_crowd(scenario.crowd, event, aforos[_PEOPLE], page.with_suffix(".json"))
        self._console.print(f"Base de datos: {self._database}\nRegistro: {self._log_file}")
        self._console.print(f"Acta: {page or 'no se pudo hacer'}", soft_wrap=True)
        return 0 if equal else 1

    def _print_crowd(self, crowd: CrowdTruth, event: ScheduledEvent, counted: int, report: Path) -> None:
        """Compare between what and what people were, by the event report, with how many truly were inside."""
        zones = json.loads(report.read_text(encoding="utf-8"))["zones"]
        estimate = next(zone["estimate"] for zone in zones if zone["name"] == _PEOPLE)
        inside, end, band = crowd.inside(event.window.until), estimate["end"], estimate["band"]
        held = sum(one["low"] <= crowd.inside(datetime.fromisoformat(one["at"])) <= one["high"] for one in band)
        self._console.print(
            f"{_PEOPLE}, al final: las cámaras dan {grouped(counted)} y de verdad quedan {grouped(inside)}; según el"
            f" acta, {interval(end['low'], end['high'])}. No ven a todos, una cuenta doble, otra se desconectó y tres"
            " puertas no cuentan las salidas."
            f" Cada cuarto de hora, la verdad estuvo en el intervalo {held} de {len(band)} veces.",
            soft_wrap=True,
        )


def _aforo(database: sqlite3.Connection, zone: ZoneSettings, event: str) -> int:
    """Return a zone's aforo from its table; of one without, from its minutes: each makes max(floor, x + net) of x."""
    if zone.table:
        statement = f'SELECT aforo FROM "{zone.table}" WHERE evento = ?'  # noqa: S608 -- the table is of our own settings
        return int(database.execute(statement, (event,)).fetchone()[0])
    minutes = database.execute(
        "SELECT net, floor FROM aforo_minutes JOIN aforo_shows ON id = show_id WHERE name = ? AND zone = ?"
        " ORDER BY minute_ms", (event, zone.name),
    )  # fmt: skip
    aforo = zone.initial
    for net, floor in minutes:
        aforo = max(floor, aforo + net)
    return aforo


def _add_row(table: Table, what: str, expected: int, stored: int) -> None:
    table.add_row(what, grouped(expected), grouped(stored), str(stored - expected))
