"""A database that is removed, replaced or restored while it is in use is noticed, and gets all that it lacks."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.storage.databases import (
    HISTORY,
    NORTE,
    PUERTA,
    DatabaseUnderTest,
    answers_lost,
    at,
    batch,
    event_at,
    rules,
)

from aforo.clock import SystemClock
from aforo.errors import StoreReplaced, StoreUnavailable
from aforo.storage import Correction, Database, EventRecord, Store

EVENTS = [at(1_000, "1"), at(2_000, "2"), at(3_000, "3", PUERTA)]


def opened(store: Store) -> EventRecord:
    return store.open_record(event_at(), rules().classify, rules().fingerprint)


class File:
    """The file of a SQLite database, and what may happen to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copy = path.with_name("copy.db")

    def remove(self) -> None:
        self.path.unlink()

    def remove_with_its_log(self) -> None:
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    def replace_by_an_older_copy(self) -> None:
        shutil.copy(self.copy, self.path.with_name("moved.db"))
        self.path.with_name("moved.db").replace(self.path)

    def move_away(self) -> None:
        self.path.rename(self.path.with_name("moved.db"))

    def replace_by_a_foreign_one(self) -> None:
        other = self.path.with_name("other.db")
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE notes (text)")
        other.replace(self.path)

    def save_copy(self) -> None:
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(self.copy)) as target:
            source.backup(target)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "aforo.db")


@pytest.fixture
def on_file(file: File) -> Iterator[DatabaseUnderTest]:
    made = DatabaseUnderTest(f"sqlite:///{file.path}")
    yield made
    made.close()


WAYS: list[Callable[[File], None]] = [
    File.remove,
    File.remove_with_its_log,
    File.move_away,
    File.replace_by_an_older_copy,
    File.replace_by_a_foreign_one,
]


@pytest.mark.parametrize("happens", WAYS, ids=lambda way: way.__name__)
def test_the_next_transaction_notices_and_the_record_is_opened_anew(
    file: File, on_file: DatabaseUnderTest, happens: Callable[[File], None]
) -> None:
    store = on_file.store()
    record = opened(store)
    store.add(record, batch(EVENTS[0]), EVENTS[0].occurred_at)
    file.save_copy()
    store.add(record, batch(EVENTS[1]), EVENTS[1].occurred_at)
    happens(file)
    with pytest.raises(StoreReplaced, match="no es la de antes"):
        store.add(record, batch(EVENTS[2]), EVENTS[2].occurred_at)
    again = opened(store)
    result = store.add(again, batch(*EVENTS), EVENTS[2].occurred_at)
    assert {one.this_id for one in result.new} >= {"2", "3"}
    assert store.occupancies(again)[NORTE].count == 2
    assert store.history_count(again) == 1
    with closing(sqlite3.connect(file.path)) as connection:
        assert connection.execute(f'SELECT count(*) FROM "{HISTORY}"').fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM aforo_events").fetchone() == (3,)


def test_a_file_that_was_moved_away_keeps_all_that_was_stored_in_it(file: File, on_file: DatabaseUnderTest) -> None:
    store = on_file.store()
    record = opened(store)
    store.add(record, batch(*EVENTS), EVENTS[2].occurred_at)
    file.move_away()
    with pytest.raises(StoreReplaced):
        store.add(record, batch(), EVENTS[2].occurred_at)
    with closing(sqlite3.connect(file.path.with_name("moved.db"))) as connection:
        assert connection.execute("SELECT count(*) FROM aforo_events").fetchone() == (3,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_that_only_reads_reads_the_file_that_is_there(file: File, on_file: DatabaseUnderTest) -> None:
    writer, reader = on_file.store(), on_file.store()
    record = opened(writer)
    writer.add(record, batch(*EVENTS), EVENTS[2].occurred_at)
    assert reader.occupancies(record)[NORTE].count == 2
    file.remove()
    with pytest.raises(StoreReplaced):
        writer.add(record, batch(), EVENTS[2].occurred_at)
    again = opened(writer)
    writer.add(again, batch(EVENTS[0]), EVENTS[2].occurred_at)
    assert reader.occupancies(again)[NORTE].count == 1


def test_an_older_state_of_a_server_s_database_is_noticed(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    for event in EVENTS[:2]:
        store.add(record, batch(event), event.occurred_at)
    database.run("DELETE FROM aforo_events", "DELETE FROM aforo_minutes", "UPDATE aforo_shows SET revision = 1")
    with pytest.raises(StoreReplaced):
        store.add(record, batch(EVENTS[2]), EVENTS[2].occurred_at)
    again = opened(store)
    assert len(store.add(again, batch(*EVENTS), EVENTS[2].occurred_at).new) == 3
    assert store.occupancies(again)[NORTE].count == 2


def test_a_lost_commit_answer_is_no_older_state(database: DatabaseUnderTest) -> None:
    store = database.store()
    record = opened(store)
    correction = Correction("c1", NORTE, 5, "recuento", "ana", EVENTS[0].occurred_at)

    for event in EVENTS:
        with answers_lost(), pytest.raises(StoreUnavailable):
            store.add(record, batch(event), event.occurred_at)
        store.add(record, batch(event), event.occurred_at)
    store.correct(record, correction)
    assert store.occupancies(record)[NORTE].count == 7


@pytest.fixture
async def storage(on_file: DatabaseUnderTest) -> AsyncIterator[Database]:
    store = await asyncio.to_thread(on_file.store)
    async with Database(store, SystemClock()) as made:
        yield made


async def test_what_waited_is_dropped_and_a_record_of_before_is_of_no_use(file: File, storage: Database) -> None:
    record = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    await storage.put(record, batch(EVENTS[0]))
    await storage.drain()
    await asyncio.to_thread(file.remove)
    await storage.put(record, batch(EVENTS[1]))
    await storage.drain()
    assert storage.generation == 1
    await storage.put(record, batch(EVENTS[2]))  # by a request that was under way
    with pytest.raises(StoreReplaced):
        await storage.stored_figures(record)
    again = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    assert again.checkpoints == {}
    assert (await storage.stored_figures(again)).events_by_camera == {}
    await storage.put(again, batch(*EVENTS))
    await storage.drain()
    figures = await storage.stored_figures(again)
    assert sum(figures.events_by_camera.values()) == 3
    assert storage.generation == 1


async def test_a_record_is_opened_though_the_database_was_replaced_just_before(file: File, storage: Database) -> None:
    record = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    await storage.put(record, batch(*EVENTS))
    await storage.drain()
    await asyncio.to_thread(file.remove)
    again = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    assert again.checkpoints == {}
    assert again.occupancies[NORTE].count == 0
