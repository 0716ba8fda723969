"""``aforo status``: the state of a running service on a terminal, through its JSON API."""

import json
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from aforo.cli.console import Output
from aforo.cli.tui import LastRecords, View
from aforo.connections import trusted_context
from aforo.errors import AforoError, BadCommand
from aforo.models import CameraFault, Occupancy, ScheduledEvent, Window
from aforo.redaction import Mask
from aforo.settings import Settings
from aforo.wording import interval, occupancy_line, problem_lines

_TIMEOUT = 5.0  # seconds for one answer
_PAUSE = 1.0  # seconds between two requests
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- how to reach a page that listens on all addresses


class ServiceSilent(AforoError):
    """No service answers at its address."""

    exit_code = 3


@dataclass(slots=True)
class ServiceState:
    """The state of a service, as a view draws it.

    ``beside``: other events and their phases; ``problems`` and ``alerts``; all of them Spanish sentences.
    """

    now: datetime
    timezone: ZoneInfo
    phase: str
    event: ScheduledEvent | None
    beside: Sequence[str]
    stored: int
    repeated: int
    series: int
    occupancies: Mapping[str, Occupancy] = field(default_factory=dict)
    total_occupancies: Mapping[str, Occupancy] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[datetime, int]]] = field(default_factory=dict)
    first: str = ""
    problems: Sequence[str] = ()
    reconciliation: Sequence[str] = ()
    alerts: Sequence[str] = ()
    intervals: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it is an error answer like any other."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request to go on with."""


class Service:
    """The JSON API of the running service."""

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
        # It is on this machine: no proxy, and no other place, which the token would go to as well.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if web.certificate_file:
            handlers.append(urllib.request.HTTPSHandler(context=_tls_context(web.certificate_file)))
        self._opener = urllib.request.build_opener(*handlers)
        self._mask = Mask(settings.secrets())  # what the cameras' server echoed in a name is in the answers

    def state(self, known: ServiceState | None) -> ServiceState:
        """Return the current state; curves are requested again only if they have changed. Raises ServiceSilent."""
        try:
            return self._read(known)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as exc:
            raise ServiceSilent(
                f"Lo que contesta en {self.url} no es este programa, o es de otra versión.",
                remedy="Compruebe que web.host y web.port son los del servicio.",
            ) from exc

    def _read(self, known: ServiceState | None) -> ServiceState:
        answer = self._get("state")
        if known is not None and known.series == answer["series"]:
            return _service_state(answer, known.curves)
        series = self._get("series") if answer["event"] else {"zones": {}}
        series = series["zones"] | series.get("totals", {})  # which a service of an earlier version does not have
        return _service_state(answer, {name: _curve(curve) for name, curve in series.items()})

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", headers=self._headers)  # noqa: S310 -- http(s)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                answer: dict[str, Any] = self._mask.document(json.load(response))
                return answer
        except urllib.error.HTTPError as exc:
            raise ServiceSilent(
                f"El servicio de {self.url} no deja mirar ({exc.code}).",
                remedy="Ponga en web.read_token la misma clave que tiene el servicio.",
            ) from exc
        except (OSError, ValueError, RecursionError, HTTPException) as exc:
            raise ServiceSilent(
                f"Ningún servicio contesta en {self.url}.",
                "No está en marcha, o su página es otra.",
                "Mire «aforo service status» y el registro; y que web.host y web.port sean los del servicio.",
            ) from exc


def main(settings: Settings, *, once: bool = False) -> int:
    """Draw the state until Ctrl-C; print it once as text if requested, or without a terminal. Returns 0."""
    service, console = Service(settings), Console()
    state = service.state(None)
    if once or not console.is_terminal:
        Output().lines(lines(state))
        return 0
    first = view(state, service)
    with suppress(KeyboardInterrupt), Live(first, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_PAUSE)  # noqa: TID251 -- no loop runs here, and Ctrl-C ends it
            try:
                state = service.state(state)
            except ServiceSilent as exc:
                state.problems = (exc.what, exc.meaning)
            live.update(view(state, service), refresh=True)
    return 0


