"""A database that is removed in mid-event, or at the close, gets the whole event again; it is never green without."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.flow.harness import SHORT, SimulatedEvent, hours, simulated_event


async def at(simulated: SimulatedEvent, instant: timedelta, act: Callable[[], object]) -> None:
    await simulated.clock.sleep((SHORT.start + instant - simulated.clock.now()).total_seconds())
    await asyncio.to_thread(act)


@pytest.mark.parametrize("minutes", [10, 25, 42.2, 42.9], ids=["early", "late", "in the grace", "near the close"])
async def test_a_removed_file_costs_nothing(tmp_path: Path, minutes: float, caplog: pytest.LogCaptureFixture) -> None:
    async with simulated_event(tmp_path, SHORT, starts=SHORT.start - timedelta(minutes=1), interval=60.0) as (
        simulated,
        scenario,
    ):
        simulated.reports = tmp_path / "informes"
        remove = simulated.database.unlink
        removing = asyncio.create_task(at(simulated, timedelta(minutes=minutes), remove))
        with caplog.at_level(logging.WARNING):
            assert await simulated.run() == 0
        await removing
        simulated.check(scenario, SHORT.start, SHORT.end)
    messages = [record.getMessage() for record in caplog.records]
    assert any("no es la de antes" in message for message in messages)
    assert not [message for message in messages if "tarde" in message], "what is read again is not late by that"
    (report,) = (tmp_path / "informes").glob("*.json")
    incidents = json.loads(report.read_text(encoding="utf-8"))["incidents"]
    assert any("borrada, cambiada o restaurada" in incident["what"] for incident in incidents)


async def test_rows_of_a_restored_copy_are_completed(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, SHORT, starts=SHORT.start, interval=60.0) as (simulated, scenario):
        copy = tmp_path / "copy.db"

        def save() -> None:
            with closing(sqlite3.connect(simulated.database)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)

        def restore() -> None:
            copy.replace(simulated.database)

        steps = [
            asyncio.create_task(at(simulated, hours(0.2), save)),
            asyncio.create_task(at(simulated, hours(0.5), restore)),
        ]
        assert await simulated.run() == 0
        await asyncio.gather(*steps)
        simulated.check(scenario, SHORT.start, SHORT.end)


async def test_a_damaged_journal_costs_the_report_and_not_the_close(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated_event(tmp_path, SHORT, starts=SHORT.start, interval=60.0) as (simulated, scenario):
        simulated.reports = tmp_path / "informes"

        def damage() -> None:
            with closing(sqlite3.connect(simulated.database)) as file, file:
                file.execute(
                    "INSERT INTO aforo_journal (id, show_id, kind, subject, began_ms, ended_ms, detail)"
                    " SELECT 1000000, id, 'camera', 'A', starts_ms, ends_ms, '{' FROM aforo_shows"
                )

        damaging = asyncio.create_task(at(simulated, timedelta(minutes=10), damage))
        assert await simulated.run() == 0
        await damaging
        simulated.check(scenario, SHORT.start, SHORT.end)
    assert any(record.getMessage().startswith("Error interno al hacer el acta") for record in caplog.records)
