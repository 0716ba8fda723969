"""Event after event: which is watched, which is closed, when the program ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import BOGOTA, DAY, END, EVENT, START, Ingestion, at, ingestion

from aforo.avigilon import Lane
from aforo.errors import AccUnreachable, BadCommand, StoreNotReady
from aforo.ingestion.context import RunContext
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.ingestion.schedule_runner import ScheduleRunner, past_events
from aforo.models import EventPhase, Malformed, Page, Window
from aforo.storage import EventRecord, StoredFigures


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


def broken(parts: Ingestion, camera: str, *, until: datetime, since: datetime = START) -> None:
    """Let a camera fail in that time."""

    def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
        if camera in cameras and since <= parts.clock.now() < until:
            raise AccUnreachable("Respuesta cortada.")

    parts.server.fault = fault


async def test_the_second_event_is_watched_from_its_first_second_while_the_first_is_closed(tmp_path: Path) -> None:
    async with ingestion(tmp_path, interval=5.0) as parts:
        parts.schedule(Primero=(START, END), Segundo=(END + timedelta(seconds=2), at(75)))
        await parts.context.schedule.refreshed()
        broken(parts, "B", until=at(64))
        parts.server.add("A", 59.9)
        seen = parts.server.add("A", 60.1)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=60, seconds=2.1).total_seconds())
        assert [event.name for event in parts.recorder.opened] == ["Primero", "Segundo"]
        await parts.clock.sleep(15)
        assert closed.results == [], "the first one has its grace"
        assert (seen.server_id, seen.this_id) in parts.database.ledger
        assert await running is True
        assert closed.results == [("Primero", False), ("Segundo", True)]
        assert parts.database.events_of("Primero") == 1
        assert parts.database.events_of("Segundo") == 1


async def test_events_that_touch_and_two_closes_beside_a_third_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each camera event belongs to the event that has its instant, however late it comes; the lines name the event."""
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, interval=5.0, grace=5.0) as parts:
        parts.schedule(Uno=(START, at(10)), Dos=(at(10), at(10.25)), Tres=(at(10.25), at(20)))
        await parts.context.schedule.refreshed()
        broken(parts, "B", since=at(9.9), until=at(13))
        parts.server.add("A", 9.99)
        parts.server.add("B", 9.999)
        parts.server.add("A", 10)
        parts.server.add("B", 10.2)
        parts.server.add("C", 10.25)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=10, seconds=40).total_seconds())
        assert closed.results == []
        assert parts.recorder.phases == [EventPhase.CLOSING, EventPhase.CLOSING]
        assert [parts.database.events_of(name) for name in ("Uno", "Dos", "Tres")] == [1, 1, 1]
        assert any(line.startswith("«Tres»: Vuelta hasta 16:10:") for line in caplog.messages)
        assert any(line.startswith("«Uno»: ") for line in caplog.messages)
        assert await running is True
        assert closed.results == [("Dos", False), ("Uno", True), ("Tres", True)]
        last = [line for line in caplog.messages if "Vuelta hasta 16:20" in line]
        assert last
        assert not any("«" in line for line in last), "it is the only one"


async def test_the_close_leaves_the_requests_to_the_event_that_is_watched(tmp_path: Path) -> None:
    cameras = [f"CAM{number}" for number in range(40)]
    async with ingestion(tmp_path, starts=at(58), cameras=cameras, interval=5.0, grace=0.0) as parts:
        parts.schedule(Primero=(START, END), Segundo=(END, at(63)))
        await parts.context.schedule.refreshed()
        under_way: list[int] = []
        reading: set[object] = set()
        answer = parts.server.events

        async def counted(
            server_id: str, camera_ids: Sequence[str], window: Window, *, lane: Lane = Lane.POLL
        ) -> AsyncGenerator[Page, None]:
            one = object()
            if window.since < END:
                reading.add(one)
                under_way.append(len(reading))
            try:
                async for page in answer(server_id, camera_ids, window, lane=lane):
                    yield page
            finally:
                reading.discard(one)

        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=1, seconds=59).total_seconds())
        parts.server.seconds = 1.0
        parts.server.events = counted  # type: ignore[method-assign]
        await parts.clock.sleep(30)
        assert max(under_way) == 2
        assert await running is True
        assert closed.results == [("Primero", True), ("Segundo", True)]


