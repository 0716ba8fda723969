"""Runs the schedule's events: each is watched and closed, the close of one beside the watch of the next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import date, datetime, timedelta

from aforo.background import cancel_and_wait
from aforo.clock import wait_until_set
from aforo.errors import BadCommand
from aforo.ingestion.context import RunContext
from aforo.ingestion.event_runner import EventRunner
from aforo.ingestion.later_comparisons import comparison_times
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.inputs.schedule import UNCLOSED_FOR, Schedule
from aforo.models import EventPhase, Outcome, ReconciliationResult, ScheduledEvent
from aforo.storage import EventRecord
from aforo.wording import plural

_log = logging.getLogger(__name__)

_FILE_CHECK = 5.0  # seconds between two checks of the schedule while waiting for an event
_CLOSE_AGAIN = timedelta(minutes=15)  # a service closes again what it could not compare

AfterClose = Callable[[RunContext, EventRecord, Reconciliation], Awaitable[None]]


class _EventRun:
    """One event that is due, on its way from its opening to the end of its close. ``task``: False where it is given up.

    ``schedule``: what the event was taken from. ``closing``: it may be cancelled for a later version of the event.
    """

    def __init__(self, event: ScheduledEvent, schedule: Schedule) -> None:
        self.schedule = schedule
        self.runner: EventRunner | None = None
        self.closing = False
        self.task: asyncio.Task[bool]
        self._event = event

    @property
    def event(self) -> ScheduledEvent:
        """The event as the schedule has it, edits that were taken up included."""
        edited = self.runner.edited if self.runner is not None else None
        return edited or self._event

    def shares_time_with(self, event: ScheduledEvent) -> bool:
        """Whether another event takes time from it, or is a later version of it."""
        mine = self.event.window
        return mine.since < event.window.until and event.window.since < mine.until


class ScheduleRunner:
    """Works through the schedule. ``after_close`` is awaited after each close that was not stopped.

    Each event has a task of its own: the next one is watched from its first second, while the last one has its grace
    and is closed. ``continuous``: event after event, day after day; a close that was given up is repeated.
    """

    def __init__(
        self, context: RunContext, queue: ScheduleQueue, after_close: AfterClose, *, continuous: bool = False
    ) -> None:
        self._context = context
        self._queue = queue
        self._after_close = after_close
        self._continuous = continuous
        self._runs: list[_EventRun] = []
        self._reported: dict[ScheduledEvent, ReconciliationResult] = {}  # what the last report of each says

    async def run(self, *, no_wait: bool = False) -> bool:
        """Run the day's events, waiting for the next one unless ``no_wait``; False where a close was given up.

        Returns when they are over, or at a stop. Raises StoreError.
        """
        context, queue = self._context, self._queue
        day, complete, last = queue.day_of(context.clock.now()), True, None
        if self._continuous:
            await self._resume_comparisons()
        try:
            while not context.stopping.is_set():
                await self._begin_due()
                if not self._runs and last is not None and self._was_the_last(last, day):
                    return complete
                if not self._runs and no_wait:
                    log_nothing_now()
                    return complete
                await (self._wait() if self._runs else self._wait_for_event())
                for run in [run for run in self._runs if run.task.done()]:
                    last = run.event
                    complete &= self._result(run)
            await asyncio.gather(*(run.task for run in self._runs))
            return True
        finally:
            await self._cancel(self._runs)

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

    async def _begin_due(self) -> None:
        """Begin the events that are due. One that is closed by the times of before an edit gives way to the edited."""
        schedule = self._context.schedule.schedule
        for event in self._queue.due(self._context.clock.now()):
            before = [run for run in self._runs if run.shares_time_with(event)]
            if any(run.event == event or not run.closing for run in before):
                continue  # it is under way, or who watches its time takes up the edit first
            await self._cancel(before)
            self._begin(_EventRun(event, schedule), self._run_event)
        for event in self._queue.to_compare_again(self._context.clock.now()):
            if not any(run.shares_time_with(event) for run in self._runs):
                self._begin(_EventRun(event, schedule), self._compare_again)

    def _begin(self, run: _EventRun, work: Callable[[_EventRun], Coroutine[None, None, bool]]) -> None:
        run.task = asyncio.create_task(work(run), name=f"aforo-event-{run.event.day}")
        self._runs.append(run)

    async def _run_event(self, run: _EventRun) -> bool:
        context, queue, event = self._context, self._queue, run.event
        record = await context.open_record(event)
        now = context.clock.now()
        if record.closed and (event.day < queue.day_of(now) or queue.another_is_on(event, now)):
            queue.mark_done(event)  # complete: yesterday's, past midnight, or one that must not hold up the next
            if self._continuous:
                await self._plan_comparisons(event, record, first=True)
            return True
        run.runner = runner = EventRunner(context, record, run.schedule, lambda: self._others(run))
        _log.info("Evento «%s»: %d cámaras.", event.name, len(context.cameras.cameras))
        try:
            await runner.watch()
            if runner.cancelled:
                return True
            queue.mark_done(run.event, runner.event)
            if context.stopping.is_set():
                return False
            run.closing = True
            reconciliation = await runner.close()
            run.closing = False
            if runner.cancelled:
                return True
            complete = await self._closed(runner, reconciliation)
            if complete and not context.stopping.is_set() and self._continuous:
                await self._end_comparisons(run.event, runner.record)  # those that were due: the close was one
                await self._plan_comparisons(run.event, runner.record, first=record.closed)
        finally:
            runner.end()
        if not complete and self._continuous:
            queue.retry_close_at(run.event, context.clock.now() + _CLOSE_AGAIN)
            _log.warning("El cierre de «%s» se repite en %d minutos.", event.name, _CLOSE_AGAIN.total_seconds() // 60)
        elif complete and not self._continuous and not context.stopping.is_set():
            text = "Si algo llega más tarde, se recoge y se compara otra vez con «aforo backfill %s»."
            _log.info(text, event.day)
        return complete

    async def _close(self, runner: EventRunner) -> bool:
        return await self._closed(runner, await runner.close())

    async def _closed(self, runner: EventRunner, reconciliation: Reconciliation) -> bool:
        """Do what follows a close; False when the server or the database was down to the last."""
        if not self._context.stopping.is_set():
            await self._report(runner.record, reconciliation)
        return not reconciliation.given_up

    async def _report(self, record: EventRecord, reconciliation: Reconciliation) -> None:
        self._reported[record.event] = reconciliation.result
        await self._after_close(self._context, record, reconciliation)

    def _is_news(self, record: EventRecord, reconciliation: Reconciliation) -> bool:
        """Whether a comparison came to anything else than the report says; after a restart, whether to reservations.

        What could not be compared this time says nothing: the report stays.
        """
        reported = self._reported.get(record.event)
        if reconciliation.outcome is Outcome.NOT_COMPARED:
            return False
        return bool(reconciliation.reservations) if reported is None else reported != reconciliation.result

    async def _plan_comparisons(self, event: ScheduledEvent, record: EventRecord, *, first: bool) -> None:
        """Plan when to compare an event again after its close.

        ``first``: it was closed before; a kill may have come between that and the plan.
        """
        context, now = self._context, self._context.clock.now()
        due = comparison_times(now, context.timezone)
        if not await context.database.plan_comparisons(record, due, now, first=first):
            return
        self._queue.end_comparisons(event, due[-1])
        for instant in due:
            self._queue.plan_comparison(event, instant)

    async def _resume_comparisons(self) -> None:
        """Go on with the comparisons that were planned before a restart."""
        for event, due in await self._context.database.planned_comparisons():
            if self._context.clock.now() < due + UNCLOSED_FOR:
                self._queue.plan_comparison(event, due)

    async def _compare_again(self, run: _EventRun) -> bool:
        """Compare an event again, some time after its close; the report is made anew where that changes it."""
        context, event = self._context, run.event
        record = await context.open_record(context.schedule.schedule.edited(event) or event)
        run.runner = runner = EventRunner(context, record)
        try:
            run.closing = True
            reconciliation, found = await runner.compare_again()
            run.closing = False
            if context.stopping.is_set():
                return True
            next_at = await self._end_comparisons(event, runner.record)
            self._write_comparison(event, reconciliation, found, next_at)
            is_news = self._is_news(runner.record, reconciliation)
            if is_news:
                for number, reservation in enumerate(reconciliation.reservations, 1):
                    _log.warning("Tras esa comparación, reserva %d: %s", number, reservation.text)
            if not reconciliation.given_up and (found or is_news or not record.closed):
                await self._report(runner.record, reconciliation)
        finally:
            runner.end()
        return True

    async def _end_comparisons(self, event: ScheduledEvent, record: EventRecord) -> datetime | None:
        """Take the comparisons that are due as made; returns when the next one is due."""
        now = self._context.clock.now()
        await self._context.database.end_comparisons(record, now)
        return self._queue.end_comparisons(event, now)

    def _write_comparison(
        self, event: ScheduledEvent, reconciliation: Reconciliation, found: int, next_at: datetime | None
    ) -> None:
        """Log what a comparison after the close found. ``next_at``: when the next one is due."""
        then = f"Repita con «aforo backfill {event.day}»."
        if next_at is not None:
            then = next_at.astimezone(self._context.timezone).strftime("Se repite el %Y-%m-%d a las %H:%M.")
        if reconciliation.given_up:
            text = "No se pudo comparar otra vez «%s»: %s no contestó. %s"
            who = "el servidor de cámaras" if reconciliation.compared else "la base de datos"
            _log.error(text, event.name, who, then)
            return
        acc, stored = reconciliation.source.valid.total(), sum(reconciliation.stored.values())
        news = f"llegaron tarde {found} eventos, y ya están guardados" if found else "nada nuevo"
        if found == 1:
            news = "llegó tarde 1 evento, y ya está guardado"
        silent = len({feed.camera_id for feed in reconciliation.unanswered})
        missing = f" {plural(silent, 'cámara')} sin contestar. {then}" if silent else ""
        right = reconciliation.complete and acc == stored
        text = "Comparación posterior de «%s»: %s. ACC tiene %d eventos válidos y la base %d (diferencia %d).%s"
        level = logging.INFO if right else logging.WARNING
        _log.log(level, text, event.name, news, acc, stored, acc - stored, missing)

    def _was_the_last(self, event: ScheduledEvent, day: date) -> bool:
        """Whether nothing is left to be done after that event. ``day``: the date on which the program was started."""
        return not self._continuous and self._queue.is_done(event) and not self._queue.more_today(event, day)

    def _others(self, run: _EventRun) -> list[ScheduledEvent]:
        return [other.event for other in self._runs if other is not run]

    def _result(self, run: _EventRun) -> bool:
        """Take an event that has ended out; False where its close was given up. Raises StoreError."""
        self._runs.remove(run)
        return run.task.result()

    async def _cancel(self, runs: Sequence[_EventRun]) -> None:
        for run in list(runs):
            self._runs.remove(run)
            await cancel_and_wait(run.task)
            if run.runner is not None:
                self._context.observer.phase_changed(run.runner.record, EventPhase.WAITING)

    async def _wait(self) -> None:
        """Wait until an event ends, something is due, the schedule may have changed, or a stop.

        Who watches an event reads the schedule again each poll cycle.
        """
        context = self._context
        watched = not all(run.closing for run in self._runs)
        now = context.clock.now()
        due = self._queue.next_due_at(now)
        pause = context.settings.interval if watched else _FILE_CHECK
        if due is not None:
            pause = min(pause, (due - now).total_seconds())
        pausing = asyncio.ensure_future(wait_until_set(context.stopping, context.clock, pause))
        try:
            await asyncio.wait([pausing, *(run.task for run in self._runs)], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(pausing)
        if not watched:
            await context.schedule.refreshed()

    async def _wait_for_event(self) -> None:
        """Wait until something is due, the schedule's file changes, or a stop.

        What is due may change by the clock alone: a server's first answers show that the machine's is wrong.
        """
        context, queue = self._context, self._queue
        upcoming = queue.upcoming(context.clock.now())
        if upcoming is None:
            _log.info("No hay ningún evento próximo en %s: se espera a que cambie.", context.schedule.path)
        else:
            start = upcoming.window.since.astimezone(context.timezone)
            _log.info("Próximo evento: «%s», el %s.", upcoming.name, start.strftime("%Y-%m-%d a las %H:%M:%S"))
        due = queue.next_due_at(context.clock.now())
        while not context.stopping.is_set() and not await context.schedule.refreshed():
            now = context.clock.now()
            left = (due - now).total_seconds() if due else _FILE_CHECK
            if left <= 0 or queue.due(now):
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
