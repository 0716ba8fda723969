"""The faults applied to requests and answers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
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


class ApiRequest(NamedTuple):
    """A request with its path below the API's base, and the cameras that it concerns."""

    request: web.Request
    path: str
    cameras: tuple[str, ...]


class FaultMiddleware:
    """Applies the active faults to requests and answers. Setting ``closing`` ends what hangs."""

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self.closing = asyncio.Event()
        self._faults = faults
        self._clock = clock
        self._real_clock = SystemClock()  # the network is not as fast as a sped-up clock

    async def answer(
        self, api_request: ApiRequest, answer: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Return the answer, or what the faults make of it."""
        if self._strikes("away", api_request):
            return _cut(api_request.request)
        latency = self._strikes("latency", api_request)
        if latency:
            await self._real_clock.sleep(latency.seconds)
        if self._strikes("hang", api_request) or self._strikes("camera_hang", api_request):
            await self.closing.wait()
            return _cut(api_request.request)
        faulty = self._instead(api_request)
        if faulty is not None:
            return faulty
        return await self._in_transit(api_request, await answer())

    def expires_session(self, api_request: ApiRequest) -> bool:
        """Return whether the session of this request expires first."""
        return self._strikes("expire_session", api_request) is not None

    def _strikes(self, name: str, api_request: ApiRequest) -> Fault | None:
        return self._faults.strikes(name, self._clock.now(), api_request.path, api_request.cameras)

    def _instead(self, api_request: ApiRequest) -> web.Response | None:
        for status, reason in _REASONS.items():
            if self._strikes(f"error_{status}", api_request):
                return self._error(status, reason)
        if self._strikes("empty_body", api_request):
            return web.Response(body=b"", content_type="application/json")
        if self._strikes("camera_404", api_request):
            raise AnswerError(404, "camera not found.", "NOT_FOUND")
        if self._strikes("camera_400", api_request):
            raise AnswerError(400, "invalid argument: deviceIds.", "BAD_REQUEST")
        if self._strikes("camera_500", api_request):
            return self._error(500, _REASONS[500])
        if self._strikes("camera_garbage", api_request):
            return web.Response(body=self._faults.random.choice(_GARBAGE), content_type="application/json")
        return None

    def _error(self, status: int, reason: str) -> web.Response:
        if self._faults.random.random() < 0.5:
            return web.Response(status=status, text=_HTML.format(status), content_type="text/html")
        raise AnswerError(status, "the server cannot answer now.", reason)

    async def _in_transit(self, api_request: ApiRequest, response: web.StreamResponse) -> web.StreamResponse:
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        body = response.body
        if self._strikes("stall", api_request):
            return await self._stalled(api_request.request, body)
        if self._strikes("cut_json", api_request):
            response.body = body[: len(body) // 2]
        elif self._strikes("cut_connection", api_request):
            return await _half(api_request.request, body)
        return response

    async def _stalled(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Send half of the body and then nothing, until the client or the simulator ends the connection."""
        response = await _begun(request, body)
        await self.closing.wait()
        return response


def _cut(request: web.Request) -> web.Response:
    """End the connection at once; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send the headers of the whole body and half of the body, and end the connection."""
    response = await _begun(request, body)
    if request.transport is not None:
        request.transport.close()
    return response


async def _begun(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send the headers of the whole body and half of the body."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    with suppress(ConnectionResetError):  # the client did not wait for it
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    return response
