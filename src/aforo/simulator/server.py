"""The Web Endpoint: real HTTPS on this machine, for the demo, the tests and the bench."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from email.utils import format_datetime
from typing import Self

from aiohttp import web

from aforo.clock import Clock, SystemClock
from aforo.errors import BadCommand
from aforo.simulator import serialization
from aforo.simulator.auth import Credentials, SessionStore
from aforo.simulator.camera_health import SUBTOPICS
from aforo.simulator.certificate import Certificate, self_signed
from aforo.simulator.control_api import add_control
from aforo.simulator.fault_middleware import ApiRequest, FaultMiddleware
from aforo.simulator.faults import Faults
from aforo.simulator.pusher import Pusher
from aforo.simulator.scenario import Scenario
from aforo.simulator.search_endpoint import SearchEndpoint
from aforo.simulator.serialization import AnswerError
from aforo.simulator.server_profile import ServerProfile, Topics
from aforo.simulator.shifted_clock import ShiftedClock
from aforo.simulator.webhooks import WebhookRegistry

BASE = "/mt/api/rest/v1/"
_BACKLOG = 1024
_END_SECONDS = 0.5  # for answers in transit when the simulator ends

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Simulator:
    """An Avigilon site over HTTPS: ``async with Simulator(scenario) as site: site.url``.

    ``clock`` is the servers' clock, which ``self.clock.shift`` may set wrong: it decides what is visible, what has
    expired, and the ``Date`` header. ``port`` 0
    means a free one. ``profile`` is the simulated version; ``faults`` may be switched while it runs.
    ``request_counts`` counts requests by path and answers by status; ``most_at_once`` is the highest number of
    concurrent requests. Entering raises BadCommand where the port is taken.
    """

    def __init__(  # noqa: PLR0913 -- each by its name only
        self,
        scenario: Scenario,
        *,
        clock: Clock | None = None,
        profile: ServerProfile | None = None,
        faults: Faults | None = None,
        credentials: Credentials | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.scenario = scenario
        self.clock = ShiftedClock(clock or SystemClock())
        self.profile = profile or ServerProfile()
        self.faults = faults or Faults(scenario.plan.seed)
        self.credentials = credentials or Credentials()
        self.request_counts: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once = 0
        self._host = host
        self._listener: asyncio.Server | None = None
        self._endings: list[asyncio.Task[None]] = []
        self._port = port
        self._sessions = SessionStore(self.credentials, self.profile, scenario.plan.seed)
        self._search_endpoint = SearchEndpoint(scenario, self.profile, self.faults, scenario.plan.seed)
        self._registry = WebhookRegistry(self.profile.webhooks, scenario.plan.seed)
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._certificate: Certificate = await asyncio.to_thread(self_signed)
        self._fault_middleware = FaultMiddleware(self.faults, self.clock)
        self._runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=_END_SECONDS
        )
        await self._runner.setup()
        pages = serialization.Pages(self.scenario.event_log, this_id=self.profile.this_id)
        self._pusher = Pusher(
            self._registry, self.scenario.event_log, self._search_endpoint, self.faults, self.clock, pages
        )
        await self.plug_in()
        await self._closing.enter_async_context(self._pusher.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()
        await self.unplug()
        self._fault_middleware.closing.set()
        connections = list(self._connections())
        await self._runner.cleanup()
        for connection in connections:
            connection.abort()  # a client that is gone never answers the TLS close
        if self._endings:
            await asyncio.wait(self._endings, timeout=_END_SECONDS)
        for ending in self._endings:
            ending.cancel()

    @property
    def url(self) -> str:
        """The address of the simulator, without the API's path."""
        return f"https://{self._host}:{self._port}"

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256: 64 lower-case hex digits."""
        return self._certificate.fingerprint

    @property
    def ca_pem(self) -> str:
        """The certificate as PEM: the content of a CA file."""
        return self._certificate.pem

    @property
    def push_counts(self) -> Counter[str]:
        """Pushes and pushed events so far, by outcome."""
        return self._pusher.counts

    def restart(self) -> None:
        """End every session and page token, as a restart of the service does; webhooks stay, and get a HELLO."""
        self._sessions.forget_all()
        self._search_endpoint.forget_all()
        self._pusher.update(hello=self._registry.webhooks)

    def webhooks(self) -> list[dict[str, object]]:
        """Return the webhooks, without their tokens."""
        return self._registry.listed()

    def forget_webhooks(self) -> None:
        """Drop every webhook, as a server does whose configuration was restored."""
        self._registry.forget_all()
        self._pusher.update()

    def change_credentials(self, credentials: Credentials) -> None:
        """Accept only these credentials from now on, as after a change of the password; sessions stay."""
        self._sessions.change_credentials(credentials)

    async def unplug(self) -> None:
        """Stop listening, so that new connections fail, until ``plug_in``."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Python 3.11 waits for the last connection only if wait_closed runs before the listener closes.
            self._endings.append(asyncio.create_task(listener.wait_closed()))
            await SystemClock().sleep(0)
            listener.close()

    async def plug_in(self) -> None:
        """Listen, on the same port as before."""
        listen = asyncio.get_running_loop().create_server
        try:
            self._listener = await listen(
                self._server(), self._host, self._port, ssl=self._certificate.context, backlog=_BACKLOG
            )
        except OSError as error:
            raise BadCommand(
                f"El simulador no puede escuchar en {self._host}:{self._port}: {error.strerror}.",
                remedy="Elija otro puerto, o 0 para uno libre.",
            ) from error
        self._port = self._listener.sockets[0].getsockname()[1]

    def _server(self) -> web.Server:
        server = self._runner.server
        assert server is not None, "only after the runner's setup"  # noqa: S101 -- for the type checker
        return server

    def _connections(self) -> Iterator[asyncio.Transport]:
        for connection in self._server().connections:
            if isinstance(connection.transport, asyncio.Transport):
                yield connection.transport

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._answer])
        answers: Mapping[str, Handler] = {
            "health": self._health,
            "sites": self._sites,
            "server/ids": self._server_ids,
            "cameras": self._cameras,
            "event-subtopics": self._event_subtopics,
            "events/search": self._search,
        }
        for path, handler in answers.items():
            application.router.add_get(BASE + path, handler, allow_head=False)
        application.router.add_post(BASE + "login", self._login)
        application.router.add_post(BASE + "logout", self._logout)
        application.router.add_get(BASE + "webhooks", self._list_webhooks, allow_head=False)
        application.router.add_post(BASE + "webhooks", self._create_webhook)
        application.router.add_put(BASE + "webhooks", self._change_webhook)
        application.router.add_delete(BASE + "webhooks", self._delete_webhooks)
        add_control(application.router, self)
        return application

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every request: faults, the format of errors, the clock in the ``Date`` header."""
        if not request.path.startswith(BASE):
            return await handler(request)
        path = request.path.removeprefix(BASE)
        self.request_counts[path] += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            response = await self._formatted(request, path, handler)
        finally:
            self._at_once -= 1
        self.request_counts[str(response.status)] += 1
        response.headers["Date"] = self._date()
        return response

    def _date(self) -> str:
        """Return what the ``Date`` header says; empty where it says nothing, for aiohttp would fill in its own."""
        now = self.clock.now()
        if self.faults.strikes("no_date", now):
            return ""
        wrong = self.faults.strikes("date", now)
        return format_datetime(now + timedelta(seconds=wrong.seconds) if wrong else now, usegmt=True)

    async def _formatted(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        api_request = ApiRequest(request, path, self._search_endpoint.cameras(_arguments(request)))

        async def unspoiled() -> web.StreamResponse:
            if self._fault_middleware.expires_session(api_request):
                self._sessions.forget(_session(request) or "")
            return await handler(request)

        try:
            return await self._fault_middleware.answer(api_request, unspoiled)
        except AnswerError as error:
            return _json(error.body, error.status)
        except web.HTTPException as error:
            named = AnswerError(error.status, f"{error.reason}.", error.reason.upper().replace(" ", "_"))
            return _json(named.body, error.status)

    async def _login(self, request: web.Request) -> web.Response:
        session = self._sessions.login(await _body(request), self.clock.now())
        return _json(
            serialization.success({"session": session, "externalUserId": "4xIx1DMwMLSwMDUA", "domainId": "4xIx1DMw"})
        )

    async def _logout(self, request: web.Request) -> web.Response:
        session = (await _body(request)).get("session", _session(request))
        self._sessions.check(session if isinstance(session, str) else None, self.clock.now())
        self._sessions.forget(str(session))
        return _json(serialization.success({}))

    async def _health(self, _: web.Request) -> web.Response:
        return _json(serialization.success({"state": "RUNNING", "version": "8.7.0.12"}))

    async def _sites(self, request: web.Request) -> web.Response:
        self._check(request)
        return _json(serialization.success({"sites": [{"id": "4xIx1DMwMLSwMDU-sitio", "name": "Estadio"}]}))

    async def _server_ids(self, request: web.Request) -> web.Response:
        self._check(request)
        return _json(serialization.success({"servers": [server._asdict() for server in self.scenario.servers]}))

    async def _cameras(self, request: web.Request) -> web.Response:
        self._check(request)
        verbosity = request.query.get("verbosity", "LOW")
        if verbosity not in {"LOW", "HIGH"}:
            raise AnswerError(400, "invalid argument: verbosity.", "BAD_REQUEST")
        lost = self.faults.strikes("camera_disconnected", self.clock.now(), cameras=self.scenario.allowed)
        cameras = [
            camera._replace(state="DISCONNECTED") if lost and camera.id in lost.cameras else camera
            for camera in self.scenario.cameras
        ]
        return _json(serialization.cameras(cameras, verbosity))

    async def _event_subtopics(self, request: web.Request) -> web.Response:
        self._check(request)
        if self.profile.topics is Topics.UNKNOWN:
            raise AnswerError(404, "not found.", "NOT_FOUND")
        return _json(serialization.success({"eventSubtopics": SUBTOPICS}))

    async def _search(self, request: web.Request) -> web.Response:
        self._check(request)
        return _json(self._search_endpoint.answer(_arguments(request), self.clock.now()))

    async def _list_webhooks(self, request: web.Request) -> web.Response:
        self._check(request)
        self._registry.check()
        return _json(serialization.success({"webhooks": self._registry.listed(request.query.getall("ids", []))}))

    async def _create_webhook(self, request: web.Request) -> web.Response:
        webhook = self._registry.create(await self._webhook_body(request))
        self._pusher.update(hello=[webhook] if self.profile.says_hello else ())
        return _json(serialization.success({"id": webhook.id}))

    async def _change_webhook(self, request: web.Request) -> web.Response:
        self._registry.change(await self._webhook_body(request))
        self._pusher.update()
        return _json(serialization.success({}))

    async def _delete_webhooks(self, request: web.Request) -> web.Response:
        self._registry.delete(await self._webhook_body(request))
        self._pusher.update()
        return _json(serialization.success({}))

    async def _webhook_body(self, request: web.Request) -> dict[str, object]:
        """Return the body of a change of webhooks; its ``session`` field is required, as some versions do."""
        body = await _body(request)
        session = body.get("session")
        self._sessions.check(session if isinstance(session, str) else None, self.clock.now())
        self._registry.check()
        return body

    def _check(self, request: web.Request) -> None:
        self._sessions.check(_session(request), self.clock.now())


def _session(request: web.Request) -> str | None:
    return request.headers.get("x-avg-session") or request.query.get("session")


def _arguments(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


async def _body(request: web.Request) -> dict[str, object]:
    if request.content_type != "application/json":
        raise AnswerError(415, "application/json is expected.", "UNSUPPORTED_MEDIA_TYPE")
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise AnswerError(400, "the body is no JSON.", "BAD_REQUEST") from error
    if not isinstance(body, dict):
        raise AnswerError(400, "the body is no JSON object.", "BAD_REQUEST")
    return body


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
