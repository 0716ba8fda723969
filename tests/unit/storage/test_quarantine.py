"""Rows parted until the rejected ones stand alone, and how many tries that may take."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aforo.errors import StoreRejectedRow
from aforo.storage.event_ledger import QUARANTINED, Entry
from aforo.storage.quarantine import write_except_rejected


class _Table:
    """A table that takes all or nothing, and what is there already a second time."""

    def __init__(self, bad: set[Entry]) -> None:
        self.bad = bad
        self.rows: set[Entry] = set()
        self.tries = 0

    def write(self, entries: Sequence[Entry]) -> None:
        self.tries += 1
        if not self.bad.isdisjoint(entries):
            raise StoreRejectedRow("cámara" if any(one.source in (1, 2) for one in self.bad & set(entries)) else "otra")
        self.rows.update(entries)


def _entries(sources: Sequence[int]) -> list[Entry]:
    return [Entry(number, 1, str(number), source, QUARANTINED) for number, source in enumerate(sources)]


_batches = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=60)


@given(_batches, st.none() | st.integers(1, 40))
def test_each_row_is_written_or_returned_and_a_rejected_one_is_never_written(
    rows: list[tuple[int, bool]], most: int | None
) -> None:
    entries = _entries([source for source, _ in rows])
    table = _Table({entry for entry, (_, bad) in zip(entries, rows, strict=True) if bad})
    returned = [entry for rejected in write_except_rejected(entries, table.write, most) for entry in rejected.entries]
    assert len(returned) == len(set(returned))
    assert table.rows | set(returned) == set(entries)
    assert table.bad <= set(returned)
    assert table.tries <= (len(entries) + 2 if most is None else most)


@given(_batches)
def test_with_enough_tries_only_rejected_rows_stay_out(rows: list[tuple[int, bool]]) -> None:
    bad_sources = {source for source, bad in rows if bad}
    entries = _entries([source for source, _ in rows])
    table = _Table({entry for entry in entries if entry.source in bad_sources})
    rejected = write_except_rejected(entries, table.write, 10_000)
    assert {entry for one in rejected for entry in one.entries} == table.bad
    assert table.rows == set(entries) - table.bad


def test_one_row_among_thousands_is_found_in_some_tries() -> None:
    entries = _entries([number % 40 for number in range(8_000)])
    table = _Table({entries[4_321]})
    (rejected,) = write_except_rejected(entries, table.write)
    assert (rejected.entries, rejected.reason) == (
        [entries[4_321]],
        "cámara" if entries[4_321].source in (1, 2) else "otra",
    )
    assert len(table.rows) == 7_999
    assert table.tries < 60


def test_a_table_that_rejects_everything_is_not_tried_row_by_row() -> None:
    for sources in (1, 6, 100, 8_000):
        entries = _entries([number % sources for number in range(8_000)])
        table = _Table(set(entries))
        returned = write_except_rejected(entries, table.write)
        assert sum(len(one.entries) for one in returned) == 8_000
        assert table.tries <= 120


def test_what_was_given_up_for_want_of_tries_is_written_by_a_later_call() -> None:
    entries = _entries(list(range(400)))
    table = _Table({entry for entry in entries if entry.source % 20 == 0})
    left = entries
    for _ in range(40):
        left = [entry for one in write_except_rejected(left, table.write, 200) for entry in one.entries]
        if set(left) == table.bad:
            break
    assert set(left) == table.bad


def test_a_good_row_between_rejected_ones_of_its_source_is_written_by_some_call() -> None:
    left = _entries([1] * 30)
    good = {left[7], left[20]}
    table = _Table(set(left) - good)
    for _ in range(300):
        returned = [entry for one in write_except_rejected(left, table.write) for entry in one.entries]
        left = [entry for entry in returned if entry not in table.rows]
    assert table.rows == good


def test_rejected_rows_are_grouped_by_reason() -> None:
    entries = _entries([1, 1, 7, 7, 9])
    table = _Table({entries[0], entries[1], entries[4]})
    returned = {one.reason: sorted(one.entries) for one in write_except_rejected(entries, table.write, 100)}
    assert returned == {"cámara": entries[:2], "otra": [entries[4]]}
