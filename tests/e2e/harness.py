"""A stadium to try the program in: the simulator as a process, the working folder, the program as started there."""

import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[2]
BOGOTA = ZoneInfo("America/Bogota")
TABLES = {
    "Parqueadero Norte": "Aforo_parqueadero",
    "Campinsito": "Aforo_parqueadero_campinsito",
    "Zona Sur": "Aforo_parqueadero_SUR",
}
PEOPLE = "Personas en el estadio"  # a zone without a table
MINUTES = (
    "SELECT net, floor FROM aforo_minutes JOIN aforo_shows ON id = show_id"
    " WHERE zone = :zone AND name = :event ORDER BY minute_ms"
)
EVENT = "Clásico de prueba"


@dataclass
class Stadium:
    """One event at a simulated stadium: ``since`` and ``until`` are the event's, whole seconds, aware UTC."""

    folder: Path
    since: datetime
    until: datetime
    site: dict[str, Any]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The event's key in the schedule."""
        return self.since.astimezone(BOGOTA).date()

    def write_files(self) -> None:
        local = [instant.astimezone(BOGOTA) for instant in (self.since, self.until)]
        schedule = {
            str(self.day): {
                "nombre": EVENT,
                "hora_inicio": f"{local[0]:%H:%M:%S}",
                "hora_fin": f"{local[1]:%H:%M:%S}",
            }
        }
        write = {"eventos_programados.json": schedule, "ids_camaras_permitidas.json": self.site["cameras"]}
        for name, content in write.items():
            (self.folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        credentials = self.site["credentials"]
        ours = {
            "AFORO_ACC__URL": self.site["url"],
            "AFORO_ACC__FINGERPRINT": self.site["fingerprint"],
            "AFORO_ACC__USERNAME": credentials["username"],
            "AFORO_ACC__PASSWORD": credentials["password"],
            "AFORO_ACC__USER_NONCE": credentials["user_nonce"],
            "AFORO_ACC__USER_KEY": credentials["user_key"],
            "AFORO_WEB__PORT": "0",
            "AFORO_REPORT__FOLDER": "",
            "PYTHONPATH": str(ROOT / "src"),
        }
        return {**os.environ, **ours, **self.settings}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``python monitoreo.py``, or another command of the program."""
        command = [sys.executable, str(ROOT / "monitoreo.py")]
        if arguments:
            command = [sys.executable, "-m", "aforo", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def truth(self) -> dict[str, Any]:
        return self.control(f"truth?rows=1&since={_utc(self.since)}&until={_utc(self.until)}")

    def control(self, path: str, body: object = None) -> dict[str, Any]:
        """Call the simulator's control API: GET, or POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.site['url']}/simulator/{path}", data)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            content: dict[str, Any] = json.load(answer)
            return content

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "aforo.db")

    def history(self) -> Counter[tuple[str, ...]]:
        columns = '"analyticEventName", "area", "activity", "cameraId", "timestamp"'
        with closing(self.database()) as database:
            return Counter(database.execute(f'SELECT {columns} FROM "eventos_Analisis"').fetchall())

    def aforos(self) -> dict[str, int]:
        with closing(self.database()) as database:
            aforos = {
                zone: database.execute(f'SELECT aforo FROM "{table}" WHERE evento = ?', (EVENT,)).fetchone()[0]
                for zone, table in TABLES.items()
            }
            return aforos | {PEOPLE: count_of(database.execute(MINUTES, {"zone": PEOPLE, "event": EVENT}))}

    def check_against_truth(self, zones: Collection[str] = (*TABLES, PEOPLE)) -> None:
        """0 lost, 0 doubled, the right aforo of those zones."""
        truth = self.truth()
        expected = Counter((*row[:4], _wall(row[4])) for row in truth["history"])
        stored = self.history()
        assert expected - stored == Counter(), "lost"
        assert stored - expected == Counter(), "doubled"
        aforos = self.aforos()
        assert {zone: aforos[zone] for zone in zones} == {zone: truth["zones"][zone]["aforo"] for zone in zones}


def count_of(minutes: Iterable[Sequence[int]]) -> int:
    """The count after minutes in order, of which each makes ``max(floor, x + net)`` of x."""
    count = 0
    for net, floor in minutes:
        count = max(floor, count + net)
    return count


def _wall(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(" ", "milliseconds")


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def stadium(
    folder: Path, *, before: timedelta, after: timedelta, options: tuple[str, ...] = (), **settings: str
) -> Iterator[Stadium]:
    """Run an event around now: it began ``before`` ago and ends ``after`` from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    since, until = now - before, now + after
    command = [sys.executable, "-m", "aforo", "simulate", "--start", _utc(since), "--end", _utc(until), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, cwd=folder) as simulator:
        assert simulator.stdout is not None
        try:
            site = json.loads(simulator.stdout.readline())
            place = Stadium(folder, since, until, site, settings)
            place.write_files()
            yield place
        finally:
            simulator.send_signal(signal.SIGTERM)
