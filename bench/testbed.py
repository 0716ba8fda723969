"""A simulated event to measure: the simulator in a process of its own, a working folder, and what its tables lack."""

import json
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parent.parent
BOGOTA = ZoneInfo("America/Bogota")
EVENT = "Partido medido"
LATENCY_MS = 20  # of every request, as a server in the next building has
_ZONE_TABLES = {
    "Parqueadero Norte": "Aforo_parqueadero",
    "Campinsito": "Aforo_parqueadero_campinsito",
    "Zona Sur": "Aforo_parqueadero_SUR",
}
_HISTORY = 'SELECT "analyticEventName", "area", "activity", "cameraId", "timestamp" FROM "eventos_Analisis"'
_MINUTES = (
    "SELECT net, floor FROM aforo_minutes JOIN aforo_shows ON id = show_id"
    f" WHERE name = '{EVENT}' AND zone = '{{zone}}' ORDER BY minute_ms"
)

Row = tuple[str, ...]


class Difference(NamedTuple):
    """How the tables differ from the truth: history rows, and passengers of the aforo summed over the zones."""

    rows: int
    lost: int
    doubled: int
    aforo_off: int

    @property
    def exact(self) -> bool:
        """Nothing lost, nothing doubled, every aforo right."""
        return not (self.lost or self.doubled or self.aforo_off)


@dataclass
class Testbed:
    """An event [since, until), aware UTC and whole seconds, at the simulated ``site`` (its first line of output)."""

    folder: Path
    since: datetime
    until: datetime
    site: dict[str, Any]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The event's key in the schedule."""
        return self.since.astimezone(BOGOTA).date()

    @property
    def database(self) -> Path:
        """The database of the program."""
        return self.folder / "aforo.db"

    def program(self, *arguments: str) -> list[str]:
        """The command line of one of the program's commands."""
        return [sys.executable, "-m", "aforo", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """What the program, and what is measured beside it, finds in its environment."""
        credentials = self.site["credentials"]
        ours = {
            "AFORO_ACC__URL": self.site["url"],
            "AFORO_ACC__FINGERPRINT": self.site["fingerprint"],
            "AFORO_ACC__USERNAME": credentials["username"],
            "AFORO_ACC__PASSWORD": credentials["password"],
            "AFORO_ACC__USER_NONCE": credentials["user_nonce"],
            "AFORO_ACC__USER_KEY": credentials["user_key"],
            "AFORO_WEB__PORT": "0",
            "AFORO_REPORT__FOLDER": "",  # no event report: drawing it is not measured here
        }
        return python_environment(**(ours | self.settings | more))

    def write_files(self) -> None:
        """The operators' two files."""
        start, end = (instant.astimezone(BOGOTA) for instant in (self.since, self.until))
        schedule = {str(self.day): {"nombre": EVENT, "hora_inicio": f"{start:%H:%M:%S}", "hora_fin": f"{end:%H:%M:%S}"}}
        for name, content in (
            ("eventos_programados.json", schedule),
            ("ids_camaras_permitidas.json", self.site["cameras"]),
        ):
            (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def forget(self) -> None:
        """Remove what a run left, so that the next one starts from nothing."""
        for path in self.folder.iterdir():
            if path.name.startswith("aforo.db") or path.suffix == ".log":
                path.unlink()

    def control(self, path: str, body: object = None) -> dict[str, Any]:
        """Read the simulator's control API, or post to it."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.site['url']}/simulator/{path}", data)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(request, context=context, timeout=120) as answer:
            content: dict[str, Any] = json.load(answer)
            return content

    def truth(self, until: datetime | None = None, *, rows: bool = True) -> dict[str, Any]:
        """What should have been counted from the event's start until then."""
        return self.control(f"truth?rows={int(rows)}&since={utc(self.since)}&until={utc(until or self.until)}")

    def difference(self, database: Path | None = None) -> Difference:
        """Compare all tables of a SQLite file with the truth: the program's, or another's, which has the stadium's."""
        with closing(sqlite3.connect(database or self.database)) as connection:
            return self.compared(lambda sql: connection.execute(sql).fetchall(), ours=database is None)

    def compared(self, select: Callable[[str], Sequence[Sequence[Any]]], *, ours: bool = True) -> Difference:
        """Compare all tables with the truth; ``select`` returns the rows of a query.

        Of a zone without a table the aforo is that of its minutes, which only our tables have.
        """
        truth = self.truth()
        expected = Counter((*row[:4], wall(row[4])) for row in truth["history"])
        stored: Counter[Row] = Counter((*row[:4], wall(str(row[4]))) for row in select(_HISTORY))
        off = 0
        for zone in truth["zones"].keys() & _ZONE_TABLES.keys():
            rows = select(f"SELECT aforo FROM \"{_ZONE_TABLES[zone]}\" WHERE evento = '{EVENT}'")
            off += abs((int(rows[0][0]) if rows else 0) - truth["zones"][zone]["aforo"])
        for zone in truth["zones"].keys() - _ZONE_TABLES.keys() if ours else ():
            aforo = 0
            for net, floor in select(_MINUTES.format(zone=zone)):
                aforo = max(int(floor), aforo + int(net))
            off += abs(aforo - truth["zones"][zone]["aforo"])
        lost, doubled = expected - stored, stored - expected
        return Difference(expected.total(), lost.total(), doubled.total(), off)


def python_environment(**more: str) -> dict[str, str]:
    """The environment of a process that imports the program and the bench."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))), **more}


def wall(text: str) -> str:
    """An instant of the truth as the history has it."""
    return datetime.fromisoformat(text).isoformat(" ", "milliseconds")


def utc(instant: datetime) -> str:
    """ISO 8601 with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def prepared(
    before: timedelta,
    after: timedelta,
    *options: str,
    latency_ms: int = LATENCY_MS,
    settings: dict[str, str] | None = None,
) -> Iterator[Testbed]:
    """An event that began ``before`` ago and ends ``after`` from now (less than zero: it is over).

    ``options`` are the simulator's, ``settings`` the program's, as environment variables.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    since, until = now - before, now + after
    folder = Path(tempfile.mkdtemp(prefix="aforo-bench-"))
    command = [sys.executable, "-m", "aforo", "simulate", "--start", utc(since), "--end", utc(until)]
    command += ["--latency-ms", str(latency_ms), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=python_environment(), text=True, cwd=folder
    ) as simulator:
        try:
            assert simulator.stdout is not None
            site = json.loads(simulator.stdout.readline())
            testbed = Testbed(folder, since, until, site, settings or {})
            testbed.write_files()
            yield testbed
        finally:
            simulator.send_signal(signal.SIGTERM)
            shutil.rmtree(folder, ignore_errors=True)
