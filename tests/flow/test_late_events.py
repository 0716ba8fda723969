"""Events that come late, cameras whose clocks are off, and outages on the cameras' side, through a whole event."""

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.flow.harness import SHORT, SimulatedEvent, hours, simulated_event

from aforo.models import AlertKind
from aforo.simulator import Delay, Fault, Faults, Scenario
from aforo.web import serializers
from aforo.web.metrics import LiveCollector, Metrics


async def run_through(parts: SimulatedEvent) -> timedelta:
    """Run the event; returns how long after its end the program ended."""
    assert await parts.run() == 0
    return parts.clock.now() - SHORT.end


async def test_everything_150_seconds_late_is_counted_with_factory_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    faults = Faults(on={"late": Fault(1.0, seconds=150.0, delay=Delay.FIXED)})
    async with simulated_event(tmp_path, SHORT, faults=faults, interval=60.0) as (parts, scenario):
        after = await run_through(parts)
        parts.check(scenario, SHORT.start, SHORT.end)
        assert timedelta(seconds=150) < after < timedelta(seconds=300)
        assert any("se espera por los últimos hasta las" in line for line in caplog.messages)
        with closing(sqlite3.connect(parts.database)) as database:
            assert database.execute("SELECT count(*) FROM aforo_journal WHERE kind = 'lateness'").fetchone()[0] > 0


async def test_a_punctual_server_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (parts, scenario):
        assert await run_through(parts) < timedelta(seconds=120)
        parts.check(scenario, SHORT.start, SHORT.end)
        assert not any("entrega eventos tarde" in line or "El reloj" in line for line in caplog.messages)


async def test_a_tail_of_lateness_up_to_ten_minutes(tmp_path: Path) -> None:
    faults = Faults(on={"late": Fault(0.3, seconds=600.0, delay=Delay.TAIL)})
    plan = replace(SHORT, end=SHORT.start + hours(1.5), events=3_000)
    async with simulated_event(tmp_path, plan, faults=faults, interval=60.0) as (parts, scenario):
        assert await parts.run() == 0
        parts.check(scenario, plan.start, plan.end)
        assert parts.clock.now() - plan.end <= timedelta(minutes=17)


async def test_a_camera_whose_clock_is_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (parts, scenario):
        camera = busiest(scenario)
        parts.site.faults.set("camera_clock", Fault(seconds=-150.0, cameras=frozenset({camera})))
        assert await parts.run() == 0
        clocks = [line for line in caplog.messages if line.startswith("El reloj de la cámara")]
        assert clocks
        assert all(camera in line and "atrasado 2 min" in line for line in clocks)


def busiest(scenario: Scenario) -> str:
    counts = Counter(one.kind.camera_id for one in scenario.event_log.crossings(0, 10**15, scenario.allowed))
    return counts.most_common(1)[0][0]


async def test_a_camera_that_delivers_after_an_outage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (parts, scenario):
        camera = busiest(scenario)
        began = SHORT.start + timedelta(minutes=10)
        outage = Fault(since=began, until=began + timedelta(minutes=8), cameras=frozenset({camera}))
        parts.site.faults.set("camera_outage", outage)
        assert await parts.run() == 0
        parts.check(scenario, SHORT.start, SHORT.end)
        assert not any("El reloj" in line for line in caplog.messages)
        assert any(camera in line and "entrega eventos tarde" in line for line in caplog.messages)


async def test_what_comes_after_the_close_began_is_waited_for(tmp_path: Path) -> None:
    """The first lateness of the event shows after its end."""
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (parts, scenario):
        began = SHORT.end - timedelta(minutes=5)
        outage = Fault(since=began, until=SHORT.end + timedelta(seconds=50), cameras=frozenset(scenario.allowed))
        parts.site.faults.set("camera_outage", outage)
        assert await parts.run() == 0
        parts.check(scenario, SHORT.start, SHORT.end)