async def test_events_that_a_kill_left_open_are_closed_beside_the_one_that_is_on(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(30)) as parts:
        parts.schedule(Primero=(START, at(10)), Segundo=(at(10), at(20)), Tercero=(at(20), END))
        await parts.context.schedule.refreshed()
        for minute in (5, 15, 25):
            parts.server.add("A", minute)
        first, second, third = parts.context.schedule.schedule.events
        queue = ScheduleQueue(parts.context.schedule, BOGOTA, [first, second, third])
        closed = Closed()
        running = asyncio.create_task(ScheduleRunner(parts.context, queue, closed).run())
        await parts.clock.sleep(60)
        assert sorted(closed.results) == [("Primero", True), ("Segundo", True)]
        assert [parts.database.events_of(event.name) for event in (first, second, third)] == [1, 1, 1]
        assert await running is True
        assert closed.results[-1] == ("Tercero", True)


async def test_extra_time_announced_in_mid_close_is_watched_at_once(tmp_path: Path) -> None:
    async with ingestion(tmp_path, interval=5.0, grace=0.0) as parts:
        broken(parts, "B", until=at(61))
        parts.server.add("B", 30)
        parts.server.add("A", 65)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=60, seconds=20).total_seconds())
        assert parts.recorder.phases[-1] is EventPhase.CLOSING
        parts.schedule(**{"Concierto A": (START, at(70))})
        await parts.clock.sleep(12)
        assert [event.window.until for event in parts.recorder.opened] == [END, at(70)]
        assert closed.results == []
        assert await running is True
        assert closed.results == [("Concierto A", True)]
        assert len(parts.database.ledger) == 2


async def test_two_events_made_one_are_watched_by_one(tmp_path: Path) -> None:
    async with ingestion(tmp_path, interval=5.0, grace=60.0) as parts:
        parts.schedule(Primero=(START, at(10)), Segundo=(at(10), at(20)))
        await parts.context.schedule.refreshed()
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=10, seconds=20).total_seconds())
        parts.schedule(Todo=(START, at(25)))
        assert await running is True
        assert closed.results == [("Todo", True)]


async def test_a_stop_ends_the_watch_and_the_close_beside_it(tmp_path: Path) -> None:
    async with ingestion(tmp_path, interval=5.0, grace=0.0) as parts:
        parts.schedule(Primero=(START, END), Segundo=(END, at(75)))
        await parts.context.schedule.refreshed()
        broken(parts, "B", until=at(70))
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed).run())
        await parts.clock.sleep(timedelta(minutes=60, seconds=10).total_seconds())
        parts.context.stopping.set()
        assert await running is True
        assert not closed.results
        assert parts.clock.now() < at(61)


async def test_what_ends_one_event_ends_the_other(tmp_path: Path) -> None:
    async with ingestion(tmp_path, interval=5.0, grace=0.0) as parts:
        parts.schedule(Primero=(START, END), Segundo=(END, at(75)))
        await parts.context.schedule.refreshed()

        async def unusable(record: EventRecord) -> StoredFigures:
            raise StoreNotReady("Otro proceso la abrió.")

        parts.database.stored_figures = unusable  # type: ignore[method-assign]
        with pytest.raises(StoreNotReady):
            await runner_of(parts, Closed()).run()
        assert parts.clock.now() < at(62)
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("aforo")] == []


def comparisons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.startswith(("Comparación posterior", "No se pudo comparar"))]


async def test_a_service_compares_again_stores_what_came_late_and_makes_the_report_anew_only_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(55), grace=0.0) as parts:
        parts.server.add("A", 1)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(timedelta(minutes=18).total_seconds())
        assert closed.results == [("Concierto A", True)], "its close"
        phases = list(parts.recorder.phases)
        parts.server.add("A", 2)
        parts.server.add("B", 3)
        await parts.clock.sleep(timedelta(minutes=3).total_seconds())
        assert len(parts.database.ledger) == 3
        assert comparisons(caplog) == [
            "Comparación posterior de «Concierto A»: llegaron tarde 2 eventos, y ya están guardados."
            " ACC tiene 3 eventos válidos y la base 3 (diferencia 0)."
        ]
        assert closed.results == [("Concierto A", True)] * 2, "the report is made anew"
        assert parts.recorder.phases == phases, "it is over for whoever looks"
        await parts.clock.sleep(timedelta(minutes=50).total_seconds())
        assert comparisons(caplog)[1:] == [
            "Comparación posterior de «Concierto A»: nada nuevo."
            " ACC tiene 3 eventos válidos y la base 3 (diferencia 0)."
        ]
        assert len(closed.results) == 2
        await parts.clock.sleep(timedelta(hours=14).total_seconds())
        assert len(comparisons(caplog)) == 3
        assert parts.database.planned == []
        parts.context.stopping.set()
        assert await running is True


