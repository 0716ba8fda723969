"""A commit was done and its answer is lost: the same call again changes nothing, and returns what was stored."""

from datetime import datetime, timedelta

import pytest
from tests.contract.storage.databases import (
    MINUTE_MS,
    NORTE,
    PUERTA,
    START,
    DatabaseUnderTest,
    add,
    answers_lost,
    at,
    batch,
    opened,
)

from aforo.errors import StoreUnavailable
from aforo.storage import JournalKind, Store


def test_what_a_commit_stored_is_returned_though_its_answer_was_lost(database: DatabaseUnderTest, store: Store) -> None:
    record = opened(store)
    add(store, record, at(10, "1"))
    made = batch(at(10, "1"), at(20, "2"), at(MINUTE_MS, "3", PUERTA), at(MINUTE_MS, "4"))
    with answers_lost(), pytest.raises(StoreUnavailable):
        store.add(record, made, START)
    add(database.store(), record, at(30, "5"))
    reported = store.add(record, made, START)
    assert list(reported.new) == made.events[1:]
    assert reported.minutes[NORTE] == store.minutes(record)[NORTE]
    assert (reported.already, reported.occupancies[NORTE].count) == (1, 4)
    assert (store.add(record, made, START).already, sum(store.events_by_camera(record).values())) == (4, 5)


def test_it_is_returned_however_often_the_answer_is_lost(store: Store) -> None:
    record, made = opened(store), batch(at(10, "1"), at(20, "2"))
    for _ in range(3):
        with answers_lost(), pytest.raises(StoreUnavailable):
            store.add(record, made, START)
    assert list(store.add(record, made, START).new) == made.events


@pytest.mark.parametrize("ended", [None, START + timedelta(minutes=1)])
def test_a_journal_entry_is_there_once_though_its_answer_was_lost(store: Store, ended: datetime | None) -> None:
    record = opened(store)

    def stored_entry() -> int:
        return store.begin_entry(JournalKind.ACC_AWAY, "S1", START, detail="se cayó", record=record, ended=ended)

    with answers_lost(), pytest.raises(StoreUnavailable):
        stored_entry()
    entry = stored_entry()
    store.begin_entry(JournalKind.ACC_AWAY, "S2", START, detail="se cayó", record=record, ended=ended)
    store.end_entry(entry, START + timedelta(minutes=1))
    assert [(one.subject, one.ended) for one in store.entries(record)] == [
        ("S1", START + timedelta(minutes=1)),
        ("S2", ended),
    ]
