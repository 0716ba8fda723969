"""ASGI middleware around the application: rate limits, size limits, visitors, CSRF checks and response headers."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from aforo.clock import Clock, SystemClock
from aforo.http_server.addresses import is_loopback, network_of
from aforo.settings import WebSettings
from aforo.web.admission import Admission
from aforo.web.auth import Sessions, Visitor, session_cookie

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MAX_BODY = 16_384  # bytes of a request
_UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# What proxies, load balancers and content networks add to a request; a browser sends none of these by itself.
_FORWARDING_MARK = re.compile(
    rb"via$|.*-via$|.*forward|.*real-?ip|.*client-?ip|.*connecting-?ip|.*cluster|.*proxy|.*remote-?(addr|ip|host)|x-original"
    rb"|x-(arr|envoy|varnish|azure|appgw|amzn?|cloud|edge|akamai|b3|haproxy|traefik)-|x-(host|scheme|url-scheme|server|backend)"
    rb"|cf-|fastly-|akamai-|cdn-loop|front-end-https|max-forwards|traceparent|ssl-client|x-ssl|x-client"
)
# Scripts and style sheets come from this server alone. plotly sets style attributes on what it draws: these may be
# inline.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
INTERNAL_ERROR = "Error interno: está en el registro."
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"content-security-policy", _CONTENT_SECURITY_POLICY.encode()),
]


class RequestRejected(Exception):
    """A request that is answered with an error: HTTP status, Spanish reason, and seconds until a retry may pass."""

    def __init__(self, status: int, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class RequestConflict(RequestRejected):
    """A request that does not fit the state of the event (409)."""

    def __init__(self, reason: str) -> None:
        super().__init__(409, reason)


class ServiceUnavailable(RequestRejected):
    """A request that cannot be served now (503), for a reason that passes."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, reason, retry_after=5.0)


class SecurityMiddleware:
    """The outermost layer of the application. It stores the request's ``Visitor`` in ``scope["visitor"]``."""

    def __init__(
        self, app: AsgiApp, settings: WebSettings, clock: Clock, sessions: Sessions, admission: Admission
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._limits = admission.limits
        self._log = admission.log
        self._clock = clock
        self._real_time = SystemClock()
        self._serves_this_machine = is_loopback(settings.host) and not settings.proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        answer = _with_security_headers(scope, send_noting)
        try:
            self._check(scope)
            await self._app(scope, _limited(receive), answer)
        except RequestRejected as rejected:
            await _send_rejection(answer, rejected)
        except Exception:  # noqa: BLE001 -- a fault of ours: the server would log each, at the rate of the requests
            self._log.bounded_log.exception("Error interno al contestar una petición de la página; el conteo sigue.")
            if not begun:
                await _send_rejection(answer, RequestRejected(500, INTERNAL_ERROR))

    def _check(self, scope: Scope) -> None:
        """Find out who sends the request, and raise RequestRejected where it is not to be answered."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        host = scope["client"][0] if scope["client"] else ""
        scope["visitor"] = visitor = self._visitor(scope, host)
        self._check_rate(visitor, host)
        if visitor.identified:
            scope["state"]["keep_place"]()
            self._limits.known.add(network_of(host), self._real_time.monotonic())
        try:
            _check_size(headers)
            if scope["method"] in _UNSAFE_METHODS:
                _check_csrf(scope, headers, visitor)
        except RequestRejected:
            self._log.refused("forbidden", host)
            raise

    def _check_rate(self, visitor: Visitor, host: str) -> None:
        now = self._real_time.monotonic()
        if visitor.identified:
            wait = self._limits.identified_requests.take(visitor.session or network_of(host), now)
        else:
            wait = self._limits.requests.take(network_of(host), now)
        if wait:
            self._log.refused("request_rate", host)
            raise RequestRejected(429, "Demasiadas peticiones: espere un momento.", wait)

    def _visitor(self, scope: Scope, host: str) -> Visitor:
        """Return who sends the request.

        A page that listens on loopback only may be read without a login, but not through a proxy nor by another host
        name. Browsers speak HTTP/1.1: an older version is a proxy's.
        """
        headers = scope["headers"]
        by_name: dict[bytes, bytes] = dict(headers)
        scheme, _, credential = by_name.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            if self._sessions.is_read_token(credential.strip()):
                return Visitor(may_read=True, identified=True)
            self._log.login_failed("", host)
        visitor = self._sessions.visitor(session_cookie(headers), self._clock.now().timestamp())
        if visitor.may_read:
            return visitor
        direct = scope["http_version"] != "1.0" and not any(_FORWARDING_MARK.match(name) for name in by_name)
        named = _names_loopback(by_name.get(b"host", b""))
        return Visitor(may_read=self._serves_this_machine and direct and named)


def _with_security_headers(scope: Scope, send: Send) -> Send:
    """Return ``send`` with the security headers added; what is no static file is not cached."""
    is_static = scope["path"].startswith("/static/")

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if not is_static and not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers + _SECURITY_HEADERS}
        await send(message)

    return send_with_headers


def _names_loopback(host: bytes) -> bool:
    """Return whether a Host header names this machine: it stops DNS rebinding by a page from elsewhere."""
    name = host.decode("latin-1")
    name = name.rpartition(":")[0] if ":" in name and not name.endswith("]") else name
    return is_loopback(name)


def _check_size(headers: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value) > _MAX_BODY):
            raise RequestRejected(413, f"La petición es demasiado grande: hasta {_MAX_BODY} bytes.")


def _check_csrf(scope: Scope, headers: list[tuple[bytes, bytes]], visitor: Visitor) -> None:
    """Reject requests that another site makes a browser send: they lack our origin, JSON, or the CSRF token."""
    by_name = {name: value.decode("latin-1") for name, value in headers}
    origin = by_name.get(b"origin")
    if origin is not None and origin.partition("://")[2] != by_name.get(b"host", ""):  # an origin has no path
        raise RequestRejected(403, "La petición viene de otra página.")
    content_type = by_name.get(b"content-type", "").split(";")[0].strip()
    if scope["method"] != "DELETE" and content_type != "application/json":
        raise RequestRejected(415, "Se admite application/json.")
    csrf = by_name.get(b"x-csrf-token", "")
    if visitor.session and not hmac.compare_digest(csrf.encode(), visitor.csrf.encode()):
        raise RequestRejected(403, "Falta la cabecera X-CSRF-Token de la sesión, o no es la suya.")


def _limited(receive: Receive) -> Receive:
    """Return ``receive`` that disconnects when a body without a length becomes too long."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if received > _MAX_BODY else message

    return limited


async def _send_rejection(send: Send, rejected: RequestRejected) -> None:
    body = json.dumps({"error": rejected.reason}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if rejected.retry_after:
        headers.append((b"retry-after", str(int(rejected.retry_after) + 1).encode()))
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": rejected.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
