"""When an event is compared again after its close: soon, later, and the next morning by the stadium's clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from aforo.ingestion.later_comparisons import comparison_times

BOGOTA = ZoneInfo("America/Bogota")


@pytest.mark.parametrize(
    ("closed", "soon", "later", "morning"),
    [
        ("2026-01-27T23:01", "2026-01-27T23:16", "2026-01-28T00:01", "2026-01-28T07:00"),
        ("2026-01-28T02:00", "2026-01-28T02:15", "2026-01-28T03:00", "2026-01-28T07:00"),
        ("2026-01-28T06:30", "2026-01-28T06:45", "2026-01-28T07:30", "2026-01-29T07:00"),
        ("2026-01-28T06:00", "2026-01-28T06:15", "2026-01-28T07:00", "2026-01-29T07:00"),
        ("2026-01-27T12:00", "2026-01-27T12:15", "2026-01-27T13:00", "2026-01-28T07:00"),
    ],
)
def test_soon_later_and_the_next_morning(closed: str, soon: str, later: str, morning: str) -> None:
    def instant(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=BOGOTA).astimezone(UTC)

    assert list(comparison_times(instant(closed), BOGOTA)) == [instant(soon), instant(later), instant(morning)]
