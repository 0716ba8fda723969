"""What every request passes before anything answers: budgets, sizes, who asks; and the headers of every answer."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from aforo.clock import SystemClock
from aforo.settings import WebSettings
from aforo.web.loopback import is_loopback
from aforo.web.rate_limits import Limits
from aforo.web.sessions import Sessions, Visitor, cookie_in

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_MOST_BODY = 16_384  # bytes of a request
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
# Scripts and style sheets come from here alone. plotly sets style attributes on what it draws: these may be inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Refused(Exception):
    """A request that is not answered, with the status and the Spanish reason."""

    def __init__(self, status: int, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class SecurityMiddleware:
    """The outermost layer of the application. It leaves the ``Visitor`` in ``scope["visitor"]``."""

    def __init__(self, app: App, settings: WebSettings, sessions: Sessions, limits: Limits) -> None:
        self._app = app
        self._sessions = sessions
        self._limits = limits
        self._pace = SystemClock()
        self._loopback = is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        answer = self._dressed(scope, send)
        try:
            self._pay(scope)
            scope["visitor"] = visitor = self._visitor(headers)
            _check_size(headers)
            if scope["method"] in _CHANGES:
                _check_change(scope, headers, visitor)
        except Refused as refused:
            await _refuse(answer, refused)
            return
        await self._app(scope, _bounded(receive), answer)

    def _pay(self, scope: Scope) -> None:
        address, seconds = scope["client"][0] if scope["client"] else "local", self._pace.monotonic()
        wait = self._limits.requests.take(address, seconds) or self._limits.all_requests.take("", seconds)
        if wait:
            self._limits.refused += 1
            raise Refused(429, "Demasiadas peticiones: espere un momento.", wait)

    def _visitor(self, headers: list[tuple[bytes, bytes]]) -> Visitor:
        """Who asks. On this machine itself everybody may read; through a proxy or by another name nobody is local."""
        given = dict(headers)
        scheme, _, credential = given.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and self._sessions.is_read_token(credential.strip()):
            return Visitor(may_read=True)
        found = self._sessions.visitor(cookie_in(headers), self._pace.now().timestamp())
        if found.may_read:
            return found
        local = self._loopback and _local_host(given.get(b"host", b"")) and not _FORWARDED & given.keys()
        return Visitor(may_read=local)

    def _dressed(self, scope: Scope, send: Send) -> Send:
        """``send`` with the headers that keep browsers safe."""
        extra = [*_HEADERS, (b"content-security-policy", _POLICY.encode())]
        cached = scope["path"].startswith("/static/")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                if not cached and not _has(own, b"cache-control"):
                    own.append((b"cache-control", b"no-store"))
                message = {**message, "headers": own + extra}
            await send(message)

        return answer


def _local_host(host: bytes) -> bool:
    """Whether a Host header names this machine: a page elsewhere, renamed to our address, does not read along."""
    name = host.decode("latin-1")
    name = name.rpartition(":")[0] if ":" in name and not name.endswith("]") else name
    return is_loopback(name)


def _check_size(headers: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value) > _MOST_BODY):
            raise Refused(413, f"La petición es demasiado grande: hasta {_MOST_BODY} bytes.")


def _bounded(receive: Receive) -> Receive:
    """``receive`` that ends a body without a length once it is too long."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if read > _MOST_BODY else message

    return bounded


def _has(headers: list[tuple[bytes, bytes]], name: bytes) -> bool:
    return any(key.lower() == name for key, _ in headers)


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps({"error": refused.reason}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.retry_after:
        headers.append((b"retry-after", str(int(refused.retry_after) + 1).encode()))
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _check_change(scope: Scope, headers: list[tuple[bytes, bytes]], visitor: Visitor) -> None:
    """Against requests that another site makes a browser send: our origin, JSON, and the session's CSRF token."""
    given = {name: value.decode("latin-1") for name, value in headers}
    origin = given.get(b"origin")
    if origin is not None and origin.partition("://")[2] != given.get(b"host", ""):  # an origin has no path
        raise Refused(403, "La petición viene de otra página.")
    kind = given.get(b"content-type", "").split(";")[0].strip()
    if scope["method"] != "DELETE" and kind != "application/json":
        raise Refused(415, "Se admite application/json.")
    if visitor.session and given.get(b"x-csrf-token", "") != visitor.csrf:
        raise Refused(403, "Falta la cabecera X-CSRF-Token de la sesión, o no es la suya.")
