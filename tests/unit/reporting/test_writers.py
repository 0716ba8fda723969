from datetime import UTC, date, datetime

import pytest

from aforo.models import Classification, ScheduledEvent, Window
from aforo.reporting import suffix_of
from aforo.reporting.writers import file_name
from aforo.storage import EventRecord

SINCE = datetime(2026, 1, 27, 21, tzinfo=UTC)


def record(number: int, name: str) -> EventRecord:
    event = ScheduledEvent(date(2026, 1, 27), name, Window(SINCE, SINCE))
    return EventRecord(number, event, {}, {}, True, lambda _: Classification(False, ()), "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Concierto A", "2026-01-27-Concierto-A"),
        ("<b>Ñandú</b>/2", "2026-01-27-b-Ñandú-b-2"),
        ("con", "2026-01-27-evento"),
        ("???", "2026-01-27-evento"),
    ],
)
def test_file_name_is_one_that_windows_and_linux_accept(name: str, expected: str) -> None:
    assert file_name("2026-01-27", name) == expected


def test_file_name_is_cut() -> None:
    assert len(file_name("2026-01-27", "x" * 500)) == len("2026-01-27-") + 80


def test_events_of_one_date_and_name_get_different_suffixes() -> None:
    records = [record(1, "Final"), record(2, "Otra"), record(3, "FINAL"), record(4, "Final")]
    assert [suffix_of(one, records) for one in records] == ["", "", "-2", "-3"]
