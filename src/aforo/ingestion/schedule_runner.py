"""Runs event after event: chooses the next one from the schedule, watches it, closes it."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

from aforo.clock import wait_until_set
from aforo.errors import BadCommand
from aforo.ingestion.context import RunContext
from aforo.ingestion.event_runner import EventRunner
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.inputs.schedule import Schedule
from aforo.models import ScheduledEvent
from aforo.storage import EventRecord

_log = logging.getLogger(__name__)

_FILE_CHECK = 5.0  # seconds between two checks of the schedule while waiting for an event
_CLOSE_AGAIN = timedelta(minutes=15)  # a service closes again what it could not compare

AfterClose = Callable[[RunContext, EventRecord, Reconciliation], Awaitable[None]]


class ScheduleRunner:
    """Works through the schedule. ``after_close`` is awaited after each close that was not stopped.

    ``continuous``: event after event, day after day; a close that was given up is repeated.
    """

    def __init__(
        self, context: RunContext, queue: ScheduleQueue, after_close: AfterClose, *, continuous: bool = False
    ) -> None:
        self._context = context
        self._queue = queue
        self._after_close = after_close
        self._continuous = continuous

    async def run(self, *, no_wait: bool = False) -> bool:
        """Run the day's events, waiting for the next one unless ``no_wait``; False where a close was given up.

        Returns when they are over, or at a stop. Raises StoreError.
        """
        context, queue = self._context, self._queue
        day, complete = queue.day_of(context.clock.now()), True
        while not context.stopping.is_set():
            event = queue.next_event(context.clock.now())
            if event is not None:
                complete &= await self._run_event(event)
                if not self._continuous and queue.is_done(event) and not queue.more_today(event, day):
                    return complete or context.stopping.is_set()
            elif no_wait:
                log_nothing_now()
                return True
            else:
                await self._wait_for_event()
        return True

    async def backfill(self, events: Iterable[ScheduledEvent]) -> bool:
        """Read and close events that are over, as fast as it goes; False where a close was given up.

        Raises StoreError.
        """
        complete = True
        for event in events:
            record = await self._context.open_record(event)
            runner = EventRunner(self._context, record)
            complete &= await self._close(runner)
            runner.end()
        return complete or self._context.stopping.is_set()

    async def _run_event(self, event: ScheduledEvent) -> bool:
        context, queue = self._context, self._queue
        record = await context.open_record(event)
        now = context.clock.now()
        if record.closed and (event.day < queue.day_of(now) or queue.another_is_on(event, now)):
            queue.mark_done(event)  # complete: yesterday's, past midnight, or one that must not hold up the next
            return True
        runner = EventRunner(context, record)
        try:
            return await self._watch_and_close(event, runner)
        finally:
            runner.end()

    async def _watch_and_close(self, event: ScheduledEvent, runner: EventRunner) -> bool:
        context, queue = self._context, self._queue
        _log.info("Evento «%s»: %d cámaras.", event.name, len(context.cameras.cameras))
        await runner.watch()
        if runner.cancelled:
            return True
        queue.mark_done(event, runner.event)
        if context.stopping.is_set():
            return False
        complete = await self._close(runner)
        if not complete and self._continuous:
            queue.retry_close_at(runner.event, context.clock.now() + _CLOSE_AGAIN)
            _log.warning("El cierre de «%s» se repite en %d minutos.", event.name, _CLOSE_AGAIN.total_seconds() // 60)
        return complete

    async def _close(self, runner: EventRunner) -> bool:
        """Close an event; False when the server or the database was down to the last."""
        reconciliation = await runner.close()
        if not self._context.stopping.is_set():
            await self._after_close(self._context, runner.record, reconciliation)
        return not reconciliation.given_up

    async def _wait_for_event(self) -> None:
        """Wait until something is due, the schedule's file changes, or a stop."""
        context, queue = self._context, self._queue
        upcoming = queue.upcoming(context.clock.now())
        if upcoming is None:
            _log.info("No hay ningún evento próximo en %s: se espera a que cambie.", context.schedule.path)
        else:
            start = upcoming.window.since.astimezone(context.timezone)
            _log.info("Próximo evento: «%s», el %s.", upcoming.name, start.strftime("%Y-%m-%d a las %H:%M:%S"))
        due = queue.next_due_at(context.clock.now())
        while not context.stopping.is_set() and not await context.schedule.refreshed():
            left = (due - context.clock.now()).total_seconds() if due else _FILE_CHECK
            if left <= 0:
                return
            await wait_until_set(context.stopping, context.clock, min(left, _FILE_CHECK))


def log_nothing_now() -> None:
    """Log that no event is due and none is waited for."""
    _log.info("Ahora no hay ningún evento; no se espera (--no-wait).")


def past_events(schedule: Schedule, day: date, now: datetime) -> Sequence[ScheduledEvent]:
    """The events of a date, all of which are over. Raises BadCommand where there is none, or one is not over."""
    events = schedule.on(day)
    if not events:
        raise BadCommand(f"No hay ningún evento programado el {day}.", remedy="Revise eventos_programados.json.")
    if events[-1].window.until > now:
        raise BadCommand(f"El evento del {day} aún no ha terminado.", remedy="Use «aforo run», que lo recupera todo.")
    return events
