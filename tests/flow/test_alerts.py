"""Whole events, and the alerts meanwhile: one for each trouble, and one when it is over."""

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


class Night:
    """An event under way, and its alerts."""

    def __init__(
        self, simulated: SimulatedEvent, crowd: Scenario, faults: Faults, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.simulated = simulated
        self.crowd = crowd
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
        """What the act will tell of: the subjects of the journal's outages of that kind."""
        with closing(sqlite3.connect(self.simulated.database)) as database:
            query = "SELECT subject FROM aforo_journal WHERE kind = ? ORDER BY id"
            return [subject for (subject,) in database.execute(query, (kind,))]

    def name(self, camera_id: str) -> str:
        return next(camera.name for camera in self.crowd.cameras if camera.id == camera_id)


@pytest.fixture
async def night(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Night]:
    caplog.set_level("INFO", "aforo")
    faults, crowd = Faults(17), Scenario(replace(PLAN, quiet=1))
    async with (
        FakeClock(DOORS - timedelta(minutes=1)) as clock,
        Simulator(crowd, clock=clock, faults=faults) as site,
    ):
        monkeypatch.setattr(notifier, "SystemClock", lambda: clock)  # the alerts follow the event's time too
        monkeypatch.setattr(notifier, "CHECK_AGAIN", 10.0)  # fewer jumps of the clock
        monkeypatch.setattr(notifier, "CHECK_INTERVAL", 5.0)
        simulated = SimulatedEvent(tmp_path, site, clock, {"interval": 60.0})
        simulated.schedule(PLAN.start, PLAN.end)
        simulated.allow(list(crowd.allowed))
        one = Night(simulated, crowd, faults, caplog)
        running = asyncio.create_task(simulated.run())
        yield one
        assert await running == 0
        simulated.check(crowd, PLAN.start, PLAN.end)


async def test_a_server_that_is_away_is_reported_once_and_no_camera_of_it(night: Night) -> None:
    assert len(night.crowd.allowed) >= 17
    night.faults.set("away", Fault(since=AWAY, until=BACK))
    await night.until(BACK - timedelta(seconds=30))
    assert night.received == [("+", STALE)]
    await night.until(BACK + timedelta(minutes=10))
    assert night.received == [("+", STALE), ("-", STALE)]
    assert [over for _, over in night.journal] == [True]
    assert night.outages(JournalKind.CAMERA_AWAY) == []
    assert len(night.outages(JournalKind.ACC_AWAY)) == 1


async def test_a_server_that_comes_back_camera_by_camera_is_reported_once(night: Night) -> None:
    night.faults.set("away", Fault(since=AWAY, until=BACK))
    night.faults.set("camera_500", Fault(since=BACK, cameras=frozenset(night.crowd.allowed)))
    for number in range(len(night.crowd.allowed)):
        await night.until(BACK + timedelta(seconds=15 * number))
        night.faults.set("camera_500", Fault(since=BACK, cameras=frozenset(night.crowd.allowed[number + 1 :])))
    await night.until(BACK + timedelta(minutes=15))
    assert night.received == [("+", STALE), ("-", STALE)]


async def test_a_server_that_fails_for_most_cameras_is_reported_once(night: Night) -> None:
    """It answers, and for some cameras even well: the link is not lost."""
    most = frozenset(night.crowd.allowed[4:])
    night.faults.set("camera_500", Fault(since=AWAY, until=BACK, cameras=most))
    await night.until(BACK + timedelta(minutes=10))
    assert night.received == [("+", STALE), ("-", STALE)]


async def test_a_password_that_changes_is_reported_once_and_so_is_its_return(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    site = night.simulated.site
    await night.until(AWAY)
    site.change_credentials(Credentials(password="otra"))
    night.faults.set("expire_session", Fault(times=1))
    await night.until(BACK)
    site.change_credentials(site.credentials)
    await night.until(BACK + timedelta(minutes=10))
    lines = [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert len([line for line in lines if "no acepta el usuario" in line]) == 1
    assert len([line for line in lines if "vuelve a aceptar" in line]) == 1
    assert night.received == [("+", STALE), ("-", STALE)]


async def test_two_cameras_that_fail_at_once_are_no_lost_server(night: Night) -> None:
    night.faults.set("camera_500", Fault(since=AWAY, until=BACK, cameras=frozenset(night.crowd.allowed[3:5])))
    await night.until(BACK + timedelta(minutes=5))
    assert len(night.received) == 4
    assert night.outages(JournalKind.ACC_AWAY) == []


async def test_a_server_that_gives_no_events_is_not_back_when_it_gives_its_lists(night: Night) -> None:
    night.faults.set("error_500", Fault(since=AWAY, until=BACK, paths=frozenset({"events/search"})))
    await night.until(BACK + timedelta(minutes=10))
    assert night.received == [("+", STALE), ("-", STALE)]
    assert len(night.outages(JournalKind.ACC_AWAY)) == 1
    assert night.outages(JournalKind.CAMERA_AWAY) == []


async def test_a_server_that_hangs_is_waited_for_in_peace(night: Night) -> None:
    night.faults.set("hang", Fault(since=AWAY, until=BACK))
    await night.until(AWAY + timedelta(minutes=2))
    before = night.simulated.clock.jumps
    await night.until(BACK - timedelta(minutes=2))
    assert night.simulated.clock.jumps - before < 8 * 60, "less than once a second"


async def test_a_camera_gone_while_the_server_is_away_is_reported_once_when_it_is_back(night: Night) -> None:
    (camera,) = night.crowd.quiet
    gone = f"No contesta: {night.name(camera)}."
    night.faults.set("away", Fault(since=AWAY, until=BACK))
    night.faults.set("camera_500", Fault(since=AWAY, until=BACK + timedelta(minutes=15), cameras=frozenset({camera})))
    await night.until(BACK + timedelta(seconds=170))
    assert ("+", gone) not in night.received
    await night.until(BACK + timedelta(minutes=14))
    assert night.received == [("+", STALE), ("-", STALE), ("+", gone)]
    await night.until(BACK + timedelta(minutes=20))
    assert night.received[3:] == [("-", gone)]
    assert night.outages(JournalKind.CAMERA_AWAY) == [camera]


async def test_a_camera_gone_before_and_after_an_outage_is_reported_once(night: Night) -> None:
    (camera,) = night.crowd.quiet
    gone = f"No contesta: {night.name(camera)}."
    night.faults.set(
        "camera_500",
        Fault(since=AWAY - timedelta(minutes=8), until=BACK + timedelta(minutes=10), cameras=frozenset({camera})),
    )
    night.faults.set("away", Fault(since=AWAY, until=BACK))
    await night.until(AWAY)
    assert night.received == [("+", gone)]
    await night.until(AWAY + timedelta(minutes=3))
    assert night.received == [("+", gone)], "its silence makes the number of the others no older"
    await night.until(BACK + timedelta(minutes=9))
    assert night.received == [("+", gone), ("+", STALE), ("-", STALE)]
    await night.until(BACK + timedelta(minutes=15))
    assert night.received[3:] == [("-", gone)]
