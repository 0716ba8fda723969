"""Send a read until it is answered: lanes, hedging, session renewal, error mapping, repetitions, liveness."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

from aforo.avigilon.connectivity import ConnectionMonitor, LivenessProbe
from aforo.avigilon.errors import ApiError, NotTakenUp, Overdue, TimedOut, parse_error
from aforo.avigilon.event_query import Lane
from aforo.avigilon.hedging import Hedging, slots
from aforo.avigilon.session import RenewalPolicy, Session
from aforo.avigilon.transport import Query, Response, Transport
from aforo.background import Backoff
from aforo.errors import AccUnreachable
from aforo.reference_clock import ReferenceClock
from aforo.settings import AccSettings

SEARCH = "/events/search"
_SUSPECT_LANE = 2  # requests at once for cameras that failed lately: they may hang without delaying the others
_LIVE_SHARE = 4  # live reads have as many connections of their own as a quarter of ``acc.concurrency``
_BESIDE_LANE = 1  # reads that the count does not need
_BESIDE_SECONDS = 15.0  # that one of them may take
_CHANGE_CONNECTIONS = 1  # for the requests beside the reads, which are sent one after the other
_CHANGE_SECONDS = 10.0  # that the answer to one of them may take
_LOGIN_CONNECTIONS = 1  # a login does not wait for a connection behind the requests that wait for the login
_BACKOFF = Backoff(first=0.5, longest=8.0, attempts=3)  # seconds

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Request:
    """A read about ``subjects``: cameras or a list.

    Without ``idempotent`` it is not sent again after a lost answer, in the lane LIVE after none at all.
    ``server_id``: of a search, the server of the site that answers it.
    """

    path: str
    subjects: tuple[str, ...]
    query: Query = ()
    lane: Lane = Lane.POLL
    idempotent: bool = True
    server_id: str = ""

    @property
    def kind(self) -> str:
        """Requests of one kind take alike long."""
        return self.server_id if self.is_search else self.path

    @property
    def subject(self) -> str:
        """All subjects as one text, which identifies the request for the connection monitor."""
        return " ".join(self.subjects)

    @property
    def is_search(self) -> bool:
        """Whether it reads events."""
        return self.path == SEARCH

    def may_repeat_after(self, error: Exception) -> bool:
        """Return whether to send it again at once after this failure."""
        if not isinstance(error, AccUnreachable) or isinstance(error, TimedOut):
            return False
        return self.idempotent or isinstance(error, NotTakenUp)


_LOGIN = Request("/login", ("login",))
_LISTS = ("/login", "/server/ids", "/cameras")


class RequestPipeline:
    """Sends reads over a transport, each with the current session.

    ``retries``: failed requests that were sent again, so far.
    """

    def __init__(
        self, settings: AccSettings, clock: ReferenceClock, transport: Transport, backoff: Backoff | None = None
    ) -> None:
        self.retries = 0
        self._timeout = settings.timeout
        self._clock = clock
        self._transport = transport
        self._backoff = backoff or _BACKOFF
        self._hedging = Hedging(clock, settings.timeout, settings.concurrency, light=_LISTS)
        self._session = Session(settings, clock, transport, self._hedging)
        self._renewals = RenewalPolicy(clock)
        self._monitor = ConnectionMonitor(clock, transport.host)
        self._probe = LivenessProbe(self._monitor, clock, settings.timeout)
        self._lanes = {
            Lane.POLL: asyncio.Semaphore(settings.concurrency),
            Lane.SUSPECT: asyncio.Semaphore(min(_SUSPECT_LANE, settings.concurrency)),
            Lane.LIVE: asyncio.Semaphore(_live_lane(settings.concurrency)),
        }
        self._beside_lane = asyncio.Semaphore(_BESIDE_LANE)
        self._beside_seconds = min(_BESIDE_SECONDS, settings.timeout)
        self._change_lane = asyncio.Semaphore(_CHANGE_CONNECTIONS)

    @property
    def logins(self) -> int:
        """How many logins succeeded."""
        return self._session.generation

    @property
    def down_since(self) -> datetime | None:
        """Since when (aware UTC) the server does not answer; None while it does."""
        return self._monitor.down_since

    async def login(self) -> None:
        """Log in; failures of the server itself are retried. Raises AccError or BadSetting."""
        await self._repeat(_LOGIN, self._session.login)
        self._monitor.answered(_LOGIN.subject, events=False)

    async def logout(self) -> None:
        """End the session, best effort. Raises no AccError."""
        await self._session.logout()

    async def send(self, request: Request, decode: Callable[[bytes], _T]) -> _T:
        """Return the decoded answer; failures of the server itself are retried. Raises AccError."""
        if request.lane is Lane.LIVE:
            return await self._send_authorized(request, decode)
        started = self._clock.monotonic()
        answer = await self._repeat(request, lambda: self._send_authorized(request, decode))
        if request.is_search and request.idempotent:
            seconds = self._clock.monotonic() - started
            self._probe.remember(request.subject, lambda: self._send_authorized(request, decode), seconds)
        return answer

    async def send_beside(self, request: Request, decode: Callable[[bytes], _T]) -> _T:
        """Return the decoded answer of a read that the count does not need. Raises AccError.

        It is sent once, in a lane of its own, with the session that there is. What becomes of it shows nothing of the
        server, and a rejection renews no session: a server that does not know it must not notice more than one request.
        """
        async with self._beside_lane:
            response = await self._transport.get(
                request.path, request.query, self._session.id, seconds=self._beside_seconds
            )
        try:
            if response.status >= 400:
                raise parse_error(response.status, response.body)
            return decode(response.body)
        except ApiError as error:
            raise self._session.to_acc_error(error) from None

    async def change(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Response:
        """Send a request beside the reads, once; where the session has expired, once more with a new one.

        No read waits for it, and it shows nothing of the connection. Any status is for the caller. Raises AccError.
        """
        async with self._change_lane:
            if not self._session.generation:
                await self._session.renew(0)
            generation = self._session.generation
            response = await self._send_change(method, path, body)
            if response.status < HTTPStatus.BAD_REQUEST:
                self._renewals.record_read((path,), generation)
            expired = response.status == HTTPStatus.UNAUTHORIZED
            if not expired or not self._renewals.should_renew((path,), generation):
                return response
            await self._session.renew(generation)
            return await self._send_change(method, path, body)

    async def _send_change(self, method: str, path: str, body: Mapping[str, object] | None) -> Response:
        session = self._session.id
        content = None if body is None else {"session": session, **body}  # some versions require the field
        seconds = min(_CHANGE_SECONDS, self._timeout)
        return await self._transport.exchange(method, path, body=content, session=session, seconds=seconds)

    async def _repeat(self, request: Request, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Attempt until the backoff ends. Where the last attempt fails, find out whether the whole server is lost."""

        def record_retry(error: Exception) -> None:
            self.retries += 1
            _log.debug("Se repite %s: %s", request.path, getattr(error, "what", error))

        mark = self._monitor.mark()
        try:
            return await self._backoff.retry(
                attempt, sleep=self._clock.sleep, repeatable=request.may_repeat_after, on_repeat=record_retry
            )
        except Overdue:
            raise  # it shows nothing of the server: it was not waited for
        except AccUnreachable as error:
            in_doubt = self._monitor.failed(request.subject, mark, error, events=request.is_search)
            if in_doubt and not await self._probe.another_is_answered(request.subject):
                self._monitor.lost(error)
            raise

    async def _send_authorized(self, request: Request, decode: Callable[[bytes], _T]) -> _T:
        """Send once with the current session; where that has expired, renew it and send once more."""
        if not self._session.generation:
            await self._session.renew(0)
        renewed = False
        while True:
            generation, response = await self._get(request)
            try:
                answer = self._decode(request, response, decode)
            except ApiError as error:
                failure = error
            else:
                self._renewals.record_read(request.subjects, generation)
                return answer
            may_renew = failure.of_session and not renewed
            if not may_renew or not self._renewals.should_renew(request.subjects, generation):
                raise self._session.to_acc_error(failure)
            await self._session.renew(generation)
            renewed = True

    async def _get(self, request: Request) -> tuple[int, Response]:
        """Return the answer, and the generation of the session that the request carried."""
        async with self._lanes[request.lane]:
            generation, session = self._session.generation, self._session.id  # a new one since it waited for the lane?

            def send(seconds: float = 0.0) -> Awaitable[Response]:
                return self._transport.get(request.path, request.query, session, seconds)

            if request.lane is Lane.LIVE:
                return generation, await self._hedging.attempt(f"{request.kind} live", send)
            if not request.idempotent:
                return generation, await self._hedging.follow(request.kind, send)
            if self._monitor.down_since is not None:
                return generation, await send()
            return generation, await self._hedging.answer(request.kind, send, suspect=request.lane is Lane.SUSPECT)

    def _decode(self, request: Request, response: Response, decode: Callable[[bytes], _T]) -> _T:
        """Decode an answer, and record that there was one. Raises ApiError, AccUnreachable."""
        try:
            if response.status >= 400:
                raise parse_error(response.status, response.body)
            answer = decode(response.body)
        except ApiError as error:
            if error.enveloped and error.status < 500:
                self._monitor.answered(request.subject, events=request.is_search)
            raise
        self._monitor.answered(request.subject, events=request.is_search)
        return answer


def connections(settings: AccSettings) -> int:
    """Return how many connections a pipeline uses at most."""
    live = _live_lane(settings.concurrency)
    beside = live + _BESIDE_LANE + _CHANGE_CONNECTIONS + _LOGIN_CONNECTIONS
    return settings.concurrency + _SUSPECT_LANE + beside + slots(settings.concurrency)


def _live_lane(concurrency: int) -> int:
    """Return how many requests of the lane LIVE are under way at once, beside the others."""
    return max(1, concurrency // _LIVE_SHARE)
