"""One poll cycle after the other: what is due is read and stored, and one camera's failure delays no other."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import CAMERAS, END, EVENT, START, Ingestion, at, ingestion

from aforo.errors import AccDenied, AccIncomplete, AccRejectedLogin, AccUnreachable
from aforo.ingestion.fetch import PollCycle
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.models import Feed, Page, Window
from aforo.storage import EventRecord

A, B, C = (Feed("srv", camera) for camera in CAMERAS)
RECORD = EventRecord(1, EVENT, {}, {}, False, lambda _: pytest.fail("nothing is classified"), "")


def planner_of(parts: Ingestion) -> FetchPlanner:
    parts.context.site.add_servers(["srv"])
    planner = FetchPlanner(EVENT.window, timedelta(seconds=120))
    planner.follow(parts.context.feeds(), {})
    return planner


def cycle_of(parts: Ingestion, planner: FetchPlanner) -> PollCycle:
    return PollCycle(RECORD, parts.context.cameras.cameras, planner, min(parts.clock.now(), END))


def in_cycle(parts: Ingestion, seconds: float = 60.0) -> float:
    return parts.clock.monotonic() + seconds


async def test_all_that_is_due_is_read_stored_and_checkpointed(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        for camera, minute in zip("AABBC", range(5), strict=True):
            parts.server.add(camera, minute)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert len(parts.database.ledger) == 5
        assert parts.database.checkpoints == dict.fromkeys((A, B, C), at(10))
        assert {status.read_until for status in parts.recorder.feeds.values()} == {at(10)}
        assert parts.recorder.commits >= 3


async def test_a_catch_up_goes_window_after_window_to_the_horizon(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(59), cameras=["A"]) as parts:
        for minute in range(0, 58, 2):
            parts.server.add("A", minute)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        windows = [window for _, _, window in parts.server.queries]
        assert windows[0].since == START
        assert windows[-1].until == at(59)
        assert len(parts.database.ledger) == 29


async def test_a_camera_that_fails_holds_up_no_other_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=at(10)) as parts:
        failing = {"B"}

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if failing & set(cameras):
                raise AccUnreachable("Respuesta cortada.")

        parts.server.fault = fault
        parts.server.add("A", 1)
        parts.server.add("B", 2)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 20))
            assert [event.camera_id for event in parts.database.ledger.values()] == ["A"]
            assert parts.recorder.feeds[B].failing_alone_since is not None
            assert parts.recorder.feeds[B].error == "Respuesta cortada."
            failing.clear()
            planner.begin_cycle()
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert len(parts.database.ledger) == 2
        lines = [line for line in caplog.messages if "B" in line]
        assert sum("no se pudo leer desde 16:00:00: Respuesta cortada." in line for line in lines) == 1
        assert lines[-1] == "La cámara B vuelve a contestar; lo que faltaba está recuperado."


async def test_a_fetch_that_hangs_goes_on_after_the_cycle(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        parts.server.hanging = {"C"}
        parts.server.add("A", 1)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            for _ in range(3):
                planner.begin_cycle()
                assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert sum(cameras == ("C",) for _, cameras, _ in parts.server.queries) == 1
        assert set(planner.behind(at(10))) == {C}
        assert parts.database.checkpoints.keys() == {A, B}


async def test_a_server_that_is_down_is_probed_and_read_again_when_it_is_back(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        parts.server.link_down_since = at(9)

        def fault(*_: object) -> None:
            if parts.server.link_down_since is not None:
                raise AccUnreachable("Sin conexión.")

        parts.server.fault = fault
        parts.server.add("A", 1)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
            probes = len(parts.server.queries)
            assert 9 <= probes <= 21, "one at a time, every 3 to 6 seconds"
            assert all(status.server_failing for status in parts.recorder.feeds.values())
            assert all(status.failing_alone_since is None for status in parts.recorder.feeds.values())
            parts.server.link_down_since = None
            planner.begin_cycle()
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 10))
        assert len(parts.database.ledger) == 1
        assert not any(status.server_failing for status in planner.statuses())


async def test_a_refused_login_is_logged_once_for_all_cameras(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        refused = True

        def fault(*_: object) -> None:
            if refused:
                raise AccRejectedLogin("El servidor ya no acepta la contraseña.")

        parts.server.fault = fault
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 30))
            refused = False
            planner.begin_cycle()
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert caplog.messages.count("El servidor ya no acepta la contraseña.") == 1
        assert caplog.messages.count("El servidor de cámaras vuelve a aceptar el inicio de sesión.") == 1


async def test_a_camera_that_may_not_be_read_is_logged_as_that_cameras(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if "A" in cameras:
                raise AccDenied("Sin derecho a esa cámara.")

        parts.server.fault = fault
        async with parts.context.poller() as poller:
            await poller.run_cycle(cycle_of(parts, planner_of(parts)), in_cycle(parts, 5))
        assert sum("La cámara A no se pudo leer" in line for line in caplog.messages) == 1


async def test_what_was_read_before_a_failure_is_stored_and_not_read_again(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10), cameras=["A"]) as parts:
        for minute in range(1, 8):
            parts.server.add("A", minute)

        def cut(page: Page, _cameras: Sequence[str], number: int) -> Page:
            if number == 2:
                raise AccUnreachable("Cortado tras dos páginas.")
            return page

        parts.server.edit = cut
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 0.5))
            assert len(parts.database.ledger) == 4
            assert parts.database.checkpoints == {A: at(5)}
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert len(parts.database.ledger) == 7
        assert [window.since for _, _, window in parts.server.queries] == [at(0), at(5)]
        after_a_kill = FetchPlanner(EVENT.window, timedelta(seconds=60))
        after_a_kill.follow([A], {A: at(5)})
        assert after_a_kill.due_fetches(at(11), at(11), lambda _: 1)[0].query.window == Window(at(4), at(11))


async def test_pages_that_show_no_progress_leave_the_window_open(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10), cameras=["A"]) as parts:
        for minute in range(1, 6):
            parts.server.add("A", minute)

        def cut(page: Page, _cameras: Sequence[str], number: int) -> Page:
            if number == 2:
                raise AccUnreachable("Cortado tras dos páginas.")
            return replace(page, read_until=None)

        parts.server.edit = cut
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner_of(parts)), in_cycle(parts, 3))
        assert len(parts.database.ledger) == 4
        assert parts.database.checkpoints == {}
        assert {window.since for _, _, window in parts.server.queries} == {START}


async def test_a_window_that_cannot_be_read_whole_is_reported_once_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=at(10), cameras=["A"]) as parts:

        def fault(*_: object) -> None:
            raise AccIncomplete("Demasiados eventos en un milisegundo.")

        parts.server.fault = fault
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            for _ in range(2):
                planner.begin_cycle()
                assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert parts.database.checkpoints[A] >= at(10)
        assert caplog.messages == ["A: Demasiados eventos en un milisegundo."]


async def test_a_fault_of_ours_costs_one_answer_not_the_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        broken = True

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if broken and "A" in cameras:
                raise ZeroDivisionError

        parts.server.fault = fault
        parts.server.add("A", 1)
        parts.server.add("B", 1)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 5))
            assert len(parts.database.ledger) == 1
            broken = False
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert len(parts.database.ledger) == 2
        assert any(line.startswith("Error interno al leer la cámara A") for line in caplog.messages)


async def test_a_stop_ends_a_cycle_that_waits(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        parts.server.hanging = set(CAMERAS)
        async with parts.context.poller() as poller:
            running = asyncio.create_task(poller.run_cycle(cycle_of(parts, planner_of(parts)), in_cycle(parts, 3600)))
            await parts.clock.sleep(5)
            parts.context.stopping.set()
            assert await running is False
            assert parts.clock.now() < at(11)


async def test_joint_queries_are_proven_and_used_and_end_at_the_first_contradiction(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(30)) as parts:
        for camera in CAMERAS:
            parts.server.add(camera, 1)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
            assert parts.server.batch_limits.max_cameras("srv") > 1
            await parts.clock.sleep(60)
            planner.begin_cycle()
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
            joint = [cameras for _, cameras, _ in parts.server.queries if len(cameras) > 1]
            assert joint[-1] == CAMERAS
            for camera in CAMERAS:
                parts.server.add(camera, 31)
            parts.server.edit = lambda page, cameras, _: page if len(cameras) == 1 else Page([])
            await parts.clock.sleep(180)
            for _ in range(3):
                planner.begin_cycle()
                await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
        assert parts.server.batch_limits.max_cameras("srv") == 1
        assert len(parts.database.ledger) == 6, "what the joint answer lacked was read again, each camera alone"


async def test_a_joint_query_that_hangs_is_split(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(30)) as parts:
        for camera in CAMERAS:
            parts.server.add(camera, 1)
        planner = planner_of(parts)
        async with parts.context.poller() as poller:
            assert await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts))
            parts.server.hanging = {"C"}
            await parts.clock.sleep(60)
            planner.begin_cycle()
            assert not await poller.run_cycle(cycle_of(parts, planner), in_cycle(parts, 30))
        assert set(planner.behind(at(31))) == {C}


async def test_a_fetch_for_the_times_before_an_edit_does_not_change_the_feeds(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10)) as parts:
        parts.server.seconds = 20.0
        before, after = planner_of(parts), planner_of(parts)

        def fault(*_: object) -> None:
            if parts.clock.now() >= at(10) + timedelta(seconds=20):
                raise AccUnreachable("Respuesta cortada.")

        parts.server.fault = fault
        async with parts.context.poller() as poller:
            assert not await poller.run_cycle(cycle_of(parts, before), in_cycle(parts, 5))
            parts.recorder.feeds_followed(RECORD, after.statuses())
            parts.server.seconds = 0.01
            assert await poller.run_cycle(cycle_of(parts, after), in_cycle(parts))
        assert parts.recorder.feeds == {status.feed: status for status in after.statuses()}
