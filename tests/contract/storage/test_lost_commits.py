"""A commit was done and its answer is lost: the same call again changes nothing, and tells what it would have told."""

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


def test_what_a_commit_stored_is_told_though_its_answer_was_lost(database: DatabaseUnderTest, store: Store) -> None:
    show = opened(store)
    add(store, show, at(10, "1"))
    made = batch(at(10, "1"), at(20, "2"), at(MINUTE_MS, "3", PUERTA), at(MINUTE_MS, "4"))
    with answers_lost(), pytest.raises(StoreUnavailable):
        store.add(show, made, START)
    add(database.store(), show, at(30, "5"))
    told = store.add(show, made, START)
    assert list(told.new) == made.events[1:]
    assert told.minutes[NORTE].keys() == store.minutes(show)[NORTE].keys()
    assert (told.already, told.occupancies[NORTE].count) == (1, 4)
    assert (store.add(show, made, START).already, sum(store.events_by_camera(show).values())) == (4, 5)


def test_it_is_told_however_often_the_answer_is_lost(store: Store) -> None:
    show, made = opened(store), batch(at(10, "1"), at(20, "2"))
    for _ in range(3):
        with answers_lost(), pytest.raises(StoreUnavailable):
            store.add(show, made, START)
    assert list(store.add(show, made, START).new) == made.events


@pytest.mark.parametrize("ended", [None, START + timedelta(minutes=1)])
def test_a_note_is_there_once_though_the_answer_to_its_commit_was_lost(store: Store, ended: datetime | None) -> None:
    show = opened(store)

    def noted() -> int:
        return store.begin_entry(JournalKind.ACC_AWAY, "S1", START, detail="se cayó", record=show, ended=ended)

    with answers_lost(), pytest.raises(StoreUnavailable):
        noted()
    note = noted()
    store.begin_entry(JournalKind.ACC_AWAY, "S2", START, detail="se cayó", record=show, ended=ended)
    store.end_entry(note, START + timedelta(minutes=1))
    assert [(one.subject, one.ended) for one in store.entries(show)] == [
        ("S1", START + timedelta(minutes=1)),
        ("S2", ended),
    ]
