"""The receiver as an ASGI application: takes what proves itself, answers at once, and refuses the rest."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aforo.avigilon import is_authentic
from aforo.clock import SystemClock
from aforo.http_server.addresses import network_of
from aforo.http_server.bounded_log import BoundedLog
from aforo.http_server.places import Places
from aforo.http_server.rate_limits import AddressLimit, Budget, KnownAddresses

MAX_BODY = 1024 * 1024  # bytes of a push

_MOST_CONNECTIONS, _MOST_PER_ADDRESS = 64, 32  # the cameras' server has five pushes under way at most
_log = logging.getLogger(__name__)
_clock = SystemClock()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]


class Admission:
    """Places and rates of the receiver's connections, and what is logged and counted of those that are refused.

    An address that has sent an authentic push is not held up by a flood from others.
    """

    def __init__(self) -> None:
        self.known = KnownAddresses()
        self.places = Places(most=_MOST_CONNECTIONS, most_per_address=_MOST_PER_ADDRESS)
        self.limit = AddressLimit(self.known, each=Budget(400, 200), quiet=Budget(40, 2), together=Budget(100, 20))
        self.counts: Counter[str] = Counter({"taken": 0, "forged": 0, "too_large": 0, "refused": 0})
        self._bounded_log = BoundedLog(_log, lines=1)

    def taken(self, address: str) -> None:
        """Count an authentic push."""
        self.counts["taken"] += 1
        self.known.add(network_of(address), _clock.monotonic())

    def forged(self, address: str) -> None:
        """Count a push without the proof that it is of the cameras' server."""
        self.counts["forged"] += 1
        self._bounded_log.warning(
            "Llegó una notificación que no demuestra ser de ACC, desde %s: no se hace nada con ella.", address
        )

    def too_large(self, address: str) -> None:
        """Count a push that is larger than any."""
        self.counts["too_large"] += 1
        self._bounded_log.warning(
            "Llegó una notificación demasiado grande, desde %s: no se hace nada con ella.", address
        )

    def refused(self, _: str, address: str) -> None:
        """Count a connection that was closed."""
        self.counts["refused"] += 1
        self._bounded_log.warning(
            "El receptor de notificaciones recibe demasiadas conexiones, la última de %s: las que sobran se cierran."
            " El conteo sigue.",
            address,
        )

    def accept_failed(self, reason: str) -> None:
        """Log, in Spanish, why no connection can be accepted for now."""
        self._bounded_log.warning(
            "El receptor de notificaciones no puede admitir conexiones (%s). El conteo sigue; se vuelve a intentar.",
            reason,
        )

    def handshake_failed(self) -> None:
        """Count a TLS handshake that was broken off."""
        self.counts["refused"] += 1


class Receiver:
    """The ASGI application. ``token``: the webhook's; ``encrypted``: the server pushes to an https address."""

    def __init__(
        self, token: Callable[[], str], admission: Admission, deliver: Callable[[bytes], None], *, encrypted: bool
    ) -> None:
        self._token = token
        self._admission = admission
        self._deliver = deliver
        self._encrypted = encrypted

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serve one request."""
        status = await self._status(scope, receive)
        await send({"type": "http.response.start", "status": status, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b""})

    async def _status(self, scope: Scope, receive: Callable[[], Awaitable[Message]]) -> int:
        if scope["method"] != "POST":
            return 405
        address = str((scope.get("client") or ("",))[0])
        body = await _body(receive)
        if body is None:
            self._admission.too_large(address)
            return 413
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not is_authentic(body, authorization.decode("latin-1"), self._token(), encrypted=self._encrypted):
            self._admission.forged(address)
            return 403
        scope["state"]["keep_place"]()
        self._admission.taken(address)
        self._deliver(body)
        return 200


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """Return the body; None where it is too large. A connection that ends early gives what came."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)
