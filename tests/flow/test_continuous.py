"""``aforo run --continuous``: event after event, and every change of the schedule while it runs."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tests.fake_clock import FakeClock
from tests.flow.harness import BOGOTA, DOORS, SimulatedEvent, arranged, hours

from aforo.app import Monitor
from aforo.ingestion import schedule_runner
from aforo.simulator import Credentials, Fault, Faults, Scenario, ScenarioPlan, Simulator
from aforo.simulator.serialization import AnswerError

PLAN = ScenarioPlan(DOORS, DOORS + hours(1), seed=31, cameras=5, events=240)


@dataclass
class Service:
    """A service that runs in the background of a test."""

    simulated: SimulatedEvent
    scenario: Scenario
    monitor: Monitor
    stopping: asyncio.Event
    task: asyncio.Task[int]

    async def until(self, instant: datetime) -> None:
        await self.simulated.clock.sleep((instant - self.simulated.clock.now()).total_seconds())

    async def stop(self) -> int:
        self.stopping.set()
        return await self.task

    def schedule(self, **events: tuple[datetime, datetime]) -> None:
        """Write the schedule anew: each event's name, start and end."""
        days: dict[str, list[dict[str, str]]] = {}
        for name, window in events.items():
            since, until = (instant.astimezone(BOGOTA) for instant in window)
            entry = {"nombre": name, "hora_inicio": f"{since:%H:%M:%S}", "hora_fin": f"{until:%H:%M:%S}"}
            days.setdefault(str(since.date()), []).append(entry)
        (self.simulated.folder / "eventos_programados.json").write_text(json.dumps(days), encoding="utf-8")

    def closed(self) -> int:
        """How many shows are closed."""
        with closing(sqlite3.connect(self.simulated.database)) as database:
            count: int = database.execute("SELECT count(closed_ms) FROM aforo_shows").fetchone()[0]
        return count

    def check(self, name: str, since: datetime, until: datetime) -> None:
        truth = self.scenario.truth().between(since, until, self.scenario.allowed)
        with closing(sqlite3.connect(self.simulated.database)) as database:
            texts = [f"{instant.astimezone(BOGOTA):%Y-%m-%d %H:%M:%S}.000" for instant in (since, until)]
            rows = database.execute(
                "SELECT count(*) FROM eventos_Analisis WHERE nombre_evento = ? AND timestamp >= ? AND timestamp < ?",
                (name, *texts),
            ).fetchone()
            north = database.execute("SELECT aforo FROM Aforo_parqueadero WHERE evento = ?", (name,)).fetchone()
            closed = database.execute("SELECT closed_ms FROM aforo_shows WHERE name = ?", (name,)).fetchone()
        assert rows[0] == len(truth.history)
        assert north[0] == truth.zones["Parqueadero Norte"].aforo
        assert closed[0] is not None


@asynccontextmanager
async def serving(folder: Path, site: Simulator, clock: FakeClock, **settings: float) -> AsyncIterator[Service]:
    """A service for whose first hour one event is scheduled; it is stopped in the end."""
    simulated = arranged(folder, site, clock, PLAN, interval=60.0, **settings)
    stopping = asyncio.Event()
    monitor = await asyncio.to_thread(simulated.monitor, stopping)
    one = Service(simulated, site.scenario, monitor, stopping, asyncio.create_task(monitor.run(continuous=True)))
    try:
        yield one
    finally:
        code = await one.stop()
    assert code == 0


