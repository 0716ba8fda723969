"""Whole events through steps of the machine's clock and of the server's: the count is exact, and the step is logged."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.fake_clock import FakeClock
from tests.flow.harness import BOGOTA, DOORS, SHORT, SimulatedEvent, arranged

from aforo.app import Monitor
from aforo.simulator import Fault, Faults, Scenario, Simulator
from aforo.simulator.shifted_clock import ShiftedClock


@dataclass
class Clocks:
    """A simulated event, the true time, and the program's machine, whose clock can be set wrong."""

    event: SimulatedEvent
    site: Simulator
    true: FakeClock
    machine: ShiftedClock
    scenario: Scenario

    async def run(self, *, no_wait: bool = False, stopping: asyncio.Event | None = None) -> int:
        monitor = await asyncio.to_thread(Monitor, self.event.settings, self.machine, stopping or asyncio.Event())
        return await monitor.run(no_wait=no_wait)

    async def at(self, minutes: float) -> None:
        """Wait until so many minutes after the doors open."""
        await self.true.sleep((DOORS + timedelta(minutes=minutes) - self.true.now()).total_seconds())

    async def compare(self) -> None:
        """Let the program compare its clocks, which it does by real time, while the virtual time stands still."""
        self.true.busy = lambda: True
        await asyncio.sleep(3)
        self.true.busy = lambda: False

    def check(self) -> None:
        self.event.check(self.scenario, SHORT.start, SHORT.end)

    def closed_at(self) -> datetime:
        """When the event was closed, by the reference."""
        with closing(sqlite3.connect(self.event.database)) as database:
            return _instant(database.execute("SELECT closed_ms FROM aforo_shows").fetchone()[0])

    def incidents(self) -> list[tuple[str, datetime, datetime | None]]:
        """Text, begin and end of each step in the act."""
        with closing(sqlite3.connect(self.event.database)) as database:
            query = "SELECT detail, began_ms, ended_ms FROM aforo_journal WHERE kind = 'clock' ORDER BY began_ms"
            return [
                (detail, _instant(began), None if ended is None else _instant(ended))
                for detail, began, ended in database.execute(query)
            ]


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, BOGOTA)


@asynccontextmanager
async def clocks_of(
    folder: Path, *, starts: datetime = DOORS - timedelta(minutes=3), faults: Faults | None = None
) -> AsyncIterator[Clocks]:
    scenario = Scenario(SHORT)
    async with FakeClock(starts) as true, Simulator(scenario, clock=true, faults=faults) as site:
        event = arranged(folder, site, true, SHORT, interval=40.0, grace=30.0)
        yield Clocks(event, site, true, ShiftedClock(true), scenario)


def logged(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("step", "words"),
    [(5 * 3600.0, "adelantado 5 h"), (-3600.0, "atrasado 1 h"), (-86_400.0 * 9_000, "atrasado 9000 días")],
)
async def test_a_step_of_the_machines_clock_does_nothing_to_the_event_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: float, words: str
) -> None:
    caplog.set_level(logging.INFO)
    async with clocks_of(tmp_path) as clocks:
        clocks.event.reports = tmp_path / "actas"
        running = asyncio.create_task(clocks.run())
        await clocks.at(12)
        clocks.machine.shift(step)
        await clocks.compare()
        assert not running.done()
        clocks.machine.shift(0)
        await clocks.compare()
        assert await running == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=10)
        clocks.check()
        ((text, began, ended),) = clocks.incidents()
    assert words in text
    assert began >= DOORS + timedelta(minutes=12)
    assert ended is not None
    assert ended >= began
    assert logged(caplog, f"Aviso: {text}") == 1
    assert logged(caplog, f"Fin del aviso: {text}") == 1
    (act,) = (tmp_path / "actas").glob("*.json")
    assert words in act.read_text(encoding="utf-8")


@pytest.mark.parametrize("ahead", [120.0, -120.0, 3 * 3600.0, -86_400.0, 86_400.0 * 400])
async def test_started_with_a_wrong_clock_it_watches_the_right_event_by_the_servers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    async with clocks_of(tmp_path) as clocks:
        clocks.machine.shift(ahead)
        assert await clocks.run() == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=3)
        clocks.check()
        ((text, _, ended),) = clocks.incidents()
    assert "El reloj de este equipo va" in text
    assert ended is None or ended > SHORT.end
    assert logged(caplog, f"Aviso: {text}") == 1


