"""The baseline: the script that the stadium used before, as faithful and as simple as that.

One camera after the other, a new connection per request, one INSERT per event, the aforo clamped at zero batch by
batch. Its faults are on purpose; nothing is slowed.

``python -m bench.baseline`` works through a past event minute by minute; with ``--live`` it follows one that goes on.
``--commit row`` commits each INSERT by itself without waiting for the disk (as the program, too, does not), ``disk``
waits as SQLite does by default, ``page`` is kinder than the script: a commit per answer. The working folder and the
environment are those of the program. Certificates are not checked.
"""

import argparse
import hashlib
import http.client
import json
import os
import sqlite3
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

API = "/mt/api/rest/v1"
DATABASE = "baseline.db"
LIMIT = 1000
BOGOTA = ZoneInfo("America/Bogota")
ZONES = {
    "Aforo_parqueadero": ("AFORO ENTRADA PARQUEADERO NORTE", "AFORO SALIDA PARQUEADERO NORTE"),
    "Aforo_parqueadero_campinsito": ("ENTRADA VEHICULAR CAMPINSITO", "SALIDA VEHICULAR CAMPINSITO"),
    "Aforo_parqueadero_SUR": ("INGRESO PARQUEADERO SUR", "SALIDA PARQUEADERO SUR"),
}
Event = dict[str, Any]


class Failed(Exception):
    """A request gave nothing: that camera's minute is lost."""


class Baseline:
    """One run of it."""

    def __init__(self, commit: str, timeout: float) -> None:
        self._commit = commit
        self._timeout = timeout
        self._host = urlsplit(os.environ["AFORO_ACC__URL"]).netloc
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._cameras: list[str] = json.loads(Path("ids_camaras_permitidas.json").read_text())
        self._name, self.since, self.until = _scheduled()
        self._database = sqlite3.connect(DATABASE, isolation_level="DEFERRED" if commit == "page" else None)
        if commit == "row":
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL")
        self._create_tables()
        self._session = self._login()
        self._server = self._get("/server/ids", [])["servers"][0]["id"]

    def minute(self, since: datetime, until: datetime) -> None:
        """Each camera's events of that minute, one camera after the other. A camera that fails is skipped."""
        for camera in self._cameras:
            try:
                for page in self._pages(camera, since, until):
                    self._store(page)
            except Failed as error:
                print(f"{camera}: {error}")

    def _login(self) -> str:
        nonce, key = os.environ["AFORO_ACC__USER_NONCE"], os.environ["AFORO_ACC__USER_KEY"]
        stamp = str(int(time.time()))
        body = {
            "username": os.environ["AFORO_ACC__USERNAME"],
            "password": os.environ["AFORO_ACC__PASSWORD"],
            "clientName": "baseline",
            "authorizationToken": f"{nonce}:{stamp}:{hashlib.sha256((stamp + key).encode()).hexdigest()}",
        }
        session: str = self._request("POST", "/login", json.dumps(body))["session"]
        return session

    def _pages(self, camera: str, since: datetime, until: datetime) -> Iterator[list[Event]]:
        """A full page means that there is more: it goes on after the last event's instant."""
        while True:
            query = [
                ("queryType", "TIME_RANGE"),
                ("serverId", self._server),
                ("from", _instant(since)),
                ("to", _instant(until)),
                ("eventTopics", "DEVICE_ANALYTICS_STOP"),
                ("deviceIds", camera),
                ("limit", str(LIMIT)),
            ]
            events = self._get("/events/search", query)["events"]
            yield events
            if len(events) < LIMIT:
                return
            since = datetime.fromisoformat(events[-1]["timestamp"]) + timedelta(milliseconds=1)

    def _get(self, path: str, query: Sequence[tuple[str, str]]) -> Any:
        return self._request("GET", f"{path}?{urlencode(query)}")

    def _request(self, method: str, path: str, body: str | None = None) -> Any:
        connection = http.client.HTTPSConnection(self._host, timeout=self._timeout, context=self._context)
        headers = {"Content-Type": "application/json"}
        if method == "GET":
            headers["x-avg-session"] = self._session
        try:
            connection.request(method, API + path, body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise Failed(response.status)
            return json.loads(content)["result"]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise Failed(type(error).__name__) from error
        finally:
            connection.close()

    def _store(self, events: Sequence[Event]) -> None:
        deltas = dict.fromkeys(ZONES, 0)
        for event in events:
            try:
                name = event["analyticEventName"].upper()
                local = datetime.fromisoformat(event["timestamp"]).astimezone(BOGOTA)
                camera = event["cameraId"]
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
            if camera not in self._cameras or not self.since <= local < self.until:
                continue
            for table, (enters, leaves) in ZONES.items():
                deltas[table] += (enters in name) - (leaves in name)
            if "PUERTA" in name or "AFORO ENTRADA SENCIA" in name or name == "INGRESO PERSONAS ENTRADA MARATON":
                self._insert(event, local)
        for table, delta in deltas.items():
            if delta:
                self._move(table, delta)
        if self._commit == "page":
            self._database.commit()

    def _insert(self, event: Event, local: datetime) -> None:
        stamp = local.replace(tzinfo=None).isoformat(" ", "milliseconds")
        self._database.execute(
            "INSERT INTO eventos_Analisis VALUES (?, ?, ?, ?, ?, ?)",
            (
                event["analyticEventName"],
                event.get("area") or "",
                event.get("activity") or "",
                event["cameraId"],
                stamp,
                self._name,
            ),
        )

    def _move(self, table: str, delta: int) -> None:
        row = self._database.execute(f'SELECT aforo FROM "{table}" WHERE evento = ?', (self._name,)).fetchone()
        if row is None:
            self._database.execute(f'INSERT INTO "{table}" VALUES (?, ?)', (self._name, max(0, delta)))
        else:
            aforo = max(0, row[0] + delta)
            self._database.execute(f'UPDATE "{table}" SET aforo = ? WHERE evento = ?', (aforo, self._name))

    def _create_tables(self) -> None:
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS eventos_Analisis"
            ' ("analyticEventName", "area", "activity", "cameraId", "timestamp", "nombre_evento")'
        )
        for table in ZONES:
            self._database.execute(f'CREATE TABLE IF NOT EXISTS "{table}" (evento, aforo)')


