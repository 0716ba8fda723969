"""Whole events against the oracle: each kind of server, and each fault."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.flow.harness import BOGOTA, DOORS, END, PLAN, SHORT, hours, simulated_event

from aforo.alerting import incidents, notifier
from aforo.errors import AccRejectedLogin, AccUnreachable
from aforo.simulator import Credentials, DeviceIds, Fault, Faults, Order, Scenario, ServerProfile, Tokens
from aforo.storage import EventRecord, Store
from aforo.storage.backends import sqlite


def local(instant: datetime) -> datetime:
    return instant.astimezone(BOGOTA)


TWO_HOURS = replace(PLAN, end=DOORS + hours(2))
BEHAVIOURS = {
    "as the guide says": ServerProfile(),
    "no tokens": ServerProfile(tokens=Tokens.NEVER),
    "no tokens, shuffled, to inclusive": ServerProfile(tokens=Tokens.NEVER, order=Order.SHUFFLED, to_inclusive=True),
    "tokens on full pages, newest first": ServerProfile(tokens=Tokens.FULL_PAGES, order=Order.NEWEST),
    "only the first deviceId": ServerProfile(device_ids=DeviceIds.FIRST_ONLY),
    "deviceIds ignored": ServerProfile(device_ids=DeviceIds.IGNORED, to_inclusive=True),
    "several deviceIds refused": ServerProfile(device_ids=DeviceIds.REFUSED),
    "cameras of other servers unknown": ServerProfile(away_cameras_known=False),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
async def test_each_way_a_server_may_behave(tmp_path: Path, name: str) -> None:
    plan = replace(TWO_HOURS, servers=2, failover=BEHAVIOURS[name].away_cameras_known)
    async with simulated_event(tmp_path, plan, behaviour=BEHAVIOURS[name]) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, plan.start, plan.end)


@pytest.mark.parametrize("tokens", list(Tokens))
async def test_events_without_this_id(tmp_path: Path, tokens: Tokens) -> None:
    plan = replace(TWO_HOURS, opposite_ties=False)
    behaviour = ServerProfile(this_id=False, tokens=tokens, order=Order.SHUFFLED)
    async with simulated_event(tmp_path, plan, behaviour=behaviour) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, plan.start, plan.end)


async def test_every_fault_at_once(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, replace(PLAN, servers=2), faults=Faults.all(3)) as (simulated, scenario):
        assert await simulated.run() == 6  # unreadable events
        simulated.check(scenario, DOORS, END)


async def test_cameras_that_never_answer_do_not_hold_up_the_others(tmp_path: Path) -> None:
    plan = replace(SHORT, quiet=5)
    quiet = Scenario(plan).quiet
    async with simulated_event(tmp_path, plan, faults=Faults.all(4, broken=quiet)) as (simulated, scenario):
        assert await simulated.run() == 5
        simulated.check(scenario, plan.start, plan.end)


async def test_a_late_start_catches_up(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, starts=DOORS + hours(3.5)) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, DOORS, END)


async def test_events_hours_late_are_found_at_the_close(tmp_path: Path) -> None:
    faults = Faults(5, {"late": Fault(0.3, seconds=3600.0)})
    async with simulated_event(tmp_path, faults=faults, grace=4000.0) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, DOORS, END)


async def test_the_server_is_away_for_an_hour_and_at_the_end(tmp_path: Path) -> None:
    faults = Faults(6, {"away": Fault(since=DOORS + hours(2), until=DOORS + hours(3))})
    faults.set("error_503", Fault(since=END - timedelta(minutes=20), until=END + timedelta(minutes=5)))
    async with simulated_event(tmp_path, faults=faults) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, DOORS, END)


async def test_the_server_never_comes_back(tmp_path: Path) -> None:
    faults = Faults(6, {"away": Fault(since=DOORS + hours(0.4))})
    async with simulated_event(tmp_path, SHORT, faults=faults) as (simulated, scenario):
        assert await simulated.run() == 5
        faults.clear()
        assert await simulated.run() == 0  # the next start finds the event left open, and finishes it
        simulated.check(scenario, SHORT.start, SHORT.end)


async def test_the_database_is_locked_for_minutes(tmp_path: Path) -> None:
    plan = replace(PLAN, end=DOORS + hours(3))
    async with simulated_event(tmp_path, plan, interval=60.0) as (simulated, scenario):
        running = asyncio.create_task(simulated.run())
        await simulated.clock.sleep(hours(2).total_seconds())
        with closing(sqlite3.connect(simulated.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await simulated.clock.sleep(90.0)
            other.execute("ROLLBACK")
        assert await running == 0
        simulated.check(scenario, DOORS, plan.end)


async def test_of_a_database_that_is_away_for_all_of_the_close_no_figure_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)  # real seconds, of each of many tries…
    monkeypatch.setattr(incidents, "_LAST_ENTRIES", 0.1)  # …and at the end
    monkeypatch.setattr(notifier, "_LAST_SENDINGS", 0.1)
    async with simulated_event(tmp_path, SHORT, close_patience=60.0) as (simulated, scenario):
        running = asyncio.create_task(simulated.run())
        await simulated.clock.sleep((SHORT.end - simulated.clock.now()).total_seconds())
        with closing(sqlite3.connect(simulated.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await running == 5
        messages = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Cierre")]
        (line,) = [text for text in messages if "ACC tiene" in text]
        assert "a la base de datos no se le pudo preguntar" in line
        assert not [text for text in messages if "base 0" in text]
        assert await simulated.run() == 0
        simulated.check(scenario, SHORT.start, SHORT.end)


async def test_a_backfill_logs_no_zones_figures_of_another_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two events on a date the second cannot be counted at its close: what is logged of its zones is its own."""
    caplog.set_level("INFO", "aforo")
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)  # real seconds, of each of many tries
    half = SHORT.start + (SHORT.end - SHORT.start) / 2
    async with simulated_event(tmp_path, SHORT, starts=SHORT.end + hours(1), close_patience=60.0) as (simulated, _):
        first, second = (
            {"nombre": name, "hora_inicio": f"{since:%H:%M:%S}", "hora_fin": f"{until:%H:%M:%S}"}
            for name, since, until in (("A", local(SHORT.start), local(half)), ("B", local(half), local(SHORT.end)))
        )
        scheduled = {str(local(DOORS).date()): [first, second]}
        (simulated.folder / "eventos_programados.json").write_text(json.dumps(scheduled), encoding="utf-8")
        monitor = await asyncio.to_thread(simulated.monitor)
        with closing(sqlite3.connect(simulated.database, isolation_level=None, check_same_thread=False)) as other:
            open_record = Store.open_record

            def locked_from_the_second_on(*arguments: Any) -> EventRecord:
                record = open_record(*arguments)
                if record.event.name == "B":
                    other.execute("BEGIN IMMEDIATE")
                return record

            monkeypatch.setattr(Store, "open_record", locked_from_the_second_on)
            assert await monitor.backfill(local(DOORS).date()) == 5
    messages = [record.getMessage() for record in caplog.records]
    begins = next(number for number, text in enumerate(messages) if text.startswith("Cierre de «B»"))
    of_b = [text for text in messages[begins:] if ": aforo " in text]
    assert all("aforo 0 (entradas 0, salidas 0" in text for text in of_b)
    assert [text for text in messages[:begins] if ": aforo " in text and "entradas 0" not in text]


