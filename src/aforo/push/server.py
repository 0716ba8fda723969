"""Serves the receiver beside the counting, in the same event loop; its failures do not stop the counting."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from aforo.background import background_task
from aforo.clock import Clock
from aforo.errors import os_reason
from aforo.http_server.acceptor import Acceptor
from aforo.http_server.listening import bind, tls_context
from aforo.http_server.places import Place
from aforo.push.receiver import Admission, Receiver
from aforo.settings import PushSettings

if TYPE_CHECKING:
    import uvicorn

    from aforo.http_server.connection_guard import GuardedConnection

_log = logging.getLogger(__name__)

_RETRY_INTERVAL = 15.0  # seconds after which a receiver that could not be opened is opened again
_KEEP_ALIVE = 5  # seconds


def verify(settings: PushSettings) -> ssl.SSLContext | None:
    """Return the receiver's TLS context, None without. Raises BadSetting for certificate files that do not serve."""
    return tls_context(settings.certificate_file, settings.key_file, whose="las notificaciones", section="push")


async def serve_until_cancelled(
    settings: PushSettings, receiver: Receiver, admission: Admission, clock: Clock, opened: asyncio.Event
) -> None:
    """Serve again and again; a port in use is logged once and tried again. ``opened`` is set when it first listens."""
    tls = await asyncio.to_thread(verify, settings)
    logged = False
    while True:
        try:
            listener = await asyncio.to_thread(bind, settings.host, settings.port)
        except OSError as exc:
            _log.log(
                logging.DEBUG if logged else logging.ERROR,
                "El receptor de notificaciones no se puede abrir en %s:%d (%s). El conteo sigue con las consultas de"
                " siempre; se vuelve a intentar. Si otro programa usa el puerto, cambie push.port.",
                settings.host,
                settings.port,
                os_reason(exc),
            )
            logged = True
        else:
            logged = False
            try:
                listener.listen()  # what comes before it is served waits
                opened.set()
                await serve(listener, tls, receiver, admission)
            except Exception:  # noqa: BLE001 -- the counting goes on, whatever fails in the receiver
                _log.exception("El receptor de notificaciones falló; el conteo sigue, y el receptor se vuelve a abrir.")
            finally:
                listener.close()
        await clock.sleep(_RETRY_INTERVAL)


async def serve(listener: socket.socket, tls: ssl.SSLContext | None, receiver: Receiver, admission: Admission) -> None:
    """Serve on a bound socket until cancelled."""
    server, make_protocol = await asyncio.to_thread(_build_server, receiver, admission)
    acceptor = Acceptor(
        listener, tls, make_protocol, places=admission.places, limit=admission.limit, refusals=admission
    )
    async with background_task(server.serve([]), name="aforo-push-server"):
        try:
            await acceptor.run()
        finally:
            server.should_exit = True
            await acceptor.close()


def _build_server(
    receiver: Receiver, admission: Admission
) -> tuple["uvicorn.Server", Callable[[Place], "GuardedConnection"]]:
    """Build what serves connections; in a thread, for the import takes a while."""
    from aforo.http_server.connection_guard import guarded_server  # noqa: PLC0415 -- uvicorn

    return guarded_server(receiver, admission.places, timeout_keep_alive=_KEEP_ALIVE)