async def test_a_comparison_that_finds_what_cannot_be_read_makes_the_report_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=at(55), grace=0.0) as parts:
        parts.server.add("A", 1)
        parts.server.add("B", 1)
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(timedelta(minutes=10).total_seconds())
        parts.server.edit = lambda page, *_: replace(page, malformed=(Malformed("sin fecha", 1, "A"),))
        await parts.clock.sleep(timedelta(minutes=80).total_seconds())
        parts.context.stopping.set()
        await running
    assert len(closed.results) == 2, "made anew once: the comparison after that says the same"
    news = [line for line in caplog.messages if line.startswith("Tras esa comparación, reserva")]
    assert sum("1 evento de ACC no se puede leer (1 sin fecha)" in line for line in news) == 1


async def test_a_comparison_that_fails_is_logged_and_made_at_the_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(55), grace=0.0, close_patience=60.0) as parts:

        def fault(*_: object) -> None:
            if parts.server.link_down_since is not None:
                raise AccUnreachable("Sin conexión.")

        parts.server.fault = fault
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(timedelta(minutes=10).total_seconds())
        parts.server.link_down_since = at(65)
        await parts.clock.sleep(timedelta(minutes=20).total_seconds())
        (line,) = comparisons(caplog)
        assert line.startswith(
            "No se pudo comparar otra vez «Concierto A»: el servidor de cámaras no contestó."
            " Se repite el 2026-01-27 a las"
        )
        assert closed.results == [("Concierto A", True)], "the report of the close stays"
        parts.server.link_down_since = None
        parts.server.add("A", 2)
        await parts.clock.sleep(timedelta(minutes=60).total_seconds())
        assert "«Concierto A»: llegó tarde 1 evento, y ya está guardado." in comparisons(caplog)[-1]
        assert closed.results == [("Concierto A", True)] * 2
        parts.context.stopping.set()
        await running


async def test_a_restart_goes_on_with_the_comparisons_that_are_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was due while no program ran is made once, at once."""
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(15 * 60)) as parts:  # 07:00 of the next day
        parts.server.add("A", 1)
        parts.database.closed.append("Concierto A")
        parts.database.ever_planned.add("Concierto A")
        old = replace(EVENT, name="Viejo", window=Window(START - timedelta(days=9), END - timedelta(days=9)))
        parts.database.planned = [
            (EVENT, at(120)),
            (EVENT, at(15 * 60 - 1)),
            (EVENT, at(15 * 60 + 30)),
            (old, at(-9 * 24 * 60)),
        ]
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(60)
        assert len(comparisons(caplog)) == 1
        assert len(parts.database.ledger) == 1
        await parts.clock.sleep(timedelta(minutes=40).total_seconds())
        assert len(comparisons(caplog)) == 2
        parts.context.stopping.set()
        await running


async def test_a_kill_between_the_close_and_the_plan_costs_no_comparison(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(70)) as parts:
        parts.database.closed.append("Concierto A")
        running = asyncio.create_task(runner_of(parts, Closed(), continuous=True).run())
        await parts.clock.sleep(60)
        assert len(parts.database.planned) == 3
        parts.context.stopping.set()
        await running


async def test_a_comparison_goes_on_beside_the_next_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(55), interval=30.0, grace=0.0) as parts:
        parts.schedule(Primero=(START, END), Segundo=(at(70), at(100)))
        await parts.context.schedule.refreshed()
        closed = Closed()
        running = asyncio.create_task(runner_of(parts, closed, continuous=True).run())
        await parts.clock.sleep(timedelta(minutes=13).total_seconds())
        parts.server.add("A", 59)
        parts.server.add("A", 71)
        await parts.clock.sleep(timedelta(minutes=10).total_seconds())
        assert [line[:35] for line in comparisons(caplog)] == ["Comparación posterior de «Primero»:"]
        assert (parts.database.events_of("Primero"), parts.database.events_of("Segundo")) == (1, 1)
        parts.context.stopping.set()
        await running


async def test_without_a_service_the_command_for_a_later_comparison_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(59)) as parts:
        assert await runner_of(parts, Closed()).run() is True
        text = "Si algo llega más tarde, se recoge y se compara otra vez con «aforo backfill 2026-01-27»."
        assert text in caplog.messages
        assert parts.database.planned == []


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