async def test_the_end_is_put_off_while_it_runs(tmp_path: Path) -> None:
    """Extra time: hora_fin is moved at half past nine, and what comes after the old end counts."""
    async with simulated_event(tmp_path) as (simulated, scenario):
        simulated.schedule(DOORS, END - hours(1))
        running = asyncio.create_task(simulated.run())
        await simulated.clock.sleep(hours(5.5).total_seconds())
        simulated.schedule(DOORS, END)
        assert await running == 0
        simulated.check(scenario, DOORS, END)


async def test_a_camera_is_added_while_it_runs(tmp_path: Path) -> None:
    """It is caught up from the event's beginning."""
    async with simulated_event(tmp_path) as (simulated, scenario):
        simulated.allow(list(scenario.allowed[:-2]))
        running = asyncio.create_task(simulated.run())
        await simulated.clock.sleep(hours(4).total_seconds())
        simulated.allow(list(scenario.allowed))
        assert await running == 0
        simulated.check(scenario, DOORS, END)


async def test_past_midnight(tmp_path: Path) -> None:
    late = replace(PLAN, start=DOORS + hours(5), end=DOORS + hours(11))
    async with simulated_event(tmp_path, late, starts=late.start + hours(4)) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, late.start, late.end)


async def test_past_midnight_started_after_its_end(tmp_path: Path) -> None:
    late = replace(SHORT, start=DOORS + hours(7), end=DOORS + hours(8.5))
    async with simulated_event(tmp_path, late, starts=late.end + hours(2)) as (simulated, scenario):
        assert await simulated.run() == 0
        simulated.check(scenario, late.start, late.end)


async def test_a_camera_that_fails_for_ever_is_not_a_lost_server(tmp_path: Path) -> None:
    plan = replace(SHORT, quiet=1)
    faults = Faults(8, {"camera_500": Fault(cameras=frozenset(Scenario(plan).quiet))})
    async with simulated_event(tmp_path, plan, faults=faults) as (simulated, scenario):
        assert await simulated.run() == 5
        assert simulated.clock.now() < plan.end + timedelta(minutes=4)
        simulated.check(scenario, plan.start, plan.end)


async def test_an_hour_before_it_waits_and_after_it_is_over_it_ends(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, starts=DOORS - hours(6)) as (simulated, scenario):
        assert await simulated.run() == 0
        ended = simulated.clock.now()
        assert END + timedelta(seconds=60) <= ended <= END + timedelta(minutes=10)
        simulated.check(scenario, DOORS, END)


async def test_with_no_event_now_no_wait_ends_at_once(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, starts=DOORS - hours(6)) as (simulated, _):
        assert await simulated.run(no_wait=True) == 0
        assert simulated.clock.now() < DOORS - hours(5.9)


async def test_a_refused_login_does_not_start(tmp_path: Path) -> None:
    async with simulated_event(tmp_path) as (simulated, _):
        simulated.site.credentials = Credentials(user_key="otra")
        with pytest.raises(AccRejectedLogin, match="403"):
            await simulated.run()


async def test_a_server_that_is_not_there_at_the_start_is_given_up_after_a_while(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, faults=Faults(7, {"error_503": Fault()})) as (simulated, _):
        began = simulated.clock.now()
        with pytest.raises(AccUnreachable):
            await simulated.run()
        assert timedelta(seconds=25) < simulated.clock.now() - began < timedelta(seconds=90)


async def test_a_clock_that_runs_behind_at_the_server_loses_nothing(tmp_path: Path) -> None:
    """The server's events carry its own time, four minutes behind ours: the event ends later for them."""
    async with simulated_event(tmp_path) as (simulated, scenario):
        simulated.site.clock.shift(-240)
        assert await simulated.run() == 0
        simulated.check(scenario, DOORS, END)
