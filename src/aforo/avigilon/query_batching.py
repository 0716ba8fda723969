"""Decide whether a server takes several cameras in one query: its answers decide, and go on being checked.

Whether every version of the Web Endpoint takes several ``deviceIds`` is not known. So each camera is queried alone
until a joint query has returned everything that the single queries returned. From then on, one camera of a joint query
is also queried alone in each poll cycle (the cross-check); the first event that the joint answer lacks ends joint
queries to that server for good.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Protocol

from aforo.avigilon.event_query import EventQuery
from aforo.errors import AccBadRequest, AccDenied, AccError, AccIncomplete, AccUnknownCamera, AccUnreachable
from aforo.models import CameraEvent, Page, Window

_log = logging.getLogger(__name__)

_MAX_CAMERAS = 40  # in one query
_MAX_URL = 4000  # characters: proxies and old servers cut longer ones
_MAX_ID = 80  # characters of a camera id, as far as is known
_REST_OF_URL = 320  # characters of the path, the server's id and the other parameters
_PARAMETER = len("&deviceIds=")

_MAX_PROOF_EVENTS = 500  # of one camera: with more, a joint query would cost too much
_MAX_PROOF_CAMERAS = 20  # of one server: so many prove it, however many it has
_MAX_FAILED_CYCLES = 3  # in which joint queries failed, without an answer in between: the server does not take them
# An event may have become visible between the two queries: only older ones can contradict the joint answer.
_SETTLED = timedelta(seconds=60)

EventIdentity = tuple[str, datetime]  # ``this_id`` and ``occurred_at``
ReadEvents = Callable[[str, Sequence[str], Window], AsyncIterator[Page]]


class BatchLimits:
    """How many cameras one query to each server may name: 1 until more is proven, and for good once it failed."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._proven: dict[str, int] = {}
        self._disabled: set[str] = set()

    def max_cameras(self, server_id: str) -> int:
        """Return how many cameras a query to that server may name."""
        return self._proven.get(server_id, 1)

    def disable(self, server_id: str) -> None:
        """Allow one camera in a query to that server from now on, for good."""
        self._disabled.add(server_id)
        self._proven.pop(server_id, None)

    async def prove(
        self, events: ReadEvents, server_id: str, answers: Mapping[str, Set[EventIdentity]], window: Window
    ) -> bool:
        """Query several cameras jointly and compare with what each answered alone; return whether joint queries work.

        ``answers``: by camera, over a window in which no event can come late any more. False without two cameras that
        have events, where the server did not answer, or, for good, where joint queries failed. Raises AccError.
        """
        if server_id in self._disabled or sum(map(bool, answers.values())) < 2:
            return False
        try:
            joint = await _identities_by_camera(events(server_id, list(answers), window))
        except AccUnreachable as error:
            _log.debug("Sin prueba de varias cámaras por consulta: %s", error.what)
            return False
        except (AccBadRequest, AccDenied, AccUnknownCamera, AccIncomplete) as error:
            _log.info("El servidor %s no admite varias cámaras por consulta: %s", server_id, error.what)
            self.disable(server_id)
            return False
        if any(answer - joint.get(camera, set()) for camera, answer in answers.items()):
            _log.info("El servidor %s no da todo con varias cámaras por consulta: se pregunta una a una.", server_id)
            self.disable(server_id)
            return False
        if server_id not in self._disabled:  # a cross-check may have failed meanwhile
            self._proven[server_id] = _cameras_that_fit(self._host, answers)
        return self.max_cameras(server_id) > 1


async def _identities_by_camera(pages: AsyncIterator[Page]) -> dict[str, set[EventIdentity]]:
    joint: dict[str, set[EventIdentity]] = {}
    async for page in pages:
        for event in page.events:
            joint.setdefault(event.camera_id, set()).add(_identity(event))
    return joint


