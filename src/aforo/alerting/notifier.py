"""Notifies of alerts: each begin and each end goes to the live state, the log, the journal and the channels, once.

After a restart the journal gives what was on and what was not sent: an alert that is on does not begin again, and a
transition that no channel took before a kill is sent after it. A kill between the sending and its journal entry sends
that transition twice, with the same id.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from aforo.alerting.apprise_channel import AppriseChannel
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

CHECK_AGAIN = 2.0  # real seconds between two checks when nothing changes
CHECK_INTERVAL = 0.5  # real seconds between two checks at least
_MOST_OVER = 50  # alerts that are over, kept for the page
_MOST_TO_SEND = 500  # transitions that wait for the channels; older ones are dropped, and that is logged
_JOURNAL_TIMEOUT = 2.0  # real seconds that a transition waits for its journal entry before it is sent
_LAST_SENDINGS = 3.0  # real seconds at the end in which transitions may still be sent
_MOST_LATE = timedelta(hours=6)  # a transition that was not sent before a kill is sent after it, but not later


class Channel(Protocol):
    """Where transitions are sent to. ``name`` distinguishes channels in the journal."""

    name: str

    async def send(self, transition: AlertTransition, event_name: str) -> bool:
        """Send a transition; False, logged, where that was given up."""
        ...


class _Detail(msgspec.Struct):
    """What the journal keeps of an alert."""

    id: str
    kind: AlertKind
    text: str


class _Delivery(NamedTuple):
    """A transition, and the channels that it has not been sent to."""

    transition: AlertTransition
    channels: Sequence[Channel]


class AlertNotifier:
    """Checks the conditions of the live state and notifies of what begins and ends."""

    def __init__(
        self,
        settings: AlertsSettings,
        live: LiveState,
        clock: Clock,
        database: Database,
        channels: Sequence[Channel] = (),
    ) -> None:
        self._settings = settings
        self._live = live
        self._clock = clock
        self._database = database
        self._channels = tuple(channels)
        self._tracker = AlertTracker(timedelta(seconds=settings.minimum))
        self._levels = ZoneLevels(settings.hysteresis)
        self._over: deque[Alert] = deque(maxlen=_MOST_OVER)
        self._changed = asyncio.Event()
        self._deliveries: asyncio.Queue[_Delivery] = asyncio.Queue(_MOST_TO_SEND)
        self._entry_ids: dict[str, int] = {}
        self._entries = SerialQueue(
            "aforo-alert-entry", _log, failure="Un aviso no se pudo anotar en la base de datos: %s"
        )
        self._reopened_by: datetime | None = None  # an event that was left open is opened again by then, or never
        self._real_time = SystemClock()

    async def run(self) -> None:
        """Check until cancelled."""
        try:
            await self._restore()
            with self._live.listening(self._changed.set):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._deliver_all(), name="aforo-alert-delivery")
                    while True:
                        await wait_until_set(self._changed, self._real_time, CHECK_AGAIN)
                        self._changed.clear()
                        self.check()
                        await self._real_time.sleep(CHECK_INTERVAL)
        finally:
            self._entries.cancel()

    async def finish(self) -> None:
        """Check a last time, and wait some seconds for what is to be sent."""
        self.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SENDINGS):
                await self._deliveries.join()
                await self._entries.join()

    def check(self) -> None:
        """Begin and end the alerts that are due."""
        now = self._clock.now()
        self._live.refresh()
        for transition in self._tracker.step(self._conditions(now), now):
            self._notify(transition)
        active = sorted(self._tracker.active.values(), key=lambda alert: alert.began, reverse=True)
        self._update_live([*active, *self._over])

    def _update_live(self, alerts: Sequence[Alert]) -> None:
        silent = frozenset(subject for kind, subject in self._tracker.active if kind is AlertKind.SILENT_DOOR)
        self._live.update_alerts(alerts, self._levels.known, silent)

    def _conditions(self, now: datetime) -> list[Condition]:
        """Return the conditions of the live state, and those of alerts that it cannot give yet after a restart."""
        live = self._live
        found = conditions(live, self._settings, self._levels, now)
        keys = {condition.key for condition in found}
        unopened = self._reopened_by is not None and now < self._reopened_by and live.event is None
        unread = {AlertKind.SILENT_DOOR} if live.phase in RUNNING else set()
        return found + [
            Condition(alert.kind, alert.subject, None, alert.text)
            for key, alert in self._tracker.active.items()
            if key not in keys and (unopened or alert.kind in unread)
        ]

    def _notify(self, transition: AlertTransition) -> None:
        alert = transition.alert
        if transition.begins:
            _log.warning("Aviso: %s", alert.text)
        else:
            self._over.appendleft(alert)
            _log.info("Fin del aviso: %s", alert.text)
        if self._deliveries.full():
            _log.error("Hay demasiados avisos por enviar: se descarta el más antiguo, que está en el registro.")
            self._deliveries.get_nowait()
            self._deliveries.task_done()
        self._deliveries.put_nowait(_Delivery(transition, self._channels))

    async def _restore(self) -> None:
        """Take the alerts that were on from the journal, and queue the transitions that were not sent."""
        entries = await self._database.entries(kind=JournalKind.ALERT)
        sent = {entry.subject for entry in await self._database.entries(kind=JournalKind.ALERT_SENT)}
        left_open = await self._database.open_events()
        self._reopened_by = left_open[-1].window.until + UNCLOSED_FOR if left_open else None
        recent = [(entry, alert) for entry in entries[-_MOST_TO_SEND:] if (alert := _alert_of(entry)) is not None]
        for entry, alert in recent:
            self._entry_ids[alert.id] = entry.id
            if alert.ended is None:
                self._tracker.restore([alert])
                self._levels.restore(alert)
        oldest = self._clock.now() - _MOST_LATE
        for entry, alert in recent:
            for transition in _transitions_of(alert) if entry.began >= oldest else []:
                channels = [one for one in self._channels if _sent_subject(transition, one) not in sent]
                if channels and not self._deliveries.full():
                    self._deliveries.put_nowait(_Delivery(transition, channels))
        self._update_live(list(self._tracker.active.values()))

    async def _deliver_all(self) -> None:
        """Send one transition after the other. A journal entry that waits for the database holds up none."""
        while True:
            transition, channels = await self._deliveries.get()
            await asyncio.wait([self._entries.add(self._journal(transition))], timeout=_JOURNAL_TIMEOUT)
            await asyncio.gather(*(self._send(transition, channel) for channel in channels))
            self._deliveries.task_done()

    async def _send(self, transition: AlertTransition, channel: Channel) -> None:
        event_name = self._live.event.name if self._live.event else ""
        if await channel.send(transition, event_name):
            self._entries.add(self._journal_sent(_sent_subject(transition, channel)))

    async def _journal_sent(self, subject: str) -> None:
        now = self._clock.now()
        await self._database.begin_entry(JournalKind.ALERT_SENT, subject, now, ended=now)

    async def _journal(self, transition: AlertTransition) -> None:
        alert = transition.alert
        if transition.begins and alert.id not in self._entry_ids:
            detail = json.dumps({"id": alert.id, "kind": alert.kind, "text": alert.text}, ensure_ascii=False)
            self._entry_ids[alert.id] = await self._database.begin_entry(
                JournalKind.ALERT, alert.subject, alert.began, detail=detail, record=self._live.record
            )
        elif not transition.begins and alert.ended is not None and alert.id in self._entry_ids:
            await self._database.end_entry(self._entry_ids.pop(alert.id), alert.ended)


def _alert_of(entry: JournalEntry) -> Alert | None:
    """Return the alert of an entry; None where it cannot be read, as of a damaged file or a later program."""
    try:
        detail = msgspec.json.decode(entry.detail, type=_Detail)
    except (msgspec.MsgspecError, ValueError):
        _log.warning("Una anotación de un aviso no se puede leer: ese aviso no se retoma.")
        return None
    return Alert(detail.id, detail.kind, entry.subject, detail.text, entry.began, entry.ended)


def _transitions_of(alert: Alert) -> list[AlertTransition]:
    begin = AlertTransition(Alert(alert.id, alert.kind, alert.subject, alert.text, alert.began))
    return [begin] if alert.ended is None else [begin, AlertTransition(alert)]


def _sent_subject(transition: AlertTransition, channel: Channel) -> str:
    words = (transition.alert.id, "begin" if transition.begins else "end", channel.name)
    return " ".join(word for word in words if word)


@asynccontextmanager
async def notifying_alerts(
    settings: AlertsSettings, live: LiveState, clock: Clock, database: Database
) -> AsyncIterator[None]:
    """Notify of alerts inside the ``with``. A failure here is logged and touches nothing else.

    Raises BadSetting for addresses that cannot be used.
    """
    async with Webhook.of(settings) as webhook:
        channels: list[Channel] = [] if webhook is None else [webhook]
        if settings.notify_urls:
            channels.append(await AppriseChannel.of([url.get_secret_value() for url in settings.notify_urls]))
        notifier = AlertNotifier(settings, live, clock, database, channels)
        async with background_task(
            notifier.run(),
            name="aforo-alerts",
            log=_log,
            failure="Los avisos fallaron; el conteo sigue. No habrá más avisos hasta el próximo arranque.",
        ) as task:
            try:
                yield
            finally:
                if not task.done():
                    await notifier.finish()
