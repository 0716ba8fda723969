"""What reaches the camera server after the close of an event: a service compares again, also after a restart."""

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.flow.harness import BOGOTA, DOORS, hours
from tests.flow.test_continuous import PLAN, serving

from aforo.ingestion import schedule_runner
from aforo.simulator import Fault, Faults, Scenario, Simulator

END = DOORS + hours(1)
BACK = END + timedelta(minutes=30)  # when the cameras deliver what they kept


@pytest.fixture(autouse=True)
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer jumps of the clock."""
    monkeypatch.setattr(schedule_runner, "_FILE_CHECK", 60.0)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """The processes that draw reports: no time passes while one runs."""
    made: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def create_and_keep(*arguments: Any, **more: Any) -> asyncio.subprocess.Process:
        made.append(await create(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create_and_keep)
    return made


def lines(caplog: pytest.LogCaptureFixture, start: str) -> list[str]:
    return [line for line in caplog.messages if line.startswith(start)]


def report(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "informes").glob("*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


async def test_what_cameras_deliver_after_the_close_is_stored_and_the_report_made_anew(
    tmp_path: Path, children: list[asyncio.subprocess.Process], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aforo")
    scenario = Scenario(replace(PLAN, end=END))
    outage = Fault(since=DOORS + hours(0.5), until=BACK, cameras=frozenset(scenario.allowed[:2]))
    async with (
        FakeClock(DOORS - timedelta(minutes=10)) as clock,
        Simulator(scenario, clock=clock, faults=Faults(1, {"camera_outage": outage})) as site,
        serving(tmp_path, site, clock) as service,
    ):
        clock.busy = lambda: any(child.returncode is None for child in children)
        service.simulated.reports = tmp_path / "informes"
        await service.stop()
        service.stopping = asyncio.Event()
        service.monitor = await asyncio.to_thread(service.simulated.monitor, service.stopping)
        service.task = asyncio.create_task(service.monitor.run(continuous=True))
        await service.until(END + timedelta(minutes=20))
        assert len(lines(caplog, "Acta: ")) == 1
        (first,) = lines(caplog, "Comparación posterior de «Concierto A»: nada nuevo.")
        assert "(diferencia 0)" in first
        stored = sum(camera["stored"] for camera in (await asyncio.to_thread(report, tmp_path))["cameras"])
        assert await service.stop() == 0

        caplog.clear()
        service.stopping = asyncio.Event()
        service.monitor = await asyncio.to_thread(service.simulated.monitor, service.stopping)
        service.task = asyncio.create_task(service.monitor.run(continuous=True))
        await service.until(END + timedelta(minutes=25))
        assert lines(caplog, "Comparación posterior") == [], "the next one is due an hour after the close"
        caplog.clear()
        await service.until(END + timedelta(minutes=70))
        (second,) = lines(caplog, "Comparación posterior de «Concierto A»: llegaron tarde ")
        assert len(lines(caplog, "Acta: ")) == 1, "made anew"
        service.check("Concierto A", DOORS, END)
        now_stored = sum(camera["stored"] for camera in (await asyncio.to_thread(report, tmp_path))["cameras"])
        assert f"llegaron tarde {now_stored - stored} eventos" in second
        assert now_stored > stored

        caplog.clear()
        await service.until(DOORS + hours(15.5))  # 07:30 of the next morning
        assert len(lines(caplog, "Comparación posterior de «Concierto A»: nada nuevo.")) == 1
        assert lines(caplog, "Acta: ") == []
        await service.until(DOORS + hours(22))
        assert len(lines(caplog, "Comparación posterior")) == 1, "it was the last one"


async def test_what_comes_late_for_the_first_of_two_events_of_one_name_leaves_the_row_to_the_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aforo")
    scenario = Scenario(replace(PLAN, end=END + hours(1), events=480))
    outage = Fault(since=DOORS + hours(0.5), until=END + timedelta(minutes=5), cameras=frozenset(scenario.allowed))
    async with (
        FakeClock(DOORS - timedelta(minutes=10)) as clock,
        Simulator(scenario, clock=clock, faults=Faults(1, {"camera_outage": outage})) as site,
        serving(tmp_path, site, clock) as service,
    ):
        times = [(DOORS, END), (END, END + hours(1))]
        day = [
            {
                "nombre": "Clásico",
                "hora_inicio": f"{since.astimezone(BOGOTA):%H:%M}",
                "hora_fin": f"{until.astimezone(BOGOTA):%H:%M}",
            }
            for since, until in times
        ]
        path = tmp_path / "eventos_programados.json"
        path.write_text(json.dumps({str(DOORS.astimezone(BOGOTA).date()): day}), encoding="utf-8")
        await service.until(END + hours(1.3))
        assert lines(caplog, "Comparación posterior de «Clásico»: llegaron tarde ")
    whole, second = (scenario.truth().between(since, END + hours(1), scenario.allowed) for since in (DOORS, END))
    with closing(sqlite3.connect(service.simulated.database)) as database:
        (rows,) = database.execute("SELECT count(*) FROM eventos_Analisis WHERE nombre_evento = 'Clásico'").fetchone()
        aforos = database.execute("SELECT aforo FROM Aforo_parqueadero WHERE evento = 'Clásico'").fetchall()
    assert rows == len(whole.history)
    assert aforos == [(second.zones["Parqueadero Norte"].aforo,)]