def _scheduled() -> tuple[str, datetime, datetime]:
    """The event's name, start and end."""
    [(day, event)] = json.loads(Path("eventos_programados.json").read_text()).items()
    since, until = (
        datetime.fromisoformat(f"{day}T{event[key]}").replace(tzinfo=BOGOTA) for key in ("hora_inicio", "hora_fin")
    )
    return event["nombre"], since, until if until > since else until + timedelta(days=1)


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def past(baseline: Baseline) -> None:
    """All of an event that is over, minute by minute."""
    since = baseline.since
    while since < baseline.until:
        until = min(since + timedelta(minutes=1), baseline.until)
        baseline.minute(since, until)
        since = until


def live(baseline: Baseline, interval: float) -> None:
    """From now on, one pass after the other, until the event is over."""
    since = datetime.now(UTC)
    while since < baseline.until:
        time.sleep(interval)
        until = datetime.now(UTC)
        baseline.minute(since, until)
        since = until


def main() -> None:
    """Run it in the working folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.baseline")
    parser.add_argument("--commit", choices=("row", "disk", "page"), default="row")
    parser.add_argument("--live", type=float, metavar="SECONDS", help="between two passes")
    parser.add_argument("--timeout", type=float, default=30.0)
    arguments = parser.parse_args()
    if arguments.live is None:
        past(Baseline(arguments.commit, arguments.timeout))
    else:
        live(_started(arguments.commit, arguments.timeout), arguments.live)


def _started(commit: str, timeout: float) -> Baseline:
    """Start it again and again while its login meets a fault, as its operators do."""
    while True:
        try:
            return Baseline(commit, timeout)
        except Failed as error:
            print(f"login: {error}")
            time.sleep(1)


if __name__ == "__main__":
    main()
