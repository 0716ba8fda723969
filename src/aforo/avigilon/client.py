"""The door of this room: ``AvigilonClient`` speaks to Avigilon's Web Endpoint and gives typed answers or AccErrors."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from aforo.avigilon.connectivity import ConnectionMonitor
from aforo.avigilon.errors import ApiError, NotTakenUp, TimedOut, refusal, to_acc_error
from aforo.avigilon.pagination import Search
from aforo.avigilon.payloads import Answer, Camera, Server, decode_cameras, decode_events, decode_servers, success
from aforo.avigilon.query_batching import BatchLimits
from aforo.avigilon.retry import RetryPolicy
from aforo.avigilon.rights import Rights
from aforo.avigilon.session import Session
from aforo.avigilon.transport import Query, Response, Transport
from aforo.clock import Clock
from aforo.errors import AccError, AccUnreachable
from aforo.models import Page, Window
from aforo.settings import AccSettings

_log = logging.getLogger("aforo.avigilon")
_T = TypeVar("_T")
_SUSPECT_LANE = 2  # requests at once for cameras in trouble: they may hang without holding up the healthy
_WITNESSES = 8  # kept, so that one of them is about a subject that does not fail
_WITNESS_SECONDS = 5.0  # one that was answered of late is answered soon, or not at all…
_WITNESS_TIMES = 2.0  # …where it took long, in as much time again; in ``acc.timeout`` somebody is, of all who wait
_EVENTS = "/events/search"
_LOGIN_CONNECTIONS = 1  # a login never waits for a connection behind the requests that wait for it


@dataclass(frozen=True, slots=True)
class _Request:
    """A read. ``subjects`` says about what; ``once``: a lost answer may not be asked for again."""

    path: str
    subjects: tuple[str, ...]
    query: Query = ()
    suspect: bool = False
    once: bool = False

    @property
    def subject(self) -> str:
        """All that it is about, as one: how the link knows it."""
        return " ".join(self.subjects)


class AvigilonClient:
    """The cameras' server. An async context manager: it owns the connections, and logs out at the end.

    Counters for the status strip: ``requests`` sent, ``retries`` of failed ones, ``relogins`` after expired sessions.
    """

    def __init__(self, settings: AccSettings, clock: Clock, retry: RetryPolicy | None = None) -> None:
        self.retries = 0
        self._settings = settings
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._wire = Transport(settings, clock, settings.concurrency + _SUSPECT_LANE + _LOGIN_CONNECTIONS)
        self._session = Session(settings, clock, self._wire)
        self._link = ConnectionMonitor(clock, self._wire.host)
        self._lane = asyncio.Semaphore(settings.concurrency)
        self._suspects = asyncio.Semaphore(min(_SUSPECT_LANE, settings.concurrency))
        self._search = Search()
        self._batch_limits = BatchLimits(self._wire.host)
        self._rights = Rights(clock)
        self._witnesses: dict[str, tuple[_Request, float]] = {}

    def __repr__(self) -> str:
        return f"<Acc {self._wire.host}>"

    async def __aenter__(self) -> "AvigilonClient":
        await self._wire.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._session.logout()
        finally:
            await self._wire.close()

    @property
    def requests(self) -> int:
        """Requests sent, logins included."""
        return self._wire.requests

    @property
    def relogins(self) -> int:
        """Logins after the first."""
        return max(0, self._session.generation - 1)

    @property
    def link_down_since(self) -> datetime | None:
        """Since when (aware UTC) the server does not answer; None while it does."""
        return self._link.down_since

    @property
    def batch_limits(self) -> BatchLimits:
        """How many cameras one query to each server may name."""
        return self._batch_limits

    @property
    def clock_skew(self) -> timedelta | None:
        """The server's clock less ours, None while it is not known; zero where it is less than can be measured."""
        return self._wire.skew

    async def login(self) -> None:
        """Log in. Raises AccRejectedLogin, AccUntrusted, AccBadRequest, AccUnreachable (retries failed), BadSetting."""
        await self._tried(self._session.login, _Request("/login", ("login",)))
        self._link.answered("login", events=False)

    async def logout(self) -> None:
        """End the session, best effort. Raises no AccError."""
        await self._session.logout()

    async def servers(self) -> list[Server]:
        """Every server of the site, or only the one that ``acc.server_id`` names. Raises AccError."""
        if self._settings.server_id:
            return [Server(self._settings.server_id, self._settings.server_id)]
        return await self._ask(_Request("/server/ids", ("servidores",)), decode_servers)

    async def cameras(self) -> list[Camera]:
        """The cameras that this user may see. Raises AccError."""
        return await self._ask(_Request("/cameras", ("cámaras",), [("verbosity", "HIGH")]), decode_cameras)

    def events(
        self, server_id: str, camera_ids: Sequence[str], window: Window, *, suspect: bool = False
    ) -> AsyncGenerator[Page, None]:
        """All events of these cameras in the window, page by page, whatever the server's paging; nothing outside it.

        An event may come twice, always with the same identity. ``suspect``: these cameras are in trouble, and are asked
        in a small lane of their own. Raises AccError: AccWindowTooLarge for a window that takes too many requests,
        AccIncomplete only after all that could be had was yielded.
        """

        subjects = tuple(f"{server_id} {camera_id}" for camera_id in camera_ids)

        async def ask(query: Query, *, once: bool) -> Answer:
            question = _Request(_EVENTS, subjects, query, suspect, once)
            asked_at = self._clock.monotonic()
            answer = await self._ask(question, lambda body: decode_events(body, server_id))
            if not once:
                self._keep_witness(question, self._clock.monotonic() - asked_at)
            return answer

        return self._search.events(ask, server_id, camera_ids, window)

    async def _ask(self, question: _Request, decode: Callable[[bytes], _T]) -> _T:
        return await self._tried(lambda: self._with_session(question, decode), question)

    async def _tried(self, attempt: Callable[[], Awaitable[_T]], question: _Request) -> _T:
        """Attempt, and repeat what the server's own trouble made fail. Everything else is raised at once."""
        mark = self._link.mark()
        failures = 0
        while True:
            try:
                return await attempt()
            except AccUnreachable as error:
                failures += 1
                if failures >= self._retry.attempts or not _repeatable(error, question):
                    doubtful = self._link.failed(question.subject, mark, error, events=question.path == _EVENTS)
                    if doubtful and not await self._another_is_answered(question.subject):
                        self._link.lost(error)
                    raise
                _log.debug("Se repite %s: %s", question.path, error.what)
            self.retries += 1
            await self._clock.sleep(self._retry.pause(failures))

    def _keep_witness(self, question: _Request, took: float) -> None:
        """Remember the last questions that were answered, each about another subject, and the seconds that it took."""
        self._witnesses.pop(question.subject, None)
        self._witnesses[question.subject] = question, took
        if len(self._witnesses) > _WITNESSES:
            del self._witnesses[next(iter(self._witnesses))]

    async def _another_is_answered(self, subject: str) -> bool:
        """Whether only this subject fails, or some: ask again what was answered of late about another, a well one."""
        others = [about for about in self._witnesses if about != subject]
        well = [about for about in others if self._link.is_well(about)]
        mark = self._link.mark()
        if others:
            witness, took = self._witnesses[(well or others)[-1]]
            patience = min(max(_WITNESS_SECONDS, _WITNESS_TIMES * took), self._settings.timeout)
            try:
                async with self._clock.timeout(patience):
                    await self._with_session(witness, success)
            except (AccError, TimeoutError) as error:
                _log.debug("El servidor tampoco contesta por %s: %r", witness.subject, error)
        return self._link.mark() != mark

    async def _with_session(self, question: _Request, decode: Callable[[bytes], _T]) -> _T:
        """One attempt; a session that has expired is renewed, once."""
        if not self._session.generation:
            await self._session.renew(0)
        try:
            return await self._once(question, decode)
        except ApiError as refused:
            if not refused.of_session or not self._rights.gives_up(question.subjects, refused.generation):
                raise self._told(refused) from None
            stale = refused.generation
        await self._session.renew(stale)
        try:
            return await self._once(question, decode)
        except ApiError as refused:
            raise self._told(refused) from None

    def _told(self, refused: ApiError) -> AccError:
        return self._session.denied(refused) if refused.of_session else to_acc_error(refused, self._session.secrets)

    async def _once(self, question: _Request, decode: Callable[[bytes], _T]) -> _T:
        async with self._suspects if question.suspect else self._lane:
            generation = self._session.generation  # read here: while it waited for its turn, others may have renewed
            reply = await self._wire.get(question.path, question.query, self._session.secret)
        try:
            decoded = self._decoded(question, reply, decode)
        except ApiError as refused:
            refused.generation = generation
            raise
        self._rights.granted(question.subjects, generation)
        return decoded

    def _decoded(self, question: _Request, reply: Response, decode: Callable[[bytes], _T]) -> _T:
        subject, events = question.subject, question.path == _EVENTS
        try:
            if reply.status >= 400:
                raise refusal(reply.status, reply.body)
            decoded = decode(reply.body)
        except ApiError as refused:
            if refused.enveloped and refused.status < 500:
                self._link.answered(subject, events=events)
            raise
        self._link.answered(subject, events=events)
        return decoded


def _repeatable(error: AccUnreachable, question: _Request) -> bool:
    return isinstance(error, NotTakenUp) if question.once else not isinstance(error, TimedOut)
