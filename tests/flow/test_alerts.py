"""Whole events and their alerts: one when a failure begins, and one when it is over."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SimulatedEvent, hours

from aforo.alerting import notifier
from aforo.simulator import Fault, Faults, Scenario, ScenarioPlan, Simulator
from aforo.simulator.auth import Credentials
from aforo.storage import JournalKind

PLAN = ScenarioPlan(DOORS, DOORS + hours(1), seed=17, cameras=17, events=600)
AWAY = DOORS + timedelta(minutes=15)
BACK = AWAY + timedelta(minutes=12)
STALE = "El aforo no es de ahora: más de 5 min de atraso."
NO_DATABASE = "Sin base de datos: se cuenta en memoria."


class WatchedEvent:
    """An event under way, and its alerts."""

    def __init__(
        self, simulated: SimulatedEvent, scenario: Scenario, faults: Faults, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.simulated = simulated
        self.scenario = scenario
        self.faults = faults
        self._log = caplog

    async def until(self, instant: datetime) -> None:
        await self.simulated.clock.sleep((instant - self.simulated.clock.now()).total_seconds())

    @property
    def received(self) -> list[tuple[str, str]]:
        """Each warning's beginning (``+``) and end (``-``), as the log has them."""
        lines = (re.fullmatch(r"(Aviso|Fin del aviso): (.*)", record.getMessage()) for record in self._log.records)
        return [("+" if line[1] == "Aviso" else "-", line[2]) for line in lines if line]

    @property
    def journal(self) -> list[tuple[str, bool]]:
        """The journal's alerts: of what, and whether each is over."""
        with closing(sqlite3.connect(self.simulated.database)) as database:
            query = "SELECT detail, ended_ms IS NOT NULL FROM aforo_journal WHERE kind = 'alert' ORDER BY id"
            return [(detail, bool(over)) for detail, over in database.execute(query)]

    def outages(self, kind: str) -> list[str]:
        """The subjects of the journal's outages of that kind, as the event report lists them."""
        with closing(sqlite3.connect(self.simulated.database)) as database:
            query = "SELECT subject FROM aforo_journal WHERE kind = ? ORDER BY id"
            return [subject for (subject,) in database.execute(query, (kind,))]

    def name(self, camera_id: str) -> str:
        return next(camera.name for camera in self.scenario.cameras if camera.id == camera_id)


@pytest.fixture
async def watched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WatchedEvent]:
    caplog.set_level("INFO", "aforo")
    faults, scenario = Faults(17), Scenario(replace(PLAN, quiet=1))
    async with (
        FakeClock(DOORS - timedelta(minutes=1)) as clock,
        Simulator(scenario, clock=clock, faults=faults) as site,
    ):
        monkeypatch.setattr(notifier, "SystemClock", lambda: clock)  # the alerts follow the event's time too
        monkeypatch.setattr(notifier, "CHECK_AGAIN", 10.0)  # fewer jumps of the clock
        monkeypatch.setattr(notifier, "CHECK_INTERVAL", 5.0)
        simulated = SimulatedEvent(tmp_path, site, clock, {"interval": 60.0})
        simulated.schedule(PLAN.start, PLAN.end)
        simulated.allow(list(scenario.allowed))
        one = WatchedEvent(simulated, scenario, faults, caplog)
        running = asyncio.create_task(simulated.run())
        yield one
        assert await running == 6  # one camera sends nothing
        simulated.check(scenario, PLAN.start, PLAN.end)


async def test_a_server_that_is_away_is_reported_once_and_no_camera_of_it(watched: WatchedEvent) -> None:
    assert len(watched.scenario.allowed) >= 17
    watched.faults.set("away", Fault(since=AWAY, until=BACK))
    await watched.until(BACK - timedelta(seconds=30))
    assert watched.received == [("+", STALE)]
    await watched.until(BACK + timedelta(minutes=10))
    assert watched.received == [("+", STALE), ("-", STALE)]
    assert [over for _, over in watched.journal] == [True]
    assert watched.outages(JournalKind.CAMERA_AWAY) == []
    assert len(watched.outages(JournalKind.ACC_AWAY)) == 1


async def test_a_server_that_comes_back_camera_by_camera_is_reported_once(watched: WatchedEvent) -> None:
    watched.faults.set("away", Fault(since=AWAY, until=BACK))
    watched.faults.set("camera_500", Fault(since=BACK, cameras=frozenset(watched.scenario.allowed)))
    for number in range(len(watched.scenario.allowed)):
        await watched.until(BACK + timedelta(seconds=15 * number))
        watched.faults.set("camera_500", Fault(since=BACK, cameras=frozenset(watched.scenario.allowed[number + 1 :])))
    await watched.until(BACK + timedelta(minutes=15))
    assert watched.received == [("+", STALE), ("-", STALE)]


async def test_a_server_that_fails_for_most_cameras_is_reported_once(watched: WatchedEvent) -> None:
    """It answers, and for some cameras even well: the link is not lost."""
    most = frozenset(watched.scenario.allowed[4:])
    watched.faults.set("camera_500", Fault(since=AWAY, until=BACK, cameras=most))
    await watched.until(BACK + timedelta(minutes=10))
    assert watched.received == [("+", STALE), ("-", STALE)]