@pytest.fixture(autouse=True)
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer jumps of the clock."""
    monkeypatch.setattr(schedule_runner, "_FILE_CHECK", 60.0)


@pytest.fixture
async def service(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    """Started ten minutes before the doors open; one event is scheduled, and camera events go on after it."""
    faults, credentials = getattr(request, "param", (None, None))
    scenario = Scenario(replace(PLAN, end=DOORS + hours(30), events=4000))
    async with (
        FakeClock(DOORS - timedelta(minutes=10)) as clock,
        Simulator(scenario, clock=clock, faults=faults) as site,
    ):
        site.credentials = credentials or site.credentials
        async with serving(tmp_path, site, clock) as one:
            yield one


async def test_event_after_event_day_after_day(service: Service) -> None:
    tomorrow = DOORS + hours(24)
    service.schedule(
        A=(DOORS, DOORS + hours(1)), B=(DOORS + hours(2), DOORS + hours(3)), C=(tomorrow, tomorrow + hours(1))
    )
    await service.until(tomorrow + hours(1.2))
    service.check("A", DOORS, DOORS + hours(1))
    service.check("B", DOORS + hours(2), DOORS + hours(3))
    service.check("C", tomorrow, tomorrow + hours(1))
    assert not service.task.done()


class _Unlisted(Simulator):
    """From half past five on, one server of the site is no longer listed, and fails when it is queried."""

    back = DOORS + hours(99)

    def _is_there(self) -> bool:
        return not DOORS + hours(1.5) <= self.clock.now() < self.back

    async def _server_ids(self, _: web.Request) -> web.Response:
        known = self.scenario.servers[: None if self._is_there() else 1]
        return web.json_response({"status": "success", "result": {"servers": [one._asdict() for one in known]}})

    async def _search(self, request: web.Request) -> web.Response:
        if request.query.get("serverId") == self.scenario.servers[1].id and not self._is_there():
            raise AnswerError(500, "no such server.", "INTERNAL_SERVER_ERROR")
        return await super()._search(request)


async def test_a_server_that_left_is_not_waited_for_though_the_list_comes_late(tmp_path: Path) -> None:
    """When the second event begins nobody answers: which servers the site has is only known when it is back."""
    scenario = Scenario(replace(PLAN, end=DOORS + hours(4), events=800, servers=2))
    faults = Faults(5, {"away": Fault(since=DOORS + hours(1.9), until=DOORS + hours(2.1))})
    async with (
        FakeClock(DOORS - timedelta(minutes=10)) as clock,
        _Unlisted(scenario, clock=clock, faults=faults) as site,
        serving(tmp_path, site, clock) as service,
    ):
        service.schedule(A=(DOORS, DOORS + hours(1)), B=(DOORS + hours(2), DOORS + hours(3)))
        await service.until(DOORS + hours(2.3))
        assert {feed.server_id for feed in service.monitor.live.feeds} == {scenario.servers[0].id}
        await service.until(DOORS + hours(3.1))
        assert service.closed() == 2


@pytest.mark.parametrize("back", [None, DOORS + hours(2.2)])
async def test_a_server_that_left_before_the_second_event_is_not_waited_for_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, back: datetime | None
) -> None:
    scenario = Scenario(replace(PLAN, end=DOORS + hours(4), events=800, servers=2))
    async with FakeClock(DOORS - timedelta(minutes=10)) as clock, _Unlisted(scenario, clock=clock) as site:
        site.back = back or site.back
        async with serving(tmp_path, site, clock) as service:
            service.schedule(A=(DOORS, DOORS + hours(1)), B=(DOORS + hours(2), DOORS + hours(3)))
            await service.until(DOORS + hours(3.1))
            service.check("A", DOORS, DOORS + hours(1))
            if back is not None:
                service.check("B", DOORS + hours(2), DOORS + hours(3))
            assert service.closed() == 2
            warned = [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
            of_the_server = [text for text in warned if scenario.servers[1].id in text]
            unanswered = [text for text in of_the_server if "desde 18:" in text or text.startswith("Cierre")]
            assert unanswered == [], "only the later comparison of A misses what that server had of it"


class _Silent(_Unlisted):
    """That server fails from the start on; it is listed until it is not, after the event's end."""

    async def _server_ids(self, request: web.Request) -> web.Response:
        if self._is_listed():
            return await super(_Unlisted, self)._server_ids(request)
        return await super()._server_ids(request)

    def _is_listed(self) -> bool:
        return self.clock.now() < DOORS + hours(1.02)

    def _is_there(self) -> bool:
        return False


