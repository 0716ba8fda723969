"""The two sites that the tests of the Avigilon client run over: recorded answers and the simulator, by real HTTPS."""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from pydantic import SecretStr

from aforo.clock import Clock, SystemClock
from aforo.models import Window
from aforo.settings import AccSettings
from aforo.simulator import Faults, Scenario, ScenarioPlan, ServerProfile, Simulator
from aforo.simulator.certificate import self_signed
from aforo.simulator.event_log import instant_of, milliseconds

DATA = Path(__file__).parents[2] / "data" / "acc"
API = "/mt/api/rest/v1"
SESSION = "c2VzaW9uLWludmVudGFkYS1kZS1wcnVlYmE"


class Site(Protocol):
    """A site of cameras, and what it ought to answer."""

    url: str
    fingerprint: str
    ca_pem: str
    server_id: str
    camera: str
    window: Window
    instants: list[datetime]

    @property
    def logins(self) -> int: ...

    def settings(self, **given: Any) -> AccSettings: ...

    def expire(self) -> None: ...


def acc_settings(**given: Any) -> AccSettings:
    plain: dict[str, Any] = {
        "username": "monitor",
        "password": SecretStr("clave-inventada"),
        "user_nonce": SecretStr("nonce-inventado"),
        "user_key": SecretStr("llave-inventada"),
    }
    return AccSettings(**(plain | given))


@dataclass
class Got:
    """A request as the recorded site received it."""

    method: str
    path: str
    raw: str
    headers: dict[str, str]
    body: str


@dataclass
class Reply:
    """An answer; ``cut``: announce more than is sent; ``hang``: never answer; ``close``: close the connection at once.

    ``trickle``: the headers come at once, the rest of the body never.
    ``raw``: bytes on the connection instead of HTTP. ``seconds``: after how long, by the site's clock.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    trickle: bool = False
    close: bool = False
    raw: bytes = b""
    seconds: float = 0.0


def recording(name: str) -> bytes:
    return (DATA / f"{name}.json").read_bytes()


class Recorded:
    """Replays ``tests/data/acc``; ``script[path]`` holds answers that come first, one for each request.

    ``denied``: cameras that this user may not read.
    """

    server_id = "UMooInventadoServidorUno"
    camera = "4xIx1DMwMLSwMDW1TElKTtVLTsw1MBAS-MCsnHlRxLVo_edbC5f85NIAAA"
    window = Window(datetime(2026, 1, 17, 21, 35, tzinfo=UTC), datetime(2026, 1, 17, 21, 37, tzinfo=UTC))

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.instants = [datetime(2026, 1, 17, 21, 35, 55, 48_000, tzinfo=UTC)] * 3
        self.instants.append(datetime(2026, 1, 17, 21, 36, 10, tzinfo=UTC))
        self.got: list[Got] = []
        self.script: dict[str, list[Reply]] = {}
        self.sessions: set[str] = set()
        self.denied: set[str] = set()
        self.at_once = self.most_at_once = 0
        self.pause = 0.0
        self.clock: Clock = SystemClock()
        self.answers = {
            "/login": recording("login"),
            "/logout": b'{"status": "success", "result": {}}',
            "/server/ids": recording("servers"),
            "/cameras": recording("cameras"),
        }
        self.first, self.next, self.last = (recording(f"events_{name}") for name in ("first", "next", "last"))
        self.certificate_days = 30
        self.closing = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def logins(self) -> int:
        return len([one for one in self.got if one.path == "/login"])

    def settings(self, **given: Any) -> AccSettings:
        return acc_settings(**({"url": self.url, "fingerprint": self.fingerprint} | given))

    def expire(self) -> None:
        self.sessions.clear()

    async def requests(self, path: str, number: int) -> None:
        """Wait until so many requests for that path have come."""
        while len([one for one in self.got if one.path == path]) < number:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> "Recorded":
        certificate = await asyncio.to_thread(self_signed, self.certificate_days)
        self.fingerprint, self.ca_pem = certificate.fingerprint, certificate.pem
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        self._context: ssl.SSLContext = certificate.context
        self.port = 0
        await self.plug_in()
        return self

    async def plug_in(self) -> None:
        self._listener = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._context)
        await self._listener.start()
        self.port = int(self._runner.addresses[0][1])
        self.url = f"https://{self.host}:{self.port}"

    async def unplug(self) -> None:
        await self._listener.stop()

    async def __aexit__(self, *_: object) -> None:
        self.closing.set()
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", API + "{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        body = await request.text()
        self.got.append(Got(request.method, path, str(request.rel_url), dict(request.headers), body))
        self._arrived.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.pause:
                await asyncio.sleep(self.pause)  # a test checks what happens meanwhile
            return await self._given(request, path)
        finally:
            self.at_once -= 1

    async def _given(self, request: web.Request, path: str) -> web.StreamResponse:
        scripted = self.script.get(path)
        if scripted:
            return await self._scripted(request, scripted.pop(0))
        if path == "/login":
            number = self.logins
            session = SESSION if number == 1 else f"{SESSION}{number}"
            self.sessions.add(session)
            return _json(self.answers[path].replace(SESSION.encode(), session.encode()))
        if request.headers.get("x-avg-session") not in self.sessions:
            return _json(recording("error_401"), 401)
        if not self.denied.isdisjoint(request.query.getall("deviceIds", [])):
            return _json(recording("error_401"), 403)
        if path == "/events/search":
            return _json(self._search(request))
        return _json(self.answers[path])

    def _search(self, request: web.Request) -> bytes:
        if request.query["queryType"] == "CONTINUE":
            return self.next if request.query["token"] == "WTJ+b250aW51YQ/+==" else self.last
        return self.first

    async def _scripted(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.seconds:
            await self.clock.sleep(reply.seconds)
        if reply.hang:
            await self.closing.wait()
        if reply.raw and request.transport is not None:
            request.transport.write(reply.raw)
            request.transport.close()
        if (reply.close or reply.hang) and request.transport is not None:
            request.transport.abort()
        if not (reply.cut or reply.trickle):
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        response = web.StreamResponse(headers=reply.headers)
        response.content_length = len(reply.body) + 100
        await response.prepare(request)
        await response.write(reply.body)
        if reply.trickle:
            await self.closing.wait()
        assert request.transport is not None
        request.transport.close()
        return response


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


class Simulated:
    """The simulator, with an event that is past."""

    def __init__(self, behaviour: ServerProfile | None = None, faults: Faults | None = None) -> None:
        start = datetime(2026, 1, 17, 21, tzinfo=UTC)
        self.window = Window(start, start + timedelta(hours=1))
        self.scenario = Scenario(ScenarioPlan(*self.window, cameras=3, events=6_000, burst=600))
        self.site = Simulator(self.scenario, profile=behaviour, faults=faults)
        self.server_id = self.scenario.servers[0].id
        self.camera = self.scenario.allowed[0]
        self.instants = self.instants_of(self.camera)

    def instants_of(self, camera: str) -> list[datetime]:
        since, until = map(milliseconds, self.window)
        return sorted(instant_of(one.at) for one in self.scenario.event_log.crossings(since, until, [camera]))

    async def __aenter__(self) -> "Simulated":
        await self.site.__aenter__()
        self.url, self.fingerprint, self.ca_pem = self.site.url, self.site.fingerprint, self.site.ca_pem
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.site.__aexit__(*exc)

    @property
    def logins(self) -> int:
        return self.site.request_counts["login"]

    def settings(self, **given: Any) -> AccSettings:
        return acc_settings(**({"url": self.url, "fingerprint": self.fingerprint} | given))

    def expire(self) -> None:
        self.site.restart()
