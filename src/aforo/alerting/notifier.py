"""Warns: each alert's beginning and its end go to the page, the log, the journal and the webhook, once.

The journal makes a restart go on where it was: an alert that is on is not begun again, and a notice that was not sent
before a kill is sent after it. A kill between sending and noting it sends that one notice twice, with the same id.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from aforo.alerting.engine import AlertTracker, AlertTransition, Condition, ZoneLevels
from aforo.alerting.rules import RUNNING, conditions
from aforo.alerting.webhook import Webhook
from aforo.background import SerialQueue, background_task
from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.inputs.schedule import UNCLOSED_FOR
from aforo.live.state import LiveState
from aforo.models import Alert, AlertKind
from aforo.settings import AlertsSettings
from aforo.storage import Database, JournalEntry, JournalKind

_log = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0  # real seconds between two looks when nothing changes
_PACE = 0.5  # real seconds between two looks at least
_MOST_OVER = 50  # alerts that are over, kept for the page
_MOST_TO_SEND = 500  # notices that wait for the webhook; older ones are let go, and that is told
_JOURNAL_PATIENCE = 2.0  # real seconds that a notice waits for the journal before it is sent
_GOODBYE = 3.0  # real seconds at the end in which the last notices may go out
_OLD_NEWS = timedelta(hours=6)  # a notice that was not sent before a kill is sent after it, but not days later


class AlertNotifier:
    """Looks at the board and warns."""

    def __init__(
        self,
        settings: AlertsSettings,
        board: LiveState,
        clock: Clock,
        database: Database,
        webhook: Webhook | None,
    ) -> None:
        self._settings = settings
        self._board = board
        self._clock = clock
        self._database = database
        self._webhook = webhook
        self._watch = AlertTracker(timedelta(seconds=settings.minimum))
        self._over: deque[Alert] = deque(maxlen=_MOST_OVER)
        self._changed = asyncio.Event()
        self._notices: asyncio.Queue[AlertTransition] = asyncio.Queue(_MOST_TO_SEND)
        self._notes: dict[str, int] = {}
        self._entries = SerialQueue(
            "aforo-notice-note", _log, failure="Un aviso no se pudo anotar en la base de datos: %s"
        )
        self._opened_by: datetime | None = None  # an evening was left open, and will be opened again, by then or never
        self._pace = SystemClock()
        board.levels = ZoneLevels(settings.hysteresis)

    async def run(self) -> None:
        """Watch until cancelled."""
        self._board.listeners.append(self._changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._restore()
                tasks.create_task(self._deliver_all(), name="aforo-notices")
                while True:
                    await wait_until_set(self._changed, self._pace, _LOOK_AGAIN)
                    self._changed.clear()
                    self.look()
                    await self._pace.sleep(_PACE)
        finally:
            self._board.listeners.remove(self._changed.set)
            self._entries.cancel()

    async def finish(self) -> None:
        """Look a last time, and let what is to be told go out for some seconds."""
        self.look()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._notices.join()
                await self._entries.join()

    def look(self) -> None:
        """Look once: begin and end what is due."""
        board, now = self._board, self._clock.now()
        board.look()
        notices = self._watch.step(self._conditions(now), now)
        for notice in notices:
            self._tell(notice)
        silent = {subject for kind, subject in self._watch.active if kind is AlertKind.SILENT_DOOR}
        if notices or board.silent_doors != silent:
            board.silent_doors = frozenset(silent)
            active = sorted(self._watch.active.values(), key=lambda alert: alert.began, reverse=True)
            board.alerts = (*active, *self._over)
            board.notify()

    def _conditions(self, now: datetime) -> list[Condition]:
        """What is on the board, and what was on before and the board does not tell of yet, after a restart."""
        board = self._board
        found = conditions(board, self._settings, board.levels, now)
        known = {(condition.kind, condition.subject) for condition in found}
        unopened = self._opened_by is not None and now < self._opened_by and board.event is None
        unread = {AlertKind.SILENT_DOOR} if board.phase in RUNNING else set()
        return found + [
            Condition(alert.kind, alert.subject, None, alert.text)
            for key, alert in self._watch.active.items()
            if key not in known and (unopened or alert.kind in unread)
        ]

    def _tell(self, notice: AlertTransition) -> None:
        alert = notice.alert
        if notice.begins:
            _log.warning("Aviso: %s", alert.text)
        else:
            self._over.appendleft(alert)
            _log.info("Fin del aviso: %s", alert.text)
        if self._notices.full():
            _log.error("Hay demasiados avisos por enviar: se descarta el más antiguo, que está en el registro.")
            self._notices.get_nowait()
        self._notices.put_nowait(notice)

    async def _restore(self) -> None:
        """Take up the alerts that were on, and send what was not sent."""
        notes = await self._database.entries(kind=JournalKind.ALERT)
        sent = {note.subject for note in await self._database.entries(kind=JournalKind.ALERT_SENT)}
        left_open = await self._database.last_open_event()
        self._opened_by = left_open.window.until + UNCLOSED_FOR if left_open is not None else None
        recent = notes[-_MOST_TO_SEND:]
        for note in recent:
            alert = _alert(note)
            self._notes[alert.id] = note.id
            if alert.ended is None:
                self._watch.restore([alert])
                self._board.levels.restore(alert)
        oldest = self._clock.now() - _OLD_NEWS
        for note in recent:
            for notice in _notices(_alert(note)) if note.began >= oldest else []:
                if _subject(notice) not in sent and self._webhook is not None and not self._notices.full():
                    self._notices.put_nowait(notice)
        self._board.alerts = tuple(self._watch.active.values())

    async def _deliver_all(self) -> None:
        """Send one notice after the other. What the journal waits for, while the database is away, holds up none."""
        while True:
            notice = await self._notices.get()
            await asyncio.wait([self._entries.add(self._journal(notice))], timeout=_JOURNAL_PATIENCE)
            if self._webhook is not None and await self._webhook.send(notice, self._event_name()):
                self._entries.add(self._journal_sent(notice))
            self._notices.task_done()

    async def _journal_sent(self, notice: AlertTransition) -> None:
        now = self._clock.now()
        await self._database.begin_entry(JournalKind.ALERT_SENT, _subject(notice), now, ended=now)

    async def _journal(self, notice: AlertTransition) -> None:
        alert = notice.alert
        if notice.begins and alert.id not in self._notes:
            detail = json.dumps({"id": alert.id, "kind": alert.kind, "text": alert.text}, ensure_ascii=False)
            self._notes[alert.id] = await self._database.begin_entry(
                JournalKind.ALERT, alert.subject, alert.began, detail=detail, record=self._board.show
            )
        elif not notice.begins and alert.ended is not None and alert.id in self._notes:
            await self._database.end_entry(self._notes.pop(alert.id), alert.ended)

    def _event_name(self) -> str:
        return self._board.event.name if self._board.event else ""


def _alert(note: JournalEntry) -> Alert:
    detail: dict[str, Any] = json.loads(note.detail)
    return Alert(detail["id"], AlertKind(detail["kind"]), note.subject, detail["text"], note.began, note.ended)


def _notices(alert: Alert) -> list[AlertTransition]:
    begin = AlertTransition(Alert(alert.id, alert.kind, alert.subject, alert.text, alert.began))
    return [begin] if alert.ended is None else [begin, AlertTransition(alert)]


def _subject(notice: AlertTransition) -> str:
    return f"{notice.alert.id} {'begin' if notice.begins else 'end'}"


@asynccontextmanager
async def watching(settings: AlertsSettings, board: LiveState, clock: Clock, database: Database) -> AsyncIterator[None]:
    """Warn inside the ``with``. Whatever happens here is told, and touches nothing else."""
    async with Webhook.of(settings) as webhook:
        watchman = AlertNotifier(settings, board, clock, database, webhook)
        failure = "Los avisos fallaron; el conteo sigue. No habrá más avisos hasta el próximo arranque."
        async with background_task(watchman.run(), name="aforo-watchman", log=_log, failure=failure) as task:
            try:
                yield
            finally:
                if not task.done():
                    await watchman.finish()
