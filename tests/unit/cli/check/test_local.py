"""The checks on this machine."""

import json
from datetime import UTC, datetime
from pathlib import Path

from aforo.cli.check.local import precondition_lines
from aforo.cli.check.results import Line, State
from aforo.settings import MonitorSettings, Settings


def event(name: str) -> dict[str, str]:
    return {"nombre": name, "hora_inicio": "16:00", "hora_fin": "23:00"}


def test_a_name_on_two_dates_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "eventos_programados.json"
    dates = {"2026-01-20": event("Final"), "2026-01-21": event("Otro"), "2026-02-03": event("Final")}
    file.write_text(json.dumps(dates), encoding="utf-8")
    settings = Settings(monitor=MonitorSettings(schedule_file=file))
    for now in (datetime(2026, 1, 19, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)):
        _, line = schedule_lines(settings, now)
        assert (line.topic, line.state) == ("schedule.names", State.WARNING)
        assert line.details == ["«Final»: 2026-01-20, 2026-02-03"]
    file.write_text(json.dumps({"2026-01-20": event("Final")}), encoding="utf-8")
    assert [one.topic for one in schedule_lines(settings, datetime(2026, 1, 19, tzinfo=UTC))] == ["schedule"]


def schedule_lines(settings: Settings, now: datetime) -> list[Line]:
    return [line for line in precondition_lines(settings, now) if line.section == "schedule"]
