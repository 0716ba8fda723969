"""Keeps the journal of an evening, for the act: who ran, and what did not answer, from when to when.

It only looks at the board, and the journal waits while the database is away: nothing here holds up the counting.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from aforo.background import SerialQueue, background_task, cancel_and_wait
from aforo.clock import Clock, wait_until_set
from aforo.live.freshness import silences
from aforo.live.state import LiveState
from aforo.models import EventPhase
from aforo.storage import Database, EventRecord, JournalKind

_log = logging.getLogger(__name__)

_GOODBYE = 3.0  # real seconds at the end in which the last notes may be written
_SHORTEST_BEAT = timedelta(seconds=10)  # between two signs of life
_PROCESS = ", proceso "
_RUNNING = frozenset({EventPhase.WATCHING, EventPhase.CLOSING})

Subject = tuple[JournalKind, str]  # the journal's kind, and the camera's id or ""


def died(instance: str) -> bool:
    """Whether a program that gave signs of life was killed on this machine: its successor is not a second one."""
    host, _, rest = instance.partition(_PROCESS)
    number = rest.partition(",")[0]
    if host != socket.gethostname() or not number.isdigit() or os.name == "nt":  # there, to ask is to kill
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's: it is there
        return False
    return False


@dataclass(slots=True)
class _Outage:
    """One that lasts. ``note`` gives its id in the journal, once it is written."""

    began: datetime
    note: Awaitable[int]


class IncidentRecorder:
    """Looks at the board and keeps the journal of the show that is open."""

    def __init__(self, board: LiveState, clock: Clock, database: Database, every: timedelta) -> None:
        self._board = board
        self._clock = clock
        self._database = database
        self._every = max(every, _SHORTEST_BEAT)
        self._me = f"{socket.gethostname()}{_PROCESS}{os.getpid()}, {uuid4().hex[:8]}"
        self._changed = asyncio.Event()
        self._show: EventRecord | None = None
        self._began = clock.now()
        self._beat_at: datetime | None = None
        self._outages: dict[Subject, _Outage] = {}
        self._others: set[str] = set()
        self._entries = SerialQueue(
            "aforo-chronicle-note", _log, failure="Una anotación para el acta no se pudo guardar: %s"
        )
        self._beating: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Keep the journal until cancelled."""
        self._board.listeners.append(self._changed.set)
        try:
            while True:
                await wait_until_set(self._changed, self._clock, self._every.total_seconds() / 2)
                self._changed.clear()
                await self.look()
        finally:
            self._board.listeners.remove(self._changed.set)

    async def finish(self) -> None:
        """Look a last time and let the notes be written, for some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self.look(last=True)
                await self._entries.join()
        self._entries.cancel()

    async def look(self, *, last: bool = False) -> None:
        """Look once: begin and end what is due, and give a sign of life."""
        board, now = self._board, self._clock.now()
        show = board.show
        if show is None or (board.phase not in _RUNNING and not last):
            return
        if self._show is None or self._show.id != show.id:
            await self._take_up(show)
        self._show = show
        down = dict(self._down())
        for subject in down.keys() - self._outages.keys():
            self._begin(show, subject, *down[subject])
        for subject in self._outages.keys() - down.keys() - self._untold(down):
            self._entries.add(self._end(self._outages.pop(subject), now))
        due = last or self._beat_at is None or now - self._beat_at >= self._every
        if due and (self._beating is None or self._beating.done()):
            self._beat_at = now
            self._beating = self._entries.add(self._beat(show))

    def _untold(self, down: Mapping[Subject, object]) -> Set[Subject]:
        """While the server is away nothing is known of its cameras, nor until each was asked after its return."""
        if (JournalKind.ACC_AWAY, "") in down:
            return self._outages.keys()
        return {(JournalKind.CAMERA_AWAY, camera) for camera in silences(self._board.feeds.values())}

    def _down(self) -> Iterator[tuple[Subject, tuple[datetime, str]]]:
        """What does not answer now, since when and why. A camera is only told of while its server is there."""
        away = self._board.signs.link_down_since()
        if away is not None:
            yield (JournalKind.ACC_AWAY, ""), (away, "")
            return
        for status in self._board.feeds.values():
            since = status.failing_alone_since or (status.failing_since if status.server_failing else None)
            if since is not None and not status.unknown:
                camera_id = status.feed.camera_id
                name = self._board.camera_names.get(camera_id, "")
                detail = json.dumps({"name": name, "why": status.error}, ensure_ascii=False)
                yield (JournalKind.CAMERA_AWAY, camera_id), (since, detail)

    async def _take_up(self, show: EventRecord) -> None:
        """Another show: what was open before a restart goes on, or ends at the first look."""
        self._beat_at, self._others = None, set()
        self._outages.clear()
        for note in await self._database.entries(show):
            if note.ended is None and note.kind in {JournalKind.ACC_AWAY, JournalKind.CAMERA_AWAY}:
                self._outages[JournalKind(note.kind), note.subject] = _Outage(
                    note.began, self._entries.add(_known(note.id))
                )

    def _begin(self, show: EventRecord, subject: Subject, began: datetime, detail: str) -> None:
        kind, about = subject
        call = self._database.begin_entry(kind, about, began, detail=detail, record=show)
        self._outages[subject] = _Outage(began, self._entries.add(call))

    async def _end(self, outage: _Outage, now: datetime) -> None:
        await self._database.end_entry(await outage.note, now)

    async def _beat(self, show: EventRecord) -> None:
        now = self._clock.now()
        others = await self._database.beat(show, self._me, self._began, now, self._every)
        alive = {note.subject for note in others if not died(note.subject)}
        for other in sorted(alive - self._others):
            _log.warning(
                "Otro proceso trabaja en este mismo evento y esta misma base (%s). Nada se cuenta dos veces, pero basta"
                " con uno: compruebe si debe estar.",
                other,
            )
        for other in sorted(self._others - alive):
            _log.info("El otro proceso (%s) ya no trabaja en este evento.", other)
        self._others = alive


async def _known(note: int) -> int:
    return note


@asynccontextmanager
async def chronicling(board: LiveState, clock: Clock, database: Database, every: timedelta) -> AsyncIterator[None]:
    """Keep the journal inside the ``with``. Whatever happens here is told, and touches nothing else."""
    chronicle = IncidentRecorder(board, clock, database, every)
    failure = "El diario para el acta falló; el conteo sigue."
    async with background_task(chronicle.run(), name="aforo-chronicle", log=_log, failure=failure) as task:
        try:
            yield
        finally:
            if not task.done():
                await cancel_and_wait(task)
                await chronicle.finish()
