"""What the terminal view shows of zones and totals."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from aforo.cli.tui import LastRecords, View
from aforo.models import Occupancy, ScheduledEvent, Window

START = datetime(2026, 11, 24, 21, tzinfo=UTC)


@dataclass
class State:
    occupancies: Mapping[str, Occupancy]
    total_occupancies: Mapping[str, Occupancy]
    event: ScheduledEvent | None = field(
        default_factory=lambda: ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, START + timedelta(hours=7)))
    )
    phase: str = "en curso"
    curves: Mapping[str, Sequence[tuple[datetime, int]]] = field(default_factory=dict)
    intervals: dict[str, tuple[int, int]] = field(default_factory=dict)
    stored: int = 5
    repeated: int = 1


@pytest.mark.parametrize("number", [2, 12])
def test_all_zones_and_totals_are_there_and_one_comes_first(number: int) -> None:
    names = [f"Zona {one:02}" for one in range(1, number + 1)]
    zones = {name: Occupancy(name, 1200 + one, 200, 1000 + one, 0) for one, name in enumerate(names)}
    totals = {"Vehículos": Occupancy("Vehículos", 2400, 400, 2000, 0)}
    out = io.StringIO()
    last = names[-1]
    view = View(State(zones, totals), START, ZoneInfo("America/Bogota"), [], LastRecords(), first=last)
    Console(file=out, width=120, height=50).print(view)
    text = out.getvalue()
    for one in (*zones.values(), *totals.values()):
        assert one.zone in text
        assert f"{one.count:,}".replace(",", ".") in text
    assert text.index(last) < text.index("Vehículos") < text.index(names[0])