async def test_a_password_that_changes_is_reported_once_and_so_is_its_return(
    watched: WatchedEvent, caplog: pytest.LogCaptureFixture
) -> None:
    site = watched.simulated.site
    await watched.until(AWAY)
    site.change_credentials(Credentials(password="otra"))
    watched.faults.set("expire_session", Fault(times=1))
    await watched.until(BACK)
    site.change_credentials(site.credentials)
    await watched.until(BACK + timedelta(minutes=10))
    lines = [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert len([line for line in lines if "no acepta el usuario" in line]) == 1
    assert len([line for line in lines if "vuelve a aceptar" in line]) == 1
    assert watched.received == [("+", STALE), ("-", STALE)]


async def test_two_cameras_that_fail_at_once_are_no_lost_server(watched: WatchedEvent) -> None:
    watched.faults.set("camera_500", Fault(since=AWAY, until=BACK, cameras=frozenset(watched.scenario.allowed[3:5])))
    await watched.until(BACK + timedelta(minutes=5))
    assert len(watched.received) == 4
    assert watched.outages(JournalKind.ACC_AWAY) == []


async def test_a_server_that_gives_no_events_is_not_back_when_it_gives_its_lists(watched: WatchedEvent) -> None:
    watched.faults.set("error_500", Fault(since=AWAY, until=BACK, paths=frozenset({"events/search"})))
    await watched.until(BACK + timedelta(minutes=10))
    assert watched.received == [("+", STALE), ("-", STALE)]
    assert len(watched.outages(JournalKind.ACC_AWAY)) == 1
    assert watched.outages(JournalKind.CAMERA_AWAY) == []


async def test_a_server_that_hangs_is_waited_for_in_peace(watched: WatchedEvent) -> None:
    watched.faults.set("hang", Fault(since=AWAY, until=BACK))
    await watched.until(AWAY + timedelta(minutes=2))
    before = watched.simulated.clock.jumps
    await watched.until(BACK - timedelta(minutes=2))
    assert watched.simulated.clock.jumps - before < 8 * 60, "less than once a second"


async def test_a_camera_gone_while_the_server_is_away_is_reported_once_when_it_is_back(watched: WatchedEvent) -> None:
    (camera,) = watched.scenario.quiet
    gone = f"No contesta: {watched.name(camera)}."
    watched.faults.set("away", Fault(since=AWAY, until=BACK))
    watched.faults.set("camera_500", Fault(since=AWAY, until=BACK + timedelta(minutes=15), cameras=frozenset({camera})))
    await watched.until(BACK + timedelta(seconds=170))
    assert ("+", gone) not in watched.received
    await watched.until(BACK + timedelta(minutes=14))
    assert watched.received == [("+", STALE), ("-", STALE), ("+", gone)]
    await watched.until(BACK + timedelta(minutes=20))
    assert watched.received[3:] == [("-", gone)]
    assert watched.outages(JournalKind.CAMERA_AWAY) == [camera]


async def test_a_camera_gone_before_and_after_an_outage_is_reported_once(watched: WatchedEvent) -> None:
    (camera,) = watched.scenario.quiet
    gone = f"No contesta: {watched.name(camera)}."
    watched.faults.set(
        "camera_500",
        Fault(since=AWAY - timedelta(minutes=8), until=BACK + timedelta(minutes=10), cameras=frozenset({camera})),
    )
    watched.faults.set("away", Fault(since=AWAY, until=BACK))
    await watched.until(AWAY)
    assert watched.received == [("+", gone)]
    await watched.until(AWAY + timedelta(minutes=3))
    assert watched.received == [("+", gone)], "its silence makes the number of the others no older"
    await watched.until(BACK + timedelta(minutes=9))
    assert watched.received == [("+", gone), ("+", STALE), ("-", STALE)]
    await watched.until(BACK + timedelta(minutes=15))
    assert watched.received[3:] == [("-", gone)]


async def test_a_broken_edit_of_an_input_file_is_reported_once_and_so_is_its_end(watched: WatchedEvent) -> None:
    folder = watched.simulated.folder
    for name in ("eventos_programados.json", "ids_camaras_permitidas.json"):
        await watched.until(watched.simulated.clock.now() + timedelta(minutes=5))
        before = watched.received
        file = folder / name
        good = file.read_text(encoding="utf-8")
        file.write_text(good.rstrip()[:-1] + ",", encoding="utf-8")
        await watched.until(watched.simulated.clock.now() + timedelta(minutes=5))
        (begin,) = watched.received[len(before) :]
        assert begin[0] == "+"
        assert f"{name}, línea 1" in begin[1]
        assert begin[1].endswith("Sigue en vigor la versión anterior.")
        file.write_text(good, encoding="utf-8")
        await watched.until(watched.simulated.clock.now() + timedelta(minutes=5))
        assert watched.received == [*before, begin, ("-", begin[1])]
    assert [over for _, over in watched.journal] == [True, True]
