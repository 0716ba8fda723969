"""The event report: its figures are the scenario's truth, whatever failed, and its page needs nothing else."""

import asyncio
import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import SecretStr
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SimulatedEvent, hours, simulated_event

from aforo.cli.count import CountOrder
from aforo.cli.count import main as count
from aforo.counting.rules import Rules
from aforo.errors import BadCommand
from aforo.models import Rule
from aforo.reporting import EventReport, make_reports
from aforo.reporting.page import html
from aforo.settings import DatabaseSettings, Settings, zones_from
from aforo.simulator import STADIUM, Fault, Faults, Scenario, ScenarioPlan, Simulator
from aforo.simulator.event_log import Kind
from aforo.simulator.oracle import ZoneTexts
from aforo.storage import Correction, Store

END = DOORS + hours(3)
PLAN = ScenarioPlan(DOORS, END, seed=21, cameras=13, events=1_500, burst=200)
BOGOTA = ZoneInfo("America/Bogota")


def figures(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*.json")
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def peaks(scenario: Scenario) -> dict[str, tuple[int, datetime | None]]:
    """Each zone's highest count and the minute of it, counted crossing by crossing."""
    since, until = (int(instant.timestamp() * 1000) for instant in (scenario.plan.start, scenario.plan.end))
    crossings = sorted(
        scenario.event_log.crossings(since, until, scenario.allowed), key=lambda one: (one.at, one.number)
    )
    found: dict[str, tuple[int, datetime | None]] = {}
    for zone in STADIUM.zones:
        count = highest = 0
        minute: datetime | None = None
        for crossing in crossings:
            count = max(0, count + step(zone, crossing.kind))
            if count > highest:
                highest = count
                minute = datetime.fromtimestamp(crossing.at // 60_000 * 60, UTC)
        found[zone.name] = (highest, minute)
    return found


def step(zone: ZoneTexts, kind: Kind) -> int:
    if zone.activities is not None:
        kept = any(text.partition(":")[2] in kind.name.upper() for text in STADIUM.stored[:2])
        kept |= kind.name == "INGRESO PERSONAS ENTRADA MARATON"
        return kept * {zone.activities[0]: 1, zone.activities[1]: -1}.get(kind.activity, 0)
    ways = {1: zone.entries[0].removeprefix("contains:"), -1: zone.exits[0].removeprefix("contains:")}
    return sum(way for way, text in ways.items() if text in kind.name.upper())


def check_figures(report: dict[str, Any], scenario: Scenario, outcome: str = "conciliado") -> None:
    truth = scenario.truth().between(scenario.plan.start, scenario.plan.end, scenario.allowed)
    highest = peaks(scenario)
    for zone in report["zones"]:
        expected = truth.zones[zone["name"]]
        assert [zone[name] for name in ("entries", "exits", "count", "swallowed")] == list(expected)
        at = None if zone["peak_at"] is None else datetime.fromisoformat(zone["peak_at"])
        assert (zone["peak"], at) == highest[zone["name"]]
        assert zone["curve"][-1][1] == expected.aforo
        assert sum(flow["entries"] for flow in zone["minutes"]) == expected.entries
    ways = Counter((row.analytic_event_name, row.activity) for row in truth.history)
    doors = {door["name"]: door for door in report["doors"]}
    assert sum(door["entries"] + door["exits"] + door["others"] for door in doors.values()) == len(truth.history)
    assert doors["PUERTA 1"]["entries"] == ways["PUERTA 1", "OBJECT_COUNTING_ENTER"]
    assert doors["PUERTA 1"]["exits"] == ways["PUERTA 1", "OBJECT_COUNTING_EXIT"]
    stored = {camera["id"]: camera["stored"] for camera in report["cameras"] if camera["stored"]}
    assert stored == truth.accepted
    assert all(camera["difference"] == 0 and camera["acc"] == camera["stored"] for camera in report["cameras"])
    assert report["history_stored"] == report["history_acc"] == len(truth.history)
    assert (report["outcome"], report["reconciled"]) == (outcome, outcome == "conciliado")


async def test_an_event_with_an_outage_of_each_kind(tmp_path: Path) -> None:
    camera = Scenario(PLAN).cameras[10]
    minute = timedelta(minutes=1)
    faults = Faults(3, {
        "camera_500": Fault(since=DOORS + 20 * minute, until=DOORS + 40 * minute, cameras=frozenset({camera.id})),
        "away": Fault(since=DOORS + 80 * minute, until=DOORS + 95 * minute),
        "late": Fault(0.05, seconds=40.0),
        "malformed": Fault(0.02),
    })  # fmt: skip
    async with simulated_event(tmp_path, PLAN, faults=faults, interval=120.0) as (simulated, scenario):
        simulated.reports = tmp_path / "informes"
        locking = asyncio.create_task(lock(simulated, DOORS + 131.8 * minute, DOORS + 132.7 * minute))
        assert await simulated.run() == 6
        await locking
        simulated.check(scenario, DOORS, END)
    report = figures(tmp_path / "informes")
    check_figures(report, scenario, "conciliado con reservas")
    assert {incident["kind"] for incident in report["incidents"]} == {"acc", "camera", "database"}, report["incidents"]
    incidents = {incident["kind"]: incident for incident in sorted(report["incidents"], key=lasting)}
    for kind, began, ended in (("camera", 20, 40), ("acc", 80, 95), ("database", 132, 133)):
        incident = incidents[kind]
        assert abs(datetime.fromisoformat(incident["began"]) - (DOORS + began * minute)) <= 3 * minute, kind
        assert abs(datetime.fromisoformat(incident["ended"]) - (DOORS + ended * minute)) <= 3 * minute, kind
        assert incident["recovered"] > 0 or kind == "database", kind  # few pass in those two minutes
    assert camera.name in incidents["camera"]["what"]
    assert report["refused"]["sin regla"] > 0
    assert report["lateness"]["median"] <= 120 < report["lateness"]["longest"]
    page = next((tmp_path / "informes").glob("*.html")).read_text(encoding="utf-8")
    assert "Conciliado con reservas: ACC y la base de datos coinciden, pero puede faltar algo." in page
    (reservation,) = report["reservations"]
    assert reservation["kind"] == "unreadable"
    assert reservation["number"] == sum(report["refused"].values()) - report["refused"]["sin regla"]
    assert reservation["text"] in unescape(page)
    assert page.count("<svg") == 6
    for outside in ("http://", "https://", "<script", "<link", "@import", "src="):
        assert outside not in page.replace("http://www.w3.org/", ""), outside
    assert "lo de ese rato se recuperó después" in page
    (whole,) = (tmp_path / "informes").glob("*.json")
    incomplete = replace(msgspec.json.decode(whole.read_bytes(), type=EventReport), complete=False)
    assert "lo de ese rato puede faltar" in await asyncio.to_thread(html, incomplete), (
        "a report promises nothing that was not compared"
    )


def lasting(incident: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(incident["ended"]) - datetime.fromisoformat(incident["began"])


async def lock(simulated: SimulatedEvent, begins: datetime, ends: datetime) -> None:
    """Another program holds the database for a while."""
    await simulated.clock.sleep((begins - simulated.clock.now()).total_seconds())
    with closing(sqlite3.connect(simulated.database, isolation_level=None, timeout=1.0)) as other:
        other.execute("BEGIN IMMEDIATE")
        await simulated.clock.sleep((ends - simulated.clock.now()).total_seconds())
        other.execute("ROLLBACK")


async def test_the_program_was_not_running_for_a_while(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, PLAN, interval=60.0) as (simulated, scenario):
        stopping = asyncio.Event()
        first = await asyncio.to_thread(simulated.monitor, stopping)
        running = asyncio.create_task(first.run())
        await simulated.clock.sleep(hours(1).total_seconds())
        stopping.set()
        await running
        await simulated.clock.sleep(hours(0.5).total_seconds())
        simulated.reports = tmp_path / "informes"
        assert await simulated.run() == 0
    report = figures(tmp_path / "informes")
    check_figures(report, scenario)
    (gap,) = report["incidents"]
    assert gap["kind"] == "instance"
    away = datetime.fromisoformat(gap["ended"]) - datetime.fromisoformat(gap["began"])
    assert timedelta(minutes=25) < away < timedelta(minutes=35)
    assert gap["recovered"] > 0
    followed = report["latency"]["stored"]
    assert 0 < followed["events"] < report["history_stored"], "what was caught up was not followed live"
    assert followed["median"] <= followed["p95"] <= 120
    (page,) = (tmp_path / "informes").glob("*.html")
    assert "En vivo, de que ocurre a que está guardado: la mitad, en menos de" in page.read_text(encoding="utf-8")


async def test_a_report_made_again_lists_the_corrections(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, PLAN) as (simulated, scenario):
        simulated.name = "<script>alert(1)</script> & «Ñandú»/2"
        simulated.schedule(DOORS, END)
        simulated.reports = tmp_path / "informes"
        assert await simulated.run() == 0
        settings = simulated.settings
    report = figures(tmp_path / "informes")
    assert [path.name for path in (tmp_path / "informes").glob("*.html")] == [
        "2026-01-27-script-alert-1-script-Ñandú-2.html"
    ]
    await asyncio.to_thread(correct, settings, "Campinsito", 12)
    (page,) = await asyncio.to_thread(make_reports, settings, DOORS.astimezone(BOGOTA).date(), tmp_path / "otra")
    again = figures(tmp_path / "otra")
    north, campinsito = again["zones"][0], again["zones"][1]
    assert north == report["zones"][0], "made again, it says the same"
    assert campinsito["corrected"] == 12
    assert campinsito["entries"] == report["zones"][1]["entries"]
    assert again["corrections"][0]["reason"] == "se rompió el contador"
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    rows = list(csv.DictReader((page.with_suffix(".csv")).read_text(encoding="utf-8-sig").splitlines(), delimiter=";"))
    assert sum(int(row["entradas"]) for row in rows if row["zona"] == "Campinsito") == campinsito["entries"]
    assert int([row["aforo"] for row in rows if row["zona"] == "Campinsito"][-1]) == campinsito["count"]
    assert check_truth_unchanged(again, scenario)


def check_truth_unchanged(report: dict[str, Any], scenario: Scenario) -> bool:
    truth = scenario.truth().between(DOORS, END, scenario.allowed)
    return all(zone["exits"] == truth.zones[zone["name"]].exits for zone in report["zones"])


def correct(settings: Settings, zone: str, delta: int) -> None:
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    store.open()
    (record,) = store.records_on(DOORS.astimezone(BOGOTA).date())
    at = DOORS + hours(2)
    one = Correction("3f0e8a5e-1111-4a4b-9d3f-0123456789ab", zone, delta, "se rompió el contador", "Marta", at)
    rules_of = replace(record, classify=rules(settings))
    store.correct(rules_of, one)
    store.close()


def rules(settings: Settings) -> Any:
    return Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones)).classify


async def test_the_report_of_an_event_that_was_never_closed(tmp_path: Path) -> None:
    async with FakeClock(DOORS + hours(1)) as clock:
        scenario = Scenario(PLAN)
        async with Simulator(scenario, clock=clock) as site:
            simulated = SimulatedEvent(tmp_path, site, clock)
            simulated.schedule(DOORS, END)
            simulated.allow(list(scenario.allowed))
            stopping = asyncio.Event()
            monitor = await asyncio.to_thread(simulated.monitor, stopping)
            running = asyncio.create_task(monitor.run())
            await clock.sleep(600)
            stopping.set()
            await running
    (page,) = await asyncio.to_thread(
        make_reports, simulated.settings, DOORS.astimezone(BOGOTA).date(), tmp_path / "informes"
    )
    assert "Sin conciliar: el cierre no llegó a hacerse." in page.read_text(encoding="utf-8")
    assert figures(tmp_path / "informes")["reconciled"] is False


def test_a_date_without_events(tmp_path: Path) -> None:
    settings = Settings(database=DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path}/aforo.db")))
    store = Store(settings.database.address(), zones_from(settings.zones), BOGOTA)
    store.open()
    store.close()
    with pytest.raises(BadCommand, match="no tiene ningún evento del 2026-01-27"):
        make_reports(settings, DOORS.date(), tmp_path)


def test_a_report_in_another_folder_makes_no_database(tmp_path: Path) -> None:
    settings = Settings(database=DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path}/aforo.db")))
    with pytest.raises(BadCommand, match="No hay ninguna base de datos en"):
        make_reports(settings, DOORS.date(), tmp_path)
    with pytest.raises(BadCommand, match="No hay ninguna base de datos en"):
        count(settings, CountOrder("Campinsito", people=5), DOORS)
    assert list(tmp_path.iterdir()) == []


async def test_a_report_that_cannot_be_written_spoils_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "informes").write_text("a file where the folder should be")
    async with simulated_event(tmp_path, PLAN) as (simulated, scenario):
        simulated.reports = tmp_path / "informes"
        assert await simulated.run() == 0
        simulated.check(scenario, DOORS, END)
    assert "«aforo report 2026-01-27»" in caplog.text


async def test_another_process_on_the_same_event_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "aforo")
    async with simulated_event(tmp_path, PLAN, interval=60.0) as (simulated, scenario):
        stopping = asyncio.Event()  # of the second one
        both = [await asyncio.to_thread(simulated.monitor, one) for one in (None, stopping)]
        first = asyncio.create_task(both[0].run())
        second = asyncio.create_task(both[1].run())
        await simulated.clock.sleep(hours(1).total_seconds())
        stopping.set()
        await second
        assert await first == 0
        simulated.check(scenario, DOORS, END)
    messages = [
        record.message for record in caplog.records if "Otro proceso trabaja en este mismo evento" in record.message
    ]
    assert 1 <= len(messages) <= 2, "once by each that sees the other"
    assert "ya no trabaja en este evento" in caplog.text
