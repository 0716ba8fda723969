"""Whole events in which ACC reports faults of cameras, or cannot: alerts, incidents, and a count that stays exact."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SHORT, SimulatedEvent, arranged

from aforo.alerting import notifier
from aforo.models import to_ms
from aforo.simulator import Fault, Faults, Scenario, ServerProfile, Simulator, Topics

PLAN = replace(SHORT, seed=23)
LOST, BACK = DOORS + timedelta(minutes=12), DOORS + timedelta(minutes=20)


def journaled(simulated: SimulatedEvent) -> list[tuple[str, str, int, int | None]]:
    kinds = ("disconnected", "no video", "tampered", "not recording", "reconfigured")
    query = (
        f"SELECT kind, subject, began_ms, ended_ms FROM aforo_journal WHERE kind IN ({','.join('?' * 5)}) ORDER BY id"
    )
    with closing(sqlite3.connect(simulated.database)) as database:
        return database.execute(query, kinds).fetchall()


async def test_faults_that_acc_reports_are_alerts_and_incidents_and_each_is_one_incident_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "aforo")
    scenario = Scenario(PLAN)
    first, second, third = scenario.allowed[:3]
    faults = Faults(
        23,
        {
            "camera_disconnected": Fault(since=LOST, until=BACK, cameras=frozenset({first})),
            "camera_no_video": Fault(since=LOST, until=BACK, cameras=frozenset({second})),
            "camera_reconfigured": Fault(since=LOST, cameras=frozenset({third})),
        },
    )
    async with (
        FakeClock(DOORS - timedelta(minutes=1)) as clock,
        Simulator(scenario, clock=clock, faults=faults) as site,
    ):
        monkeypatch.setattr(notifier, "SystemClock", lambda: clock)
        monkeypatch.setattr(notifier, "CHECK_AGAIN", 10.0)
        monkeypatch.setattr(notifier, "CHECK_INTERVAL", 5.0)
        simulated = arranged(tmp_path, site, clock, PLAN, interval=60.0)
        stopping = asyncio.Event()
        running = asyncio.create_task((await asyncio.to_thread(simulated.monitor, stopping)).run())
        await clock.sleep((LOST + timedelta(minutes=3) - clock.now()).total_seconds())
        begun = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Aviso: ")]
        assert [line.split(" cámara ")[0] for line in sorted(begun)] == [
            "Aviso: ACC da por desconectada la",
            "Aviso: ACC no recibe video de la",
            "Aviso: Alguien cambió en ACC los ajustes de la",
        ]
        stopping.set()
        await running
        assert await simulated.run() == 6, "what passed a blind camera may be missing"
        simulated.check(scenario, PLAN.start, PLAN.end)
        lost, back = to_ms(LOST), to_ms(BACK)
        assert sorted(journaled(simulated)) == [
            ("disconnected", first, lost, back),
            ("no video", second, lost, pytest.approx(back, abs=back - lost)),  # the camera may count again before
            ("reconfigured", third, lost, lost),
        ]


@pytest.mark.parametrize("topics", [Topics.FIRST_ONLY, Topics.IGNORED, Topics.REFUSED, Topics.UNKNOWN])
async def test_a_server_that_treats_topics_oddly_loses_no_event(tmp_path: Path, topics: Topics) -> None:
    scenario = Scenario(PLAN)
    faults = Faults(23, {"camera_disconnected": Fault(since=LOST, until=BACK, cameras=frozenset(scenario.allowed[:1]))})
    profile = ServerProfile(topics=topics)
    async with (
        FakeClock(DOORS - timedelta(minutes=1)) as clock,
        Simulator(scenario, clock=clock, faults=faults, profile=profile) as site,
    ):
        simulated = arranged(tmp_path, site, clock, PLAN, interval=60.0)
        assert await simulated.run() == 6
        simulated.check(scenario, PLAN.start, PLAN.end)
        assert [entry[:2] for entry in journaled(simulated)] == [("disconnected", scenario.allowed[0])]


async def test_a_server_that_fails_at_all_that_is_not_counted_delays_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The list of the cameras and that of the topics fail and end sessions: what is counted is right and on time."""
    scenario = Scenario(PLAN)
    lists = frozenset({"cameras", "event-subtopics"})
    faults = Faults(23, {"error_500": Fault(0.5, paths=lists), "expire_session": Fault(0.3, paths=lists)})
    async with (
        FakeClock(DOORS - timedelta(minutes=1)) as clock,
        Simulator(scenario, clock=clock, faults=faults) as site,
    ):
        simulated = arranged(tmp_path, site, clock, PLAN, interval=60.0)
        monitor = await asyncio.to_thread(simulated.monitor)
        running = asyncio.create_task(monitor.run())
        for minute in range(5, 40, 5):
            await clock.sleep((DOORS + timedelta(minutes=minute) - clock.now()).total_seconds())
            as_of = monitor.live.as_of()
            assert as_of is not None
            assert clock.now() - as_of <= timedelta(minutes=2)
        faults.clear()
        assert await running == 0
        simulated.check(scenario, PLAN.start, PLAN.end)