async def test_page_report_and_alerts_show_lateness_and_clocks(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (parts, scenario):
        parts.reports = tmp_path / "actas"
        behind = busiest(scenario)
        others = frozenset(scenario.allowed) - {behind}
        parts.site.faults.set("late", Fault(0.3, seconds=200.0, delay=Delay.FIXED, cameras=others))
        parts.site.faults.set("camera_clock", Fault(seconds=-300.0, cameras=frozenset({behind})))
        monitor = await asyncio.to_thread(parts.monitor)
        running = asyncio.create_task(monitor.run())
        await parts.clock.sleep(42 * 60)
        state = serializers.state(monitor.live, parts.clock.now(), "America/Bogota", 180)
        delivery = state.trust.delivery
        assert delivery is not None
        assert delivery.late > 50
        assert 195 <= delivery.p95 <= 235
        assert delivery.worst >= 200
        clocks = {camera.id: camera.clock_offset for camera in state.trust.cameras if camera.clock_offset is not None}
        assert clocks.keys() == {behind}
        kinds = {alert.kind for alert in monitor.live.alerts if alert.ended is None}
        assert {AlertKind.LATE_EVENTS, AlertKind.CAMERA_CLOCK} <= kinds
        metrics = (await Metrics(LiveCollector(monitor.live, parts.clock, 180)).text()).decode()
        assert 'aforo_delivery_lateness_seconds{quantile="0.95"}' in metrics
        assert f'aforo_camera_clock_offset_seconds{{camera="{behind}"' in metrics
        await parts.clock.sleep(5 * 60)
        state = serializers.state(monitor.live, parts.clock.now(), "America/Bogota", 180)
        assert (state.phase, state.close_waits_until is not None) == ("en cierre", True)
        assert await running == 0
        report = json.loads(next((tmp_path / "actas").glob("*.json")).read_text(encoding="utf-8"))
        assert report["delivery"]["late"] > 50
        assert [clock["id"] for clock in report["delivery"]["clocks"]] == [behind]
        assert "Entrega de ACC" in next((tmp_path / "actas").glob("*.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize("seconds", [25.0, 40.0, 55.0])
@pytest.mark.parametrize("ahead", [0.0, 45.0])
async def test_a_short_event_with_a_short_overlap_waits_for_what_no_cycle_has_seen(
    tmp_path: Path, seconds: float, ahead: float
) -> None:
    """Half of the events are later than overlap and grace reach: only the close finds the first of them."""
    plan = replace(SHORT, end=SHORT.start + timedelta(seconds=47), events=800, servers=2, burst=0)
    faults = Faults(5, {"late": Fault(0.5, seconds=seconds, delay=Delay.FIXED)})
    starts = SHORT.start - timedelta(seconds=6 + ahead)
    async with simulated_event(
        tmp_path, plan, starts=starts, faults=faults, interval=4.0, overlap=20.0, grace=15.0
    ) as (parts, scenario):
        parts.site.clock.shift(ahead)
        await parts.run()
        parts.check(scenario, plan.start, plan.end)


async def test_a_close_that_still_finds_late_events_compares_once_more(tmp_path: Path) -> None:
    """Started after the event: nothing is known of its lateness but what the close finds below the checkpoints."""
    plan = replace(SHORT, end=SHORT.start + timedelta(minutes=3), events=2_000, burst=0)
    faults = Faults(5, {"late": Fault(0.2, seconds=120.0, delay=Delay.TAIL)})
    async with simulated_event(
        tmp_path, plan, starts=SHORT.start, faults=faults, interval=4.0, overlap=20.0, grace=15.0
    ) as (parts, scenario):
        stopping = asyncio.Event()
        running = asyncio.create_task((await asyncio.to_thread(parts.monitor, stopping)).run())
        await parts.clock.sleep(150)
        stopping.set()
        await running
        await parts.clock.sleep((plan.end - parts.clock.now()).total_seconds() + 16)
        await parts.run()
        parts.check(scenario, plan.start, plan.end)


async def test_a_date_that_is_some_seconds_old_hides_no_late_events(tmp_path: Path) -> None:
    """A busy server stamps old Dates. The close of a short event is the first to find late events, and waits."""
    plan = replace(SHORT, end=SHORT.start + timedelta(minutes=2))
    faults = Faults(on={"late": Fault(0.5, seconds=100.0, delay=Delay.FIXED)})
    async with simulated_event(tmp_path, plan, faults=faults, interval=5.0, overlap=20.0, grace=15.0) as (
        parts,
        scenario,
    ):
        running = asyncio.create_task(parts.run())
        await parts.clock.sleep((plan.end - parts.clock.now()).total_seconds() + 4)
        parts.site.faults.set("date", Fault(seconds=-6.0))
        assert await running == 0
        parts.check(scenario, plan.start, plan.end)


async def test_a_program_that_was_killed_before_the_end_waits_for_late_events_too(tmp_path: Path) -> None:
    """What an earlier run has read is known from its checkpoints, also where the event is over by the next start."""
    plan = replace(SHORT, end=SHORT.start + timedelta(minutes=2))
    faults = Faults(on={"late": Fault(0.5, seconds=100.0, delay=Delay.FIXED)})
    async with simulated_event(tmp_path, plan, faults=faults, interval=5.0, overlap=20.0, grace=15.0) as (
        parts,
        scenario,
    ):
        running = asyncio.create_task(parts.run())
        await parts.clock.sleep((plan.end - parts.clock.now()).total_seconds() - 25)
        running.cancel()
        await asyncio.wait([running])
        await parts.clock.sleep(41)
        assert await parts.run() == 0
        parts.check(scenario, plan.start, plan.end)