def _cameras_that_fit(host: str, cameras: Mapping[str, object]) -> int:
    """Return how many cameras the longest URL can name."""
    longest = max(_MAX_ID, *map(len, cameras))
    return max(1, min(_MAX_CAMERAS, (_MAX_URL - _REST_OF_URL - len(host)) // (longest + _PARAMETER)))


class BatchingClient(Protocol):
    """What batching needs of a client."""

    @property
    def batch_limits(self) -> BatchLimits:
        """What is known of each server, for as long as the client lives."""
        ...

    @property
    def link_down_since(self) -> datetime | None:
        """Since when (aware UTC) no server answers; None while one does."""
        ...

    def events(self, server_id: str, camera_ids: Sequence[str], window: Window) -> AsyncGenerator[Page, None]:
        """Read all events of the cameras in the window. Raises AccError."""
        ...


class QueryBatching:
    """Collects the evidence of one event's poll cycles, proves joint queries by it and cross-checks them."""

    def __init__(self, client: BatchingClient) -> None:
        self._client = client
        self._alone: dict[EventQuery, set[EventIdentity]] = {}
        self._joint: dict[EventQuery, set[EventIdentity]] = {}
        self._tried: set[str] = set()
        self._failed_cycles: dict[str, set[int]] = {}
        self._cycle = 0

    def max_cameras(self, server_id: str) -> int:
        """Return how many cameras a query to that server may name."""
        return self._client.batch_limits.max_cameras(server_id)

    def begin_cycle(self) -> None:
        """Drop the answers of the last poll cycle and move the cross-check on to the next camera."""
        self._alone.clear()
        self._joint.clear()
        self._cycle += 1

    def record_page(self, query: EventQuery, page: Page) -> None:
        """Keep what can prove or contradict: a single answer, or the cross-checked camera's part of a joint one."""
        if len(query.cameras) > 1:
            camera = self._cross_checked_camera(query)
            answer = self._joint.setdefault(query, set())
            answer.update(_identity(event) for event in page.events if event.camera_id == camera)
        elif query.server_id not in self._tried and page.events and self._is_wanted(query):
            answer = self._alone.setdefault(query, set())
            if len(answer) < _MAX_PROOF_EVENTS:
                answer.update(map(_identity, page.events))

    def _is_wanted(self, query: EventQuery) -> bool:
        if query in self._alone:
            return True
        return sum(known.server_id == query.server_id for known in self._alone) < _MAX_PROOF_CAMERAS

    def record_success(self, query: EventQuery) -> None:
        """Record that a query was answered."""
        if len(query.cameras) > 1:
            self._failed_cycles.pop(query.server_id, None)

    def record_failure(self, query: EventQuery) -> None:
        """Record that a query failed; joint ones that fail cycle after cycle are disabled. An outage proves nothing."""
        if len(query.cameras) > 1 and self._client.link_down_since is None:
            cycles = self._failed_cycles.setdefault(query.server_id, set())
            cycles.add(self._cycle)
            if len(cycles) >= _MAX_FAILED_CYCLES:
                self._client.batch_limits.disable(query.server_id)

    async def prove(self) -> None:
        """Where two cameras have answered the same window alone, query them jointly, once, and compare."""
        for first in list(self._alone):
            alike = {
                query.cameras[0]: answer
                for query, answer in self._alone.items()
                if (query.server_id, query.window) == (first.server_id, first.window)
                and len(answer) < _MAX_PROOF_EVENTS
            }
            if len(alike) > 1 and first.server_id not in self._tried:
                try:
                    await self._client.batch_limits.prove(self._client.events, first.server_id, alike, first.window)
                except AccError as error:
                    _log.debug("Sin prueba de varias cámaras por pregunta: %s", error)
                else:
                    self._tried.add(first.server_id)

    def pick_cross_check(self, queries: Sequence[EventQuery]) -> EventQuery | None:
        """Return the joint query that is cross-checked in this cycle, another one each cycle; None without any."""
        joint = [query for query in queries if len(query.cameras) > 1]
        return joint[self._cycle % len(joint)] if joint else None

    async def cross_check(self, query: EventQuery) -> list[CameraEvent]:
        """Query one camera of a joint query alone; return its events, none where it does not answer."""
        cameras = (self._cross_checked_camera(query),)
        try:
            async with aclosing(self._client.events(query.server_id, cameras, query.window)) as pages:
                return [event async for page in pages for event in page.events]
        except AccError as error:
            _log.debug("El testigo no contestó: %s", error)
            return []

    def is_contradicted(self, query: EventQuery, alone: Sequence[CameraEvent], now: datetime) -> bool:
        """Return whether the joint answer lacks one of the events in ``alone``; joint queries are disabled then."""
        joint = self._joint.get(query)
        if joint is None or all(event.occurred_at >= now - _SETTLED or _identity(event) in joint for event in alone):
            return False
        _log.warning(
            "El servidor %s no contesta bien por varias cámaras a la vez: desde ahora se le pregunta una a una.",
            query.server_id,
        )
        self._client.batch_limits.disable(query.server_id)
        return True

    def _cross_checked_camera(self, query: EventQuery) -> str:
        return query.cameras[self._cycle % len(query.cameras)]


def _identity(event: CameraEvent) -> EventIdentity:
    return event.this_id, event.occurred_at
