"""People inside, totals, and settings that change while an event is on."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from tests.flow.harness import SHORT, SimulatedEvent, simulated_event, stored_aforo

from aforo.live.state import LiveState
from aforo.settings import STADIUM_ZONES, ZoneSettings
from aforo.simulator import Scenario

PEOPLE = "Personas en el estadio"


async def run_until(simulated: SimulatedEvent, minutes: float) -> LiveState:
    """Watch the event for so many minutes, then stop the program."""
    stopping = asyncio.Event()
    monitor = await asyncio.to_thread(simulated.monitor, stopping)
    running = asyncio.create_task(monitor.run())
    await simulated.clock.sleep(timedelta(minutes=minutes).total_seconds())
    stopping.set()
    await running
    return monitor.live


def counted(simulated: SimulatedEvent, zone: ZoneSettings) -> int:
    with closing(sqlite3.connect(simulated.database)) as database:
        return stored_aforo(database, zone, simulated.name)


def figures(simulated: SimulatedEvent, name: str) -> dict[str, int]:
    assert simulated.reports is not None
    (path,) = simulated.reports.glob("*.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, int] = next(one for one in report["zones"] + report["totals"] if one["name"] == name)
    return found


async def test_a_zone_that_is_new_in_mid_event_is_counted_from_its_start(tmp_path: Path) -> None:
    """The settings of release 1.0 for a while, then those of today: nothing is lost, doubled or forgotten."""
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (simulated, scenario):
        simulated.zones = STADIUM_ZONES[:3]
        simulated.reports = tmp_path / "informes"
        live = await run_until(simulated, 25)
        assert PEOPLE not in live.occupancies
        simulated.zones = None
        assert await simulated.run() == 0
        simulated.check(scenario, SHORT.start, SHORT.end)
        truth = scenario.truth().between(SHORT.start, SHORT.end, scenario.allowed)
    people = truth.zones[PEOPLE]
    assert people.entries > 100
    found = figures(simulated, PEOPLE)
    assert (found["entries"], found["exits"], found["count"]) == (people.entries, people.exits, people.aforo)
    total = figures(simulated, "Vehículos")
    car_parks = [zone for name, zone in truth.zones.items() if name != PEOPLE]
    assert total["count"] == sum(zone.aforo for zone in car_parks)
    assert total["entries"] == sum(zone.entries for zone in car_parks)


async def test_names_that_a_rule_takes_in_mid_event_are_read_again(tmp_path: Path) -> None:
    """What no rule took is not in the ledger: the cameras are asked again for all of the event."""
    name = "AFORO SALIDA SENCIA NORTE"
    late = ZoneSettings(name="Salidas", table="", entries=[{"name": name, "activity": "OBJECT_COUNTING_EXIT"}])
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (simulated, scenario):
        await run_until(simulated, 25)
        simulated.zones = [*STADIUM_ZONES, late]
        assert await simulated.run() == 0
        assert counted(simulated, late) == crossed(scenario, name)
        assert counted(simulated, late) > 0


def crossed(scenario: Scenario, name: str) -> int:
    since, until = (int(instant.timestamp() * 1000) for instant in (SHORT.start, SHORT.end))
    crossings = scenario.event_log.crossings(since, until, scenario.allowed)
    return sum(crossing.kind.name == name for crossing in crossings)


async def test_a_zone_within_another_takes_its_doors_from_it(tmp_path: Path) -> None:
    inner = ZoneSettings(
        name="Palco", table="Aforo_palco", within=PEOPLE,
        entries=[{"name": "PUERTA 1", "activity": "OBJECT_COUNTING_ENTER"}],
        exits=[{"name": "PUERTA 1", "activity": "OBJECT_COUNTING_EXIT"}],
    )  # fmt: skip
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (simulated, scenario):
        simulated.zones = [*STADIUM_ZONES, inner]
        simulated.reports = tmp_path / "informes"
        assert await simulated.run() == 0
        truth = scenario.truth().between(SHORT.start, SHORT.end, scenario.allowed)
    enters = [row for row in truth.history if row.activity == "OBJECT_COUNTING_ENTER"]
    at_the_inner = [row for row in enters if row.analytic_event_name == "PUERTA 1"]
    assert figures(simulated, "Palco")["entries"] == len(at_the_inner) > 0
    assert figures(simulated, PEOPLE)["entries"] == len(enters) - len(at_the_inner)
    assert counted(simulated, inner) == figures(simulated, "Palco")["count"]