def lines(state: ServiceState) -> list[str]:
    """Return the state as lines of text."""
    if state.event is None:
        return [
            f"{state.phase[:1].upper()}{state.phase[1:]}: no hay ningún evento abierto.",
            *state.problems,
            *state.alerts,
        ]
    window = " a ".join(f"{instant.astimezone(state.timezone):%H:%M}" for instant in state.event.window)
    return [
        f"«{state.event.name}», de {window}: {state.phase}.",
        f"Eventos guardados desde que arrancó el programa: {state.stored}.",
        *state.beside,
        *(
            f"{occupancy_line(one)}{_interval(state, one.zone)}."
            for one in (*state.occupancies.values(), *state.total_occupancies.values())
        ),
        *(state.problems or ["Todo contesta y todo está guardado."]),
        *state.reconciliation,
        *state.alerts,
    ]


def view(state: ServiceState, service: Service) -> View:
    """Return the drawing of the state."""
    alerts = LastRecords()
    for text in state.alerts or ["Ninguno."]:
        alerts.records.append(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING if state.alerts else 0}))
    return View(state, state.now, state.timezone, state.problems, alerts, service.url, "Avisos", state.first)


def _service_state(answer: Mapping[str, Any], curves: Mapping[str, Sequence[tuple[datetime, int]]]) -> ServiceState:
    return ServiceState(
        now=datetime.fromisoformat(answer["now"]),
        timezone=ZoneInfo(answer["timezone"]),
        phase=answer["phase"],
        event=_event(answer["event"]),
        beside=[f"«{other['name']}»: {other['phase']}." for other in answer["beside"]],
        stored=answer["trust"]["stored"],
        repeated=answer["trust"]["repeated"],
        series=answer["series"],
        occupancies=_occupancies(answer["zones"]),
        total_occupancies=_occupancies(answer.get("totals", [])),
        first=answer.get("first", ""),
        curves=curves,
        problems=_closing(answer) + _problems(answer["trust"]),
        reconciliation=_reconciliation(answer.get("reconciliation")),
        intervals={
            counted["name"]: (counted["interval"]["low"], counted["interval"]["high"])
            for counted in (*answer["zones"], *answer.get("totals", ()))
            if counted.get("interval") is not None
        },
        alerts=[alert["text"] for alert in answer["alerts"] if alert["ended"] is None],
    )


def _occupancies(counted: Sequence[Mapping[str, Any]]) -> dict[str, Occupancy]:
    return {
        one["name"]: Occupancy(one["name"], one["entries"], one["exits"], one["count"], one["swallowed"])
        for one in counted
    }


def _interval(state: ServiceState, zone: str) -> str:
    return f"; {interval(*state.intervals[zone])}" if zone in state.intervals else ""


def _event(event: Mapping[str, Any] | None) -> ScheduledEvent | None:
    if event is None:
        return None
    window = Window(datetime.fromisoformat(event["since"]), datetime.fromisoformat(event["until"]))
    return ScheduledEvent(date.fromisoformat(event["day"]), event["name"], window)


def _closing(answer: Mapping[str, Any]) -> list[str]:
    until = answer["close_waits_until"]
    if until is None:
        return []
    local = datetime.fromisoformat(until).astimezone(ZoneInfo(answer["timezone"]))
    return [f"El cierre espera hasta las {local:%H:%M:%S} por eventos que llegan tarde."]


def _problems(trust: Mapping[str, Any]) -> list[str]:
    return problem_lines(
        pending=None if trust["database"]["up"] else trust["pending"],
        server_up=trust["acc"]["up"],
        silent_cameras=[camera["name"] for camera in trust["cameras"] if not camera["answers"]],
        faults=[
            (camera["name"], CameraFault(fault["kind"]))
            for camera in trust["cameras"]
            for fault in camera.get("faults", [])  # an older program gives none
            if fault["until"] is None
        ],
        stale=trust["stale"],
    )


def _reconciliation(reconciliation: Mapping[str, Any] | None) -> list[str]:
    """Return what the close came to, and its reservations; nothing before it, or from an earlier program."""
    if reconciliation is None:
        return []
    outcome = str(reconciliation["outcome"])
    return [f"{outcome[:1].upper()}{outcome[1:]}.", *(one["text"] for one in reconciliation["reservations"])]


def _curve(curve: Mapping[str, Sequence[int]]) -> list[tuple[datetime, int]]:
    minutes, counts = curve["minutes"], curve["count"]
    return [(datetime.fromtimestamp(minute, UTC), count) for minute, count in zip(minutes, counts, strict=True)]


def _tls_context(certificate: Path) -> ssl.SSLContext:
    """Return a context that accepts exactly the page's certificate; its host name may be that of another machine."""
    context = trusted_context(certificate)
    context.check_hostname = False
    return context
