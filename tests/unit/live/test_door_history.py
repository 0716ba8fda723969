"""What earlier events say of each door: the last word of each of the last ten, without the event itself."""

from datetime import UTC, datetime, timedelta

from aforo.counting.doors import Crossings
from aforo.live.door_history import past_doors, text_of
from aforo.storage import JournalEntry, JournalKind

START = datetime(2026, 1, 27, 21, tzinfo=UTC)


def entry(number: int, record: int, detail: str) -> JournalEntry:
    began = START + timedelta(days=record)
    return JournalEntry(number, record, JournalKind.DOORS, "", began, began, detail)


def test_the_last_word_of_each_other_event_counts() -> None:
    first, mended, other = ({"PUERTA 1": Crossings(count, 5)} for count in (10, 12, 100))
    entries = [entry(1, 1, text_of(first)), entry(2, 2, text_of(other)), entry(3, 1, text_of(mended))]
    assert past_doors(entries, 9) == {"PUERTA 1": Crossings(112, 10)}
    assert past_doors(entries, 2) == mended


def test_only_the_last_ten_events_count_and_a_damaged_entry_is_left_out() -> None:
    entries = [entry(number, number, text_of({"P": Crossings(1)})) for number in range(1, 30)]
    assert past_doors(entries, None) == {"P": Crossings(10)}
    assert past_doors([*entries, entry(99, 29, "{dañado")], None) == {"P": Crossings(9)}