async def test_a_server_of_this_event_that_leaves_the_list_before_a_second_close_is_not_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It never answered, so nothing of it is stored: it is logged at the second close, and the event stays open."""
    scenario = Scenario(replace(PLAN, end=DOORS + hours(1), servers=2))
    faults = Faults(3, {"away": Fault(since=DOORS + hours(0.98), until=DOORS + hours(1.1))})
    async with (
        FakeClock(DOORS - timedelta(minutes=10)) as clock,
        _Silent(scenario, clock=clock, faults=faults) as site,
        serving(tmp_path, site, clock, close_patience=60.0) as service,
    ):
        await service.until(DOORS + hours(1.2))
        assert any("se repite en 15 minutos" in record.getMessage() for record in caplog.records)
        caplog.clear()
        await service.until(DOORS + hours(1.5))
        messages = [record.getMessage() for record in caplog.records]
        assert service.closed() == 0
        assert [text for text in messages if "no contestó" in text and scenario.servers[1].id in text]


async def test_a_restart_in_the_second_event_does_not_close_the_first_again(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aforo")
    second = DOORS + hours(2), DOORS + hours(3)
    service.schedule(A=(DOORS, DOORS + hours(1)), B=second)
    await service.until(DOORS + hours(2.5))
    assert await service.stop() == 0
    caplog.clear()
    service.stopping = asyncio.Event()
    service.monitor = await asyncio.to_thread(service.simulated.monitor, service.stopping)
    service.task = asyncio.create_task(service.monitor.run(continuous=True))
    await service.until(DOORS + hours(2.7))
    assert [record for record in caplog.records if record.message.startswith("Cierre")] == [], "B waits to be counted"
    await service.until(DOORS + hours(3.2))
    service.check("A", DOORS, DOORS + hours(1))
    service.check("B", *second)


async def test_extra_time_announced_before_the_end_and_after_the_close(service: Service) -> None:
    await service.until(DOORS + hours(0.5))
    service.schedule(A=(DOORS, DOORS + hours(1.5)))
    await service.until(DOORS + hours(1.7))
    service.check("A", DOORS, DOORS + hours(1.5))
    service.schedule(A=(DOORS, DOORS + hours(2)))
    await service.until(DOORS + hours(2.2))
    service.check("A", DOORS, DOORS + hours(2))


async def test_ended_early(service: Service) -> None:
    await service.until(DOORS + hours(0.75))
    service.schedule(A=(DOORS, DOORS + hours(0.5)))
    await service.until(DOORS + hours(0.9))
    service.check("A", DOORS, DOORS + hours(0.5))


async def test_renamed_and_moved(service: Service) -> None:
    await service.until(DOORS + hours(0.25))
    service.schedule(**{"Clásico": (DOORS + hours(0.5), DOORS + hours(1.25))})
    await service.until(DOORS + hours(1.4))
    service.check("Clásico", DOORS + hours(0.5), DOORS + hours(1.25))
    with closing(sqlite3.connect(service.simulated.database)) as database:
        assert database.execute("SELECT count(*) FROM aforo_shows").fetchone() == (1,)


async def test_cancelled_and_put_back(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    await service.until(DOORS + hours(0.25))
    service.schedule()
    await service.until(DOORS + hours(0.5))
    assert [record.message for record in caplog.records if "ya no está en" in record.message] != []
    requests = service.simulated.site.request_counts["/events/search"]
    await service.until(DOORS + hours(0.7))
    assert service.simulated.site.request_counts["/events/search"] == requests, "a cancelled event is not watched"
    assert not service.task.done()
    service.schedule(A=(DOORS, DOORS + hours(1)))
    await service.until(DOORS + hours(1.2))
    service.check("A", DOORS, DOORS + hours(1))


@pytest.mark.parametrize(
    "service",
    [(Faults(1, {"away": Fault(since=DOORS + hours(0.9), until=DOORS + hours(1.35))}), None)],
    indirect=True,
)
async def test_a_close_that_could_not_be_done_is_done_again(service: Service) -> None:
    await service.until(DOORS + hours(1.75))
    service.check(service.simulated.name, DOORS, DOORS + hours(1))


@pytest.mark.parametrize("service", [(None, Credentials(password="otra"))], indirect=True)
async def test_a_refused_login_is_tried_again(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    await service.until(DOORS - timedelta(minutes=1))
    assert not service.task.done()
    messages = [record.message for record in caplog.records if "Se vuelve a intentar en 5 minutos." in record.message]
    assert 1 <= len(messages) <= 3
    assert "no acepta el usuario o la contraseña" in service.monitor.status()
