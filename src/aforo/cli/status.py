"""``aforo status``: a running service seen from a terminal, through the JSON that it gives to machines."""

import json
import logging
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from aforo.cli.tui import LastNews, View
from aforo.errors import AforoError, BadCommand
from aforo.models import Occupancy, ScheduledEvent, Window
from aforo.settings import Settings
from aforo.wording import occupancy_line, trouble_lines

_TIMEOUT = 5.0  # seconds for one answer
_PAUSE = 1.0  # seconds between two looks
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where a page that listens everywhere is asked


class ServiceSilent(AforoError):
    """Nobody answers where the service should."""

    exit_code = 3


@dataclass(slots=True)
class Told:
    """What a service told of itself, as a view draws it. ``troubles`` and ``alerts`` are Spanish sentences."""

    now: datetime
    timezone: ZoneInfo
    phase: str
    event: ScheduledEvent | None
    stored: int
    repeated: int
    series: int
    occupancies: Mapping[str, Occupancy] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[datetime, int]]] = field(default_factory=dict)
    troubles: Sequence[str] = ()
    alerts: Sequence[str] = ()


class Service:
    """The running service's page, asked as machines ask it."""

    def __init__(self, settings: Settings) -> None:
        web = settings.web
        if not web.port:
            raise BadCommand(
                "El servicio no tiene página (web.port = 0), y sin ella no se le puede preguntar.",
                remedy="Ponga web.port, o mire el registro.",
            )
        host = _EVERYWHERE.get(web.host, web.host)
        host = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if web.certificate_file else 'http'}://{host}:{web.port}"
        token = web.read_token.get_secret_value()
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._tls = _trusting(web.certificate_file) if web.certificate_file else None

    def state(self, known: Told | None) -> Told:
        """How it stands now; the curves are only asked for anew when they have changed. Raises ServiceSilent."""
        state = self._get("state")
        if known is not None and known.series == state["series"]:
            return _told(state, known.curves)
        series = self._get("series")["zones"] if state["event"] else {}
        return _told(state, {name: _curve(curve) for name, curve in series.items()})

    def _get(self, what: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/api/v1/{what}", headers=self._headers)  # noqa: S310 -- http(s)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT, context=self._tls) as answer:  # noqa: S310
                told: dict[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as exc:
            raise ServiceSilent(
                f"El servicio de {self.url} no deja mirar ({exc.code}).",
                remedy="Ponga en web.read_token la misma clave que tiene el servicio.",
            ) from exc
        except (OSError, ValueError) as exc:
            raise ServiceSilent(
                f"Ningún servicio contesta en {self.url}.",
                "No está en marcha, o su página es otra.",
                "Mire «aforo service status» y el registro; y que web.host y web.port sean los del servicio.",
            ) from exc


def main(settings: Settings, *, once: bool = False) -> int:
    """Show it until Ctrl-C; once, as text, where it is asked for or where there is no terminal."""
    service, console = Service(settings), Console()
    told = service.state(None)
    if once or not console.is_terminal:
        sys.stdout.write("\n".join(lines(told)) + "\n")
        return 0
    first = _view(told, service)
    with suppress(KeyboardInterrupt), Live(first, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_PAUSE)  # noqa: TID251 -- no loop runs here, and Ctrl-C ends it
            try:
                told = service.state(told)
            except ServiceSilent as exc:
                told.troubles = (exc.what, exc.meaning)
            live.update(_view(told, service), refresh=True)
    return 0


def lines(told: Told) -> list[str]:
    """The same as plain text."""
    if told.event is None:
        return [f"{told.phase[:1].upper()}{told.phase[1:]}: no hay ningún evento abierto.", *told.troubles]
    span = " a ".join(f"{instant.astimezone(told.timezone):%H:%M}" for instant in told.event.window)
    found = [f"«{told.event.name}», de {span}: {told.phase}. {told.stored} eventos guardados."]
    found += [f"{occupancy_line(zone)}." for zone in told.occupancies.values()]
    return [*found, *(told.troubles or ["Todo contesta y todo está guardado."]), *told.alerts]


def _view(told: Told, service: Service) -> View:
    news = LastNews()
    for text in told.alerts or ["Ninguno."]:
        news.records.append(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING if told.alerts else 0}))
    return View(told, told.now, told.timezone, told.troubles, news, service.url, "Avisos")


def _told(state: Mapping[str, Any], curves: Mapping[str, Sequence[tuple[datetime, int]]]) -> Told:
    zones = [
        Occupancy(zone["name"], zone["entries"], zone["exits"], zone["count"], zone["swallowed"])
        for zone in state["zones"]
    ]
    return Told(
        now=datetime.fromisoformat(state["now"]),
        timezone=ZoneInfo(state["timezone"]),
        phase=state["phase"],
        event=_event(state["event"]),
        stored=state["trust"]["stored"],
        repeated=state["trust"]["repeated"],
        series=state["series"],
        occupancies={zone.zone: zone for zone in zones},
        curves=curves,
        troubles=_troubles(state["trust"]),
        alerts=[alert["text"] for alert in state["alerts"] if alert["ended"] is None],
    )


def _event(event: Mapping[str, Any] | None) -> ScheduledEvent | None:
    if event is None:
        return None
    window = Window(datetime.fromisoformat(event["since"]), datetime.fromisoformat(event["until"]))
    return ScheduledEvent(date.fromisoformat(event["day"]), event["name"], window)


def _troubles(trust: Mapping[str, Any]) -> list[str]:
    return trouble_lines(
        pending=None if trust["database"]["up"] else trust["pending"],
        server_up=trust["acc"]["up"],
        silent_cameras=[camera["name"] for camera in trust["cameras"] if not camera["answers"]],
        stale=trust["stale"],
    )


def _curve(curve: Mapping[str, Sequence[int]]) -> list[tuple[datetime, int]]:
    minutes, counts = curve["minutes"], curve["count"]
    return [(datetime.fromtimestamp(minute, UTC), count) for minute, count in zip(minutes, counts, strict=True)]


def _trusting(certificate: Any) -> ssl.SSLContext:
    """Believe exactly the certificate that the settings give the page; its name is that of another machine, maybe."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    return context
