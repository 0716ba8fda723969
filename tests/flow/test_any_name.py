"""A whole event whose cameras, analytics and own name are hostile: all of it is counted, and the report is made."""

import json
import logging
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from tests.flow.harness import DOORS, PLAN, hours, simulated_event
from tests.unit.any_names import HOSTILE

from aforo.cli.cameras import as_lines, camera_rows
from aforo.logging_setup.formatters import TextFormatter
from aforo.outside_text import visible
from aforo.redaction import Mask

NAMES = [name for name in HOSTILE if "\0" not in name and len(name) < 900]  # columns hold these as they are
SHORT = replace(PLAN, end=DOORS + hours(0.5), cameras=8, events=400, burst=0)


@pytest.mark.parametrize("name", [NAMES[0], NAMES[4], NAMES[8], NAMES[17]])
async def test_an_event_of_hostile_names(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with simulated_event(tmp_path, SHORT) as (simulated, scenario):
        kinds, cameras = scenario.event_log.kinds, scenario.cameras
        for place, kind in enumerate(kinds):
            kinds[place] = kind._replace(name=f"{kind.name} {NAMES[place % len(NAMES)]}")
        scenario.cameras = cameras = tuple(
            camera._replace(name=f"{camera.name} {NAMES[place % len(NAMES)]}") for place, camera in enumerate(cameras)
        )
        simulated.name, simulated.reports = name.strip(), tmp_path / "informes"
        simulated.schedule(SHORT.start, SHORT.end)
        assert await simulated.run() in {0, 6}
        simulated.check(scenario, SHORT.start, SHORT.end)
        rows, unusable = await camera_rows(simulated.settings, simulated.clock, counting=False)
    assert unusable == 0
    assert len(rows) == len(cameras)
    shown = "".join(as_lines(rows, counting=False))
    assert all(visible(one) == one or unicodedata.category(one) == "Zs" for one in shown)
    formatter = TextFormatter(simulated.settings.monitor.timezone, Mask())
    assert all("\n" not in formatter.format(record) for record in caplog.records)
    (report,) = simulated.reports.glob("*.json")
    assert json.loads(report.read_text(encoding="utf-8"))["name"] == name.strip()
    assert {path.suffix for path in simulated.reports.iterdir()} == {".html", ".csv", ".json"}
