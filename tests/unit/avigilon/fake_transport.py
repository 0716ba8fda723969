"""A transport without a network: each path has answers, which may be errors."""

import json
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from aforo.avigilon.errors import TimedOut
from aforo.avigilon.transport import Response, Transport
from aforo.clock import Clock
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.settings import AccSettings


def acc_settings(**given: Any) -> AccSettings:
    plain: dict[str, Any] = {
        "url": "https://host:8443",
        "username": "monitor",
        "password": SecretStr("clave-inventada"),
        "user_nonce": SecretStr("nonce-inventado"),
        "user_key": SecretStr("llave-inventada"),
    }
    return AccSettings(**(plain | given))


def success(**result: Any) -> Response:
    return Response(200, json.dumps({"status": "success", "result": result}).encode())


def failure(status: int, message: str = "no.") -> Response:
    body = {"status": "error", "statusCode": status, "message": message, "meta": {"code": -1, "name": "NO"}}
    return Response(status, json.dumps(body).encode())


HANG = TimedOut("no contestó.")


class FakeTransport(Transport):
    """``answers[path]`` come first, one for each request; then the default. ``sent``: path and session of each.

    An answer may be an error, or ``HANG``: none within the request's seconds. ``dates``: the Date of each answer, as
    long as there are any; ``bodies``: what was sent.

    Logins succeed with the sessions ``s1``, ``s2``, …
    """

    def __init__(self, clock: Clock, settings: AccSettings | None = None) -> None:
        settings, reference = settings or acc_settings(), ReferenceClock.of(clock)
        super().__init__(settings, reference, 1, Mask(settings.secrets()))
        self.answers: dict[str, list[Response | Exception]] = {}
        self.default: Response | Exception = success(servers=[])
        self.sent: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.dates: list[datetime] = []
        self._reference = reference
        self.logins = 0

    async def exchange(
        self, method: str, path: str, *, body: Any = None, session: str = "", seconds: float = 0.0
    ) -> Response:
        self.requests += 1
        self.sent.append((path, session))
        self.bodies.append(body)
        if self.dates:
            sent = self._reference.monotonic()
            self._reference.read_server(self.dates.pop(0), sent, sent)
        queued = self.answers.get(path)
        answer = queued.pop(0) if queued else self._usual(path)
        if answer is HANG:
            await self._clock.sleep(seconds or self._settings.timeout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _usual(self, path: str) -> Response | Exception:
        if path != "/login":
            return self.default
        self.logins += 1
        return success(session=f"s{self.logins}")
