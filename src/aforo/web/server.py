"""Serves the page beside the counting, in the same process and event loop; its failures do not stop the counting.

The socket is bound first. FastAPI and uvicorn are imported in a thread; the web server installs no signal handlers and
never ends the process. After a failure the page is opened again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from aforo.background import background_task
from aforo.clock import SystemClock, wait_until_set
from aforo.errors import BadSetting, os_reason
from aforo.http_server.acceptor import Acceptor
from aforo.http_server.addresses import is_loopback, network_of
from aforo.http_server.listening import bind, tls_context
from aforo.http_server.places import Places
from aforo.settings import WebSettings
from aforo.web.admission import Admission
from aforo.web.auth import Sessions
from aforo.web.context import WebContext
from aforo.web.sse import Broadcaster

if TYPE_CHECKING:
    import uvicorn

_log = logging.getLogger(__name__)

_RETRY_INTERVAL = 15.0  # seconds after which a page that could not be served is opened again
_STOP_TIMEOUT = 3.0  # seconds that the server may take to end
_RESTORE_TIMEOUT = 5.0  # seconds that the page waits for the database before it opens
_KEEP_ALIVE = 15  # seconds


@dataclass(slots=True)
class Page:
    """The page while it is served. ``url`` is for people; ``ready`` is set while the page answers."""

    url: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(context: WebContext, *, free_port: bool = False) -> AsyncIterator[Page | None]:
    """Serve the page inside the ``with``; None where the settings switch it off.

    ``free_port`` takes any free port instead of the setting's. Raises BadSetting for a page that would be open to the
    network without a password, and for certificate files that cannot be used; a port in use is logged and tried again.
    """
    settings = context.settings
    if not settings.port and not free_port:
        yield None
        return
    tls = verify(settings)
    if tls is None and not is_loopback(settings.host):
        _log.warning(
            "La página está abierta a la red sin cifrar: quien escuche esa red lee el aforo y las contraseñas."
            " Ponga web.certificate_file y web.key_file."
        )
    listener = _bind(settings, 0 if free_port else settings.port)
    port = listener.getsockname()[1] if listener is not None else settings.port
    page = Page(_url(settings, port))
    stopping = asyncio.Event()
    try:
        async with background_task(_serve_until(stopping, context, page, listener, tls), name="aforo-web") as task:
            try:
                yield page
            finally:
                stopping.set()
                await asyncio.wait([task], timeout=_STOP_TIMEOUT)
    finally:
        if context.session_archive is not None:
            await context.session_archive.close()
        if context.events is not None:
            await context.events.close()


def verify(settings: WebSettings) -> ssl.SSLContext | None:
    """Return the page's TLS context, None for a page without TLS.

    Raises BadSetting for a page that everybody on the network could read, and for certificate files that do not serve.
    """
    check(settings)
    return tls_context(settings.certificate_file, settings.key_file, whose="la página", section="web")


def check(settings: WebSettings) -> None:
    """Raise BadSetting for a page that everybody on the network could read."""
    if settings.operators or settings.read_token.get_secret_value():
        return
    if settings.proxies:
        raise BadSetting(
            "El ajuste web.proxies abre la página a quienes lleguen por un proxy, y nadie tiene contraseña.",
            remedy="Añada un operador ([[web.operators]], con «aforo password») o web.read_token, o quite web.proxies.",
        )
    if is_loopback(settings.host):
        return
    raise BadSetting(
        f"El ajuste web.host = «{settings.host}» abre la página a la red sin contraseña.",
        remedy="Añada un operador ([[web.operators]], con «aforo password») o web.read_token, o deje 127.0.0.1.",
    )


def _url(settings: WebSettings, port: int) -> str:
    host = settings.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 -- only compared
        host = socket.gethostname()
    if ":" in host:
        host = f"[{quote(host)}]"
    return f"{'https' if settings.certificate_file else 'http'}://{host}:{port}/"


def _bind(settings: WebSettings, port: int, level: int = logging.ERROR) -> socket.socket | None:
    """Return a bound socket; None where the address cannot be had, which is logged at ``level``."""
    try:
        return bind(settings.host, port)
    except OSError as exc:
        _log.log(
            level,
            "La página no se puede abrir en %s:%d (%s). El conteo sigue; se vuelve a intentar. Si otro programa usa"
            " el puerto, cambie web.port.",
            settings.host,
            port,
            os_reason(exc),
        )
        return None


async def _serve_until(
    stopping: asyncio.Event,
    context: WebContext,
    page: Page,
    listener: socket.socket | None,
    tls: ssl.SSLContext | None,
) -> None:
    """Serve again and again until ``stopping`` is set."""
    clock = SystemClock()
    port = listener.getsockname()[1] if listener is not None else context.settings.port
    while not stopping.is_set():
        listener = listener or _bind(context.settings, port, logging.DEBUG)
        if listener is not None:
            try:
                built = await asyncio.to_thread(_build_server, context, listener, tls)
                async with background_task(_restore(context, built.sessions), name="aforo-web-restore") as restoring:
                    await asyncio.wait([restoring], timeout=_RESTORE_TIMEOUT)
                    _log.info("La página está en %s", page.url)
                    await _serve(built, page.ready, stopping)
            except Exception:  # noqa: BLE001 -- the counting goes on, whatever fails in the page
                _log.exception("La página falló; el conteo sigue, y la página se vuelve a abrir.")
            finally:
                page.ready.clear()
                listener.close()
                listener = None
        await wait_until_set(stopping, clock, _RETRY_INTERVAL)


class _Built(NamedTuple):
    """What serves the page."""

    server: uvicorn.Server
    acceptor: Acceptor
    broadcaster: Broadcaster
    sessions: Sessions


async def _restore(context: WebContext, sessions: Sessions) -> None:
    """Read which sessions were logged out before this start; it may have to wait for the database."""
    if context.session_archive is not None:
        now = context.clock.now()
        sessions.await_restoring(now.timestamp())
        sessions.restore(await context.session_archive.ended(now), now.timestamp())


def _build_server(context: WebContext, listener: socket.socket, tls: ssl.SSLContext | None) -> _Built:
    """Build the application and its server. It runs in a thread: the first request to ACC does not wait for imports."""
    from aforo.http_server.connection_guard import guarded_server  # noqa: PLC0415 -- FastAPI and uvicorn take a while
    from aforo.web.app import create_app  # noqa: PLC0415

    proxies = context.settings.proxies
    admission = Admission(Places(without_limit=frozenset(map(network_of, proxies))))
    sessions = Sessions(context.settings)
    broadcaster = Broadcaster(
        context.live, context.clock, context.timezone, context.stale_after, context.settings.first
    )
    server, make_protocol = guarded_server(
        create_app(context, broadcaster, admission, sessions),
        admission.places,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[*proxies, *(f"::ffff:{address}" for address in proxies if ":" not in address)],
        timeout_keep_alive=_KEEP_ALIVE,
    )
    acceptor = Acceptor(
        listener,
        tls,
        make_protocol,
        places=admission.places,
        limit=admission.limits.connections,
        refusals=admission.log,
    )
    return _Built(server, acceptor, broadcaster, sessions)


async def _serve(built: _Built, ready: asyncio.Event, stopping: asyncio.Event) -> None:
    """Serve until ``stopping`` is set; ``ready`` is set meanwhile."""
    server, acceptor, broadcaster, _ = built
    async with asyncio.TaskGroup() as tasks:
        broadcasting = tasks.create_task(broadcaster.run(), name="aforo-web-hub")
        running = tasks.create_task(server.serve([]), name="aforo-web-server")
        accepting = tasks.create_task(acceptor.run(), name="aforo-web-acceptor")
        ready.set()
        stop = tasks.create_task(stopping.wait())
        await asyncio.wait([stop, running, broadcasting, accepting], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        broadcaster.close()
        server.should_exit = True
        await asyncio.wait([running])
        await acceptor.close()
        stop.cancel()
        broadcasting.cancel()
