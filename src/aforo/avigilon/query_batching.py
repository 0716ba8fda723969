"""May a server be asked about several cameras in one question? Its answers decide, and go on being checked.

Nobody knows whether every version takes several ``deviceIds``. So cameras are asked alone until a question about
several has given all that they gave alone; after that, one camera a turn is asked alone as well, and the first event
that the common answer lacked ends the common questions for good.
"""

import logging
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from aforo.avigilon.client import AvigilonClient
from aforo.avigilon.event_query import EventQuery
from aforo.errors import AccError
from aforo.models import CameraEvent, Page

_log = logging.getLogger(__name__)

_MOST_PROOF = 500  # events of one camera that are worth remembering as a proof
_ENOUGH = 20  # cameras' answers that are remembered of a server: however many it has, that many prove it
_FAILURES = 3  # in so many turns in a row common questions fail: this server does not take them
# An event may have become visible between the two questions: only older ones can contradict the common answer.
_SETTLED = timedelta(seconds=60)

Identity = tuple[str, datetime]


class QueryBatching:
    """What is known of each server. One object an evening."""

    def __init__(self, acc: AvigilonClient) -> None:
        self._acc = acc
        self._answers: dict[EventQuery, set[Identity]] = {}
        self._common: dict[EventQuery, set[Identity]] = {}
        self._tried: set[str] = set()
        self._failures: dict[str, set[int]] = {}
        self._turns = 0

    def most(self, server_id: str) -> int:
        """How many cameras one question to that server may name."""
        return self._acc.together(server_id)

    def begin_cycle(self) -> None:
        """Forget the last turn's answers; it is the next camera's turn to be witness."""
        self._answers.clear()
        self._common.clear()
        self._turns += 1

    def remember(self, ask: EventQuery, page: Page) -> None:
        """Keep what proves or contradicts: a camera's answer alone, and the witness's part of a common answer."""
        if len(ask.cameras) > 1:
            witness = self._witness(ask)
            answer = self._common.setdefault(ask, set())
            answer.update(_identity(event) for event in page.events if event.camera_id == witness)
        elif ask.server_id not in self._tried and page.events and self._wanted(ask):
            answer = self._answers.setdefault(ask, set())
            if len(answer) < _MOST_PROOF:
                answer.update(map(_identity, page.events))

    def _wanted(self, ask: EventQuery) -> bool:
        return ask in self._answers or sum(known.server_id == ask.server_id for known in self._answers) < _ENOUGH

    def worked(self, ask: EventQuery) -> None:
        """A question was answered."""
        if len(ask.cameras) > 1:
            self._failures.pop(ask.server_id, None)

    def failed(self, ask: EventQuery) -> None:
        """A question was not answered; common ones that fail turn after turn end them. An outage tells nothing."""
        if len(ask.cameras) > 1 and self._acc.link_down_since is None:
            turns = self._failures.setdefault(ask.server_id, set())
            turns.add(self._turns)
            if len(turns) >= _FAILURES:
                self._acc.forget_batching(ask.server_id)

    async def prove(self) -> None:
        """Two cameras have answered the same window alone: ask them together, once, and compare."""
        for first in list(self._answers):
            alike = {
                ask.cameras[0]: answer
                for ask, answer in self._answers.items()
                if (ask.server_id, ask.window) == (first.server_id, first.window) and len(answer) < _MOST_PROOF
            }
            if len(alike) > 1 and first.server_id not in self._tried:
                try:
                    await self._acc.prove_batching(first.server_id, alike, first.window)
                except AccError as error:
                    _log.debug("Sin prueba de varias cámaras por pregunta: %s", error)
                else:
                    self._tried.add(first.server_id)

    def to_check(self, asks: Sequence[EventQuery]) -> EventQuery | None:
        """The common question whose witness is asked alone in this turn: another one each turn."""
        common = [ask for ask in asks if len(ask.cameras) > 1]
        return common[self._turns % len(common)] if common else None

    async def witness(self, ask: EventQuery) -> list[CameraEvent]:
        """What the witness of a common question answers alone; nothing where it does not answer."""
        try:
            async with aclosing(self._acc.events(ask.server_id, (self._witness(ask),), ask.window)) as pages:
                return [event async for page in pages for event in page.events]
        except AccError as error:
            _log.debug("El testigo no contestó: %s", error)
            return []

    def contradicted(self, ask: EventQuery, alone: Sequence[CameraEvent], now: datetime) -> bool:
        """Whether the witness alone told of an event that the common answer lacked: no more common questions then."""
        common = self._common.get(ask)
        if common is None or all(event.occurred_at >= now - _SETTLED or _identity(event) in common for event in alone):
            return False
        _log.warning(
            "El servidor %s no contesta bien por varias cámaras a la vez: desde ahora se le pregunta una a una.",
            ask.server_id,
        )
        self._acc.forget_batching(ask.server_id)
        return True

    def _witness(self, ask: EventQuery) -> str:
        return ask.cameras[self._turns % len(ask.cameras)]


def _identity(event: CameraEvent) -> Identity:
    return event.this_id, event.occurred_at
