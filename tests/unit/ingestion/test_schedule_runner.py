"""Event after event: which is watched, which is closed, when the program ends."""

import asyncio
import logging
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import BOGOTA, DAY, END, START, Ingestion, at, ingestion

from aforo.errors import AccUnreachable, BadCommand
from aforo.ingestion.context import RunContext
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.ingestion.schedule_runner import ScheduleRunner, past_events
from aforo.storage import EventRecord


class Closed:
    """Keeps what was closed."""

    def __init__(self) -> None:
        self.results: list[tuple[str, bool]] = []

    async def __call__(self, context: RunContext, record: EventRecord, result: Reconciliation) -> None:
        del context
        self.results.append((record.event.name, result.complete))


def runner_of(parts: Ingestion, closed: Closed, *, continuous: bool = False) -> ScheduleRunner:
    return ScheduleRunner(parts.context, ScheduleQueue(parts.context.schedule, BOGOTA), closed, continuous=continuous)


async def test_it_waits_for_the_days_event_watches_and_closes_it_and_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(-30)) as parts:
        parts.server.add("A", 1)
        closed = Closed()
        assert await runner_of(parts, closed).run() is True
        assert closed.results == [("Concierto A", True)]
        assert parts.clock.now() >= END
        assert "Próximo evento: «Concierto A», el 2026-01-27 a las 16:00:00." in caplog.messages
        assert "Evento «Concierto A»: 3 cámaras." in caplog.messages


async def test_without_waiting_it_ends_at_once_where_nothing_is_on(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(-30)) as parts:
        closed = Closed()
        assert await runner_of(parts, closed).run(no_wait=True) is True
        assert (closed.results, parts.clock.now()) == ([], at(-30))


async def test_with_no_event_it_waits_until_the_schedule_changes(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=END + timedelta(days=1)) as parts:
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(60)
        begins = parts.clock.now() + timedelta(minutes=5)
        parts.schedule(Otro=(begins, begins + timedelta(minutes=10)))
        assert await running is True
        assert closed.results == [("Otro", True)]


async def test_two_events_of_a_day_are_both_run(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.schedule(Primero=(START, END), Segundo=(at(90), at(120)))
        await parts.context.schedule.refreshed()
        closed = Closed()
        assert await runner_of(parts, closed).run() is True
        assert closed.results == [("Primero", True), ("Segundo", True)]


async def test_a_close_that_is_given_up_ends_the_program_as_incomplete(tmp_path: Path) -> None:
    async with ingestion(tmp_path, close_patience=60.0) as parts:

        def fault(*_: object) -> None:
            raise AccUnreachable("Sin conexión.")

        parts.server.fault, parts.server.link_down_since = fault, at(0)
        closed = Closed()
        assert await runner_of(parts, closed).run() is False
        assert closed.results == [("Concierto A", False)]


async def test_a_service_closes_again_what_it_gave_up_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, close_patience=60.0) as parts:

        def fault(*_: object) -> None:
            if parts.server.link_down_since is not None:
                raise AccUnreachable("Sin conexión.")

        parts.server.fault, parts.server.link_down_since = fault, at(0)
        parts.server.add("A", 1)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(timedelta(minutes=70).total_seconds())
        assert closed.results == [("Concierto A", False)]
        assert "El cierre de «Concierto A» se repite en 15 minutos." in caplog.messages
        parts.server.link_down_since = None
        await parts.clock.sleep(timedelta(minutes=20).total_seconds())
        assert closed.results == [("Concierto A", False), ("Concierto A", True)]
        assert len(parts.database.ledger) == 1
        parts.context.stopping.set()
        assert await running is True


async def test_an_event_that_was_cancelled_is_not_closed(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(600)
        parts.schedule(Mañana=(START + timedelta(days=1), END + timedelta(days=1)))
        await parts.clock.sleep(600)
        assert not closed.results
        parts.context.stopping.set()
        await running


async def test_a_stop_in_mid_event_is_no_close(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(600)
        parts.context.stopping.set()
        assert await running is True
        assert not closed.results


async def test_a_backfill_reads_and_closes_past_events(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=END + timedelta(days=2)) as parts:
        for minute in range(5):
            parts.server.add("A", minute)
        closed = Closed()
        events = past_events(parts.context.schedule.schedule, DAY, parts.clock.now())
        assert await runner_of(parts, closed).backfill(events) is True
        assert closed.results == [("Concierto A", True)]
        assert len(parts.database.ledger) == 5


async def test_only_events_that_are_over_can_be_backfilled(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        schedule = parts.context.schedule.schedule
        with pytest.raises(BadCommand, match="aún no ha terminado"):
            past_events(schedule, DAY, at(30))
        with pytest.raises(BadCommand, match="No hay ningún evento programado el 2026-01-28"):
            past_events(schedule, date(2026, 1, 28), at(30))


async def test_yesterdays_event_that_is_closed_is_not_run_again(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(9.5 * 60)) as parts:
        parts.schedule(Noche=(at(6 * 60), at(9 * 60)))
        await parts.context.schedule.refreshed()
        parts.database.closed.append("Noche")
        closed = Closed()
        assert await runner_of(parts, closed).run(no_wait=True) is True
        assert not closed.results
        assert not parts.server.queries