@pytest.mark.parametrize("ahead", [45 * 60.0, 26 * 3600.0])
@pytest.mark.parametrize("path", ["login", "200"])  # asked to log in, logged in
async def test_started_again_by_a_wrong_clock_while_the_server_is_away_it_watches_to_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ahead: float, path: str
) -> None:
    async with clocks_of(tmp_path) as clocks:
        stopping = asyncio.Event()
        running = asyncio.create_task(clocks.run(stopping=stopping))
        await clocks.at(12)
        stopping.set()
        await running
        asked = clocks.site.request_counts[path]
        clocks.machine.shift(ahead)
        running = asyncio.create_task(clocks.run())
        while clocks.site.request_counts[path] == asked:  # noqa: ASYNC110 -- the simulator has no event for it
            await asyncio.sleep(0.001)  # its first answers do not settle the time yet
        clocks.site.faults.set("away", Fault())
        await clocks.at(14)
        clocks.site.faults.clear("away")
        assert await running == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=3)
        clocks.check()
    assert logged(caplog, "vuelve a contestar, tras -") == 0
    begun_too_early = path == "200" and ahead < 3600  # by a clock a day ahead there is no event to close
    assert logged(caplog, "no ha terminado según la hora del servidor") == begun_too_early


async def test_a_wrong_clock_that_is_mended_in_mid_event_changes_nothing(tmp_path: Path) -> None:
    async with clocks_of(tmp_path) as clocks:
        clocks.machine.shift(-86_400)
        running = asyncio.create_task(clocks.run())
        await clocks.at(9)
        await clocks.compare()
        clocks.machine.shift(0)
        await clocks.compare()
        assert await running == 0
        clocks.check()
        ((_, _, ended),) = clocks.incidents()
        assert ended is not None


async def test_without_waiting_a_wrong_clock_finds_the_event_that_is_on(tmp_path: Path) -> None:
    async with clocks_of(tmp_path, starts=DOORS + timedelta(minutes=30)) as clocks:
        clocks.machine.shift(-86_400)
        assert await clocks.run(no_wait=True) == 0
        clocks.check()


async def test_without_waiting_and_without_an_event_nothing_is_logged_in(tmp_path: Path) -> None:
    async with clocks_of(tmp_path, starts=DOORS - timedelta(hours=5)) as clocks:
        assert await clocks.run(no_wait=True) == 0
        assert clocks.site.request_counts["login"] == 0


@pytest.mark.parametrize("fault", [Fault(seconds=5 * 3600.0), Fault(seconds=-3600.0)])
@pytest.mark.parametrize("minutes", [0.2, 6.0])
async def test_a_date_that_jumps_for_a_while_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Fault, minutes: float
) -> None:
    async with clocks_of(tmp_path) as clocks:
        running = asyncio.create_task(clocks.run())
        await clocks.at(12)
        clocks.site.faults.set("date", fault)
        await clocks.at(12 + minutes)
        clocks.site.faults.clear("date")
        await clocks.at(30)
        assert not running.done()
        assert clocks.site.request_counts["events/search"] > 50
        assert await running == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=10)
        clocks.check()


async def test_a_date_that_jumps_for_good_ends_no_event_before_the_machines_clock_does(tmp_path: Path) -> None:
    async with clocks_of(tmp_path) as clocks:
        running = asyncio.create_task(clocks.run())
        await clocks.at(12)
        clocks.site.faults.set("date", Fault(seconds=5 * 3600.0))
        await clocks.at(42)
        assert not running.done()
        assert await running == 0
        clocks.check()


async def test_a_server_whose_whole_clock_is_apart_is_followed(tmp_path: Path) -> None:
    async with clocks_of(tmp_path) as clocks:
        clocks.site.clock.shift(-120)
        assert await clocks.run() == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=3), "by its own clock"
        clocks.check()


async def test_a_machine_that_was_suspended_goes_on_with_the_first_answer(tmp_path: Path) -> None:
    async with clocks_of(tmp_path) as clocks:
        running = asyncio.create_task(clocks.run())
        await clocks.at(12)
        clocks.site.clock.shift(15 * 60)  # the program's monotonic clock stood still
        clocks.machine.shift(15 * 60)
        assert await running == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=3)
        clocks.check()
        ((text, _, ended),) = clocks.incidents()
        assert "estuvo parado 15 min" in text
        assert ended is not None


@pytest.mark.parametrize("step", [5 * 3600.0, -3600.0])
async def test_without_a_date_a_short_step_does_nothing_either(tmp_path: Path, step: float) -> None:
    async with clocks_of(tmp_path, faults=Faults(1, {"no_date": Fault()})) as clocks:
        monitor = asyncio.create_task(clocks.run())
        for minute in range(-2, 3):
            await clocks.at(minute)
            await clocks.compare()
        await clocks.at(15)
        clocks.machine.shift(step)
        await clocks.compare()
        await clocks.at(15.5)
        clocks.machine.shift(0)
        assert await monitor == 0
        assert timedelta(seconds=29) < clocks.closed_at() - SHORT.end < timedelta(minutes=10)
        clocks.check()


async def test_a_date_that_is_wrong_at_the_start_ends_no_event(tmp_path: Path) -> None:
    async with clocks_of(tmp_path, starts=DOORS + timedelta(minutes=20)) as clocks:
        clocks.site.faults.set("date", Fault(seconds=2 * 3600.0))
        running = asyncio.create_task(clocks.run())
        await clocks.at(20.3)
        clocks.site.faults.clear("date")
        await clocks.at(40)
        assert not running.done()
        assert await running == 0
        clocks.check()
