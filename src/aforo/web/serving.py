"""The page beside the counting: same process, same loop, and whatever happens to it, the counting does not notice.

Its socket is bound first. The web server is imported in a thread, installs no signal handlers and never ends the
process; when it fails it is told once and started again.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import ModuleType
from urllib.parse import quote

from aforo.clock import SystemClock, wait_until_set
from aforo.errors import BadSetting, os_reason
from aforo.settings import WebSettings
from aforo.web.dependencies import WebContext
from aforo.web.loopback import is_loopback

_log = logging.getLogger(__name__)

_AGAIN = 15.0  # seconds after which a page that could not be served is tried again
_GOODBYE = 3.0  # seconds that the server may take to end


@dataclass(slots=True)
class Page:
    """The page while it is served. ``url`` is for people; ``ready`` is set while it answers."""

    url: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(rooms: WebContext, *, free_port: bool = False) -> AsyncIterator[Page | None]:
    """Serve the page inside the ``with``; None where the settings want none.

    ``free_port`` takes any free port instead of the setting's. Raises BadSetting for a page that would be open to the
    network without a password, and for certificate files that cannot be used; a port in use is told and tried again.
    """
    settings = rooms.settings
    if not settings.port and not free_port:
        yield None
        return
    check(settings)
    tls = _tls(settings)
    if tls is None and not is_loopback(settings.host):
        _log.warning(
            "La página está abierta a la red sin cifrar: quien escuche esa red lee el aforo y las contraseñas."
            " Ponga web.certificate_file y web.key_file."
        )
    listening = _bound(settings, 0 if free_port else settings.port)
    port = listening.getsockname()[1] if listening is not None else settings.port
    page = Page(_url(settings, port))
    leaving = asyncio.Event()
    task = asyncio.create_task(_served(rooms, page, listening, tls, leaving), name="aforo-web")
    try:
        yield page
    finally:
        leaving.set()
        await asyncio.wait([task], timeout=_GOODBYE)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if rooms.desk is not None:
            await rooms.desk.close()


def check(settings: WebSettings) -> None:
    """Raise BadSetting for a page that everybody on the network could read."""
    if is_loopback(settings.host) or settings.operators or settings.read_token.get_secret_value():
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


def _tls(settings: WebSettings) -> ssl.SSLContext | None:
    if settings.certificate_file is None or settings.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise BadSetting(
            f"El certificado de la página ({settings.certificate_file}, {settings.key_file}) no sirve: "
            f"{os_reason(exc)}.",
            remedy="Corrija web.certificate_file y web.key_file: dos archivos PEM que van juntos.",
        ) from exc
    return context


def _bound(settings: WebSettings, port: int, level: int = logging.ERROR) -> socket.socket | None:
    """A listening socket; None, told in the log, where the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as exc:
        _cannot(settings, port, exc, level)
        return None
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.setblocking(False)
    except OSError as exc:
        listening.close()
        _cannot(settings, port, exc, level)
        return None
    return listening


def _cannot(settings: WebSettings, port: int, error: OSError, level: int) -> None:
    _log.log(
        level,
        "La página no se puede abrir en %s:%d (%s). El conteo sigue; se vuelve a intentar. Si otro programa usa"
        " el puerto, cambie web.port.",
        settings.host,
        port,
        os_reason(error),
    )


async def _served(
    rooms: WebContext,
    page: Page,
    listening: socket.socket | None,
    tls: ssl.SSLContext | None,
    leaving: asyncio.Event,
) -> None:
    """Serve again and again until ``leaving`` is set."""
    pace = SystemClock()
    port = listening.getsockname()[1] if listening is not None else rooms.settings.port
    while not leaving.is_set():
        listening = listening or _bound(rooms.settings, port, logging.DEBUG)
        if listening is not None:
            try:
                # Imported here and in a thread: the first request to ACC does not wait for a web framework.
                server = await asyncio.to_thread(_import_server)
                _log.info("La página está en %s", page.url)
                await server.serve(rooms, listening, tls, page.ready, leaving)
            except Exception:  # noqa: BLE001 -- whatever happens to the page, the counting goes on
                _log.exception("La página falló; el conteo sigue, y la página se vuelve a abrir.")
            finally:
                page.ready.clear()
                listening.close()
                listening = None
        await wait_until_set(leaving, pace, _AGAIN)


def _import_server() -> ModuleType:
    from aforo.web import server  # noqa: PLC0415 -- FastAPI and uvicorn take a while

    return server
