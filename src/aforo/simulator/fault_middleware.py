"""The faults at work: what happens to a request before it is answered, and to the answer on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from aforo.clock import Clock, SystemClock
from aforo.simulator.faults import Fault, Faults
from aforo.simulator.serialization import AnswerError

_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1><hr>proxy</body></html>"
_REASONS = {500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE", 504: "GATEWAY_TIMEOUT"}
_GARBAGE = (
    b"\x00\xff\xfe{[",
    b"<html>?</html>",
    b'{"status":"success","result":{"events":"?"}}',
    b'{"status":"success","result":[1,2]}',
    b"[]",
)


class Asked(NamedTuple):
    """A request as the faults see it: its path below the API's base, and the cameras that it is about."""

    request: web.Request
    path: str
    cameras: tuple[str, ...]


class FaultMiddleware:
    """Spoils requests and answers as the faults say. ``closing`` ends what hangs when the simulator ends."""

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self.closing = asyncio.Event()
        self._faults = faults
        self._clock = clock
        self._wire = SystemClock()  # the network does not speed up with the evening's clock

    async def answer(self, asked: Asked, answer: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        """The answer, or what becomes of it."""
        if self._strikes("away", asked):
            return _cut(asked.request)
        latency = self._strikes("latency", asked)
        if latency:
            await self._wire.sleep(latency.seconds)
        if self._strikes("hang", asked) or self._strikes("camera_hang", asked):
            await self.closing.wait()
            return _cut(asked.request)
        spoiled = self._instead(asked)
        if spoiled is not None:
            return spoiled
        return await self._on_its_way(asked, await answer())

    def expires_session(self, asked: Asked) -> bool:
        """Whether the session of this request is to be forgotten first."""
        return self._strikes("expire_session", asked) is not None

    def _strikes(self, name: str, asked: Asked) -> Fault | None:
        return self._faults.strikes(name, self._clock.now(), asked.path, asked.cameras)

    def _instead(self, asked: Asked) -> web.Response | None:
        for status, reason in _REASONS.items():
            if self._strikes(f"error_{status}", asked):
                return self._error(status, reason)
        if self._strikes("empty_body", asked):
            return web.Response(body=b"", content_type="application/json")
        if self._strikes("camera_404", asked):
            raise AnswerError(404, "camera not found.", "NOT_FOUND")
        if self._strikes("camera_400", asked):
            raise AnswerError(400, "invalid argument: deviceIds.", "BAD_REQUEST")
        if self._strikes("camera_500", asked):
            return self._error(500, _REASONS[500])
        if self._strikes("camera_garbage", asked):
            return web.Response(body=self._faults.random.choice(_GARBAGE), content_type="application/json")
        return None

    def _error(self, status: int, reason: str) -> web.Response:
        if self._faults.random.random() < 0.5:
            return web.Response(status=status, text=_HTML.format(status), content_type="text/html")
        raise AnswerError(status, "the server cannot answer now.", reason)

    async def _on_its_way(self, asked: Asked, response: web.StreamResponse) -> web.StreamResponse:
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        body = response.body
        if self._strikes("cut_json", asked):
            response.body = body[: len(body) // 2]
        elif self._strikes("cut_connection", asked):
            return await _half(asked.request, body)
        return response


def _cut(request: web.Request) -> web.Response:
    """End the connection at once; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    """Announce the whole body, send half of it, and end the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
