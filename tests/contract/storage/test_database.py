"""The writer over a real database: order, patience, bounds, and one bad row among good ones."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.storage.databases import (
    HISTORY,
    NORTE,
    PUERTA,
    START,
    DatabaseUnderTest,
    answers_lost,
    at,
    batch,
    naive,
    rules,
    show_at,
)

from aforo.clock import SystemClock
from aforo.errors import StoreNotReady, StoreRejectedLogin, StoreUnavailable
from aforo.models import Batch, Classification, CommitResult, Feed
from aforo.storage import Database, Store
from aforo.storage.backends import sqlite


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseUnderTest]:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT", 0.01)
    made = DatabaseUnderTest(f"sqlite:///{tmp_path / 'aforo.db'}")
    yield made
    made.close()


@pytest.fixture
async def writer(database: DatabaseUnderTest) -> AsyncIterator[Database]:
    store = await asyncio.to_thread(database.store)
    async with Database(store, _Clock(), most_waiting=50, most_together=20) as made:
        await made.show(show_at(), rules().verdict, rules().fingerprint)
        yield made


class _Clock(SystemClock):
    """Real time whose waits are short; it tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.waiting = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.waiting.set()
        await super().sleep(min(seconds, 0.01))


@contextmanager
def _locked(database: DatabaseUnderTest) -> Iterator[None]:
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_stores_in_order_in_few_transactions_and_tells_of_each(
    database: DatabaseUnderTest, writer: Database
) -> None:
    told: list[tuple[Batch, CommitResult]] = []
    writer.on_stored = lambda *what: told.append(what)
    events = [at(10 * i, str(i)) for i in range(1, 31)]
    for event in events:
        await writer.put(batch(event, until={Feed("S1", "CAM1"): event.occurred_at}))
    await writer.drain()
    assert (writer.pending, writer.waiting) == (0, [])
    assert [event for made, _ in told for event in made.events] == events
    assert [event for _, stored in told for event in stored.new] == events
    assert len(told) < len(events)
    assert max(len(made.events) for made, _ in told) <= 20
    assert told[-1][0].checkpoints == {Feed("S1", "CAM1"): events[-1].occurred_at}
    assert database.aforo() == {"Concierto Ñandú": 30}


async def test_waits_while_the_database_is_locked_and_says_so_once(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock: Any = writer._clock
    with _locked(database):
        await writer.put(batch(at(10, "1"), at(20, "2", PUERTA)))
        while len(clock.slept) < 6:
            clock.waiting.clear()
            await clock.waiting.wait()
        assert writer.down_since is not None
        assert (writer.pending, [len(waiting.events) for waiting in writer.waiting]) == (2, [2])
    await writer.drain()
    assert writer.down_since is None
    assert database.aforo() == {"Concierto Ñandú": 1}
    messages = [record.getMessage() for record in caplog.records if record.name == "aforo.storage.writer"]
    assert len(messages) == 2
    assert "no está disponible" in messages[0]
    assert "vuelve a responder tras" in messages[1]
    notes = await writer.call(database.stores[0].notes)
    assert [(note.kind, note.ended is not None) for note in notes] == [("database", True)]
    assert all(pause <= 15 for pause in clock.slept)
    assert clock.slept[4] > clock.slept[0]


async def test_reads_that_work_do_not_end_an_outage_of_the_writes(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock: Any = writer._clock
    store = database.stores[0]
    with _locked(database):
        await writer.put(batch(at(10, "1")))
        for failures in range(2, 8):
            while len(clock.slept) < failures:
                clock.waiting.clear()
                await clock.waiting.wait()
            assert await writer.call(store.notes) == []
            assert writer.down_since is not None
    await writer.drain()
    assert writer.down_since is None
    assert ["vuelve a responder" in record.getMessage() for record in caplog.records] == [False, True]
    assert clock.slept[5] > clock.slept[0]
    assert [note.kind for note in await writer.call(store.notes)] == ["database"]


async def test_a_table_that_refuses_all_is_told_of_once_and_costs_neither_count_nor_checkpoint(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(
        database.run,
        f"CREATE TRIGGER refuse BEFORE INSERT ON {HISTORY} BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    told: list[CommitResult] = []
    writer.on_stored = lambda _, stored: told.append(stored)
    events = [at(10 * i, str(i), f"PUERTA {i}" if i % 2 else "AFORO ENTRADA PARQUEADERO NORTE") for i in range(1, 101)]
    feed = Feed("S1", "CAM1")
    for first in range(0, 100, 10):
        await writer.put(batch(*events[first : first + 10], until={feed: events[first + 9].occurred_at}))
    await writer.drain()
    assert sorted(event for stored in told for event in stored.new) == sorted(events)
    assert await asyncio.to_thread(database.aforo) == {"Concierto Ñandú": 50}
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    show = writer._show
    assert show is not None
    assert len(await writer.call(database.stores[0].notes, show, "row")) == 1
    await asyncio.to_thread(database.run, "DROP TRIGGER refuse")
    show = await writer.show(show_at(), rules().verdict, rules().fingerprint)
    assert show.checkpoints == {feed: events[-1].occurred_at}
    assert await writer.call(database.stores[0].history_count, show) == 50


async def test_a_short_lock_is_no_outage(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock: Any = writer._clock
    with _locked(database):
        await writer.put(batch(at(10, "1")))
        await clock.waiting.wait()
    await writer.drain()
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


async def test_holds_back_whoever_reads_faster_than_it_stores(database: DatabaseUnderTest, writer: Database) -> None:
    with _locked(database):
        for i in range(5):
            await writer.put(batch(*(at(10, f"{i}-{j}") for j in range(10))))
        held = asyncio.create_task(writer.put(batch(at(20, "late"))))
        await asyncio.wait([held], timeout=0.05)
        assert not held.done()
        assert writer.pending == 50
    await held
    await writer.drain()
    assert await writer.call(database.stores[0].counts, writer._show) == {"CAM1": 51}  # type: ignore[arg-type]


async def test_a_batch_larger_than_all_room_is_taken_when_nothing_waits(
    database: DatabaseUnderTest, writer: Database
) -> None:
    await writer.put(batch(*(at(i, str(i)) for i in range(1, 200))))
    await writer.drain()
    assert database.aforo() == {"Concierto Ñandú": 199}


async def test_one_bad_row_does_not_stop_the_others(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(_refuse_bad_cameras, database)
    told: list[CommitResult] = []
    writer.on_stored = lambda _, stored: told.append(stored)
    good = [at(10 * i, str(i), PUERTA if i % 2 else "AFORO ENTRADA PARQUEADERO NORTE") for i in range(1, 20)]
    bad = at(105, "99", PUERTA, camera="MALA")
    feed = Feed("S1", "CAM1")
    await writer.put(batch(*good[:11], bad, *good[11:], until={feed: START + timedelta(minutes=1)}))
    await writer.drain()
    assert sorted(event for stored in told for event in stored.new) == sorted([*good, bad])
    assert len(await asyncio.to_thread(database.history)) == 10
    show = await writer.show(show_at(), rules().verdict, rules().fingerprint)
    assert show.checkpoints == {feed: START + timedelta(minutes=1)}
    assert show.occupancies[NORTE] == naive(good, NORTE)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "MALA" in errors[0]
    (note,) = await writer.call(database.stores[0].notes, show, "row")
    assert "MALA" in note.detail


async def test_rows_that_wait_for_a_bad_one_are_written_though_the_answer_to_the_commit_is_lost(
    database: DatabaseUnderTest, writer: Database
) -> None:
    await asyncio.to_thread(_refuse_bad_cameras, database)
    with answers_lost() as lost:
        await writer.put(batch(at(10, "1", PUERTA), at(20, "2", PUERTA, camera="MALA"), at(30, "3", PUERTA)))
        await writer.drain()
    assert len(lost) == 1
    assert len(await asyncio.to_thread(database.history)) == 2


async def test_half_a_character_is_mended_not_lost(database: DatabaseUnderTest, writer: Database) -> None:
    odd = [at(10, "1\udce9"), at(20, "2", "PUERTA \ud83c"), at(30, "3", camera="CAM\udc00"), at(40, "4")]
    for _ in range(2):
        await writer.put(batch(*odd))
        await writer.drain()
    counts = await writer.call(database.stores[0].counts, writer._show)  # type: ignore[arg-type]
    assert sum(counts.values()) == 4
    assert [row[0] for row in await asyncio.to_thread(database.history)] == ["PUERTA ?"]
    assert database.aforo() == {"Concierto Ñandú": 3}


async def test_a_listener_that_fails_does_not_stop_the_counting(
    database: DatabaseUnderTest, writer: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_batch: Batch, _stored: CommitResult) -> None:
        raise ZeroDivisionError

    writer.on_stored = fail
    await writer.put(batch(at(10, "1")))
    await writer.drain()
    assert database.aforo() == {"Concierto Ñandú": 1}
    assert "Error interno" in caplog.text


async def test_at_the_start_a_refused_login_or_missing_tables_are_told_at_once(database: DatabaseUnderTest) -> None:
    def refuse() -> None:
        raise StoreRejectedLogin("no")

    async with Database(database.store(opened=False), _Clock()) as writer:
        with pytest.raises(StoreRejectedLogin):
            await writer.call(refuse)
        assert writer.down_since is None


async def test_in_mid_event_they_are_waited_out(database: DatabaseUnderTest, writer: Database) -> None:
    errors = [StoreRejectedLogin("clave cambiada"), StoreNotReady("sin permiso"), StoreUnavailable("reinicio")]

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "hecho"

    assert await writer.call(work) == "hecho"


async def test_stopping_does_not_wait_for_a_database_that_is_away(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    store = await asyncio.to_thread(database.store)
    clock = _Clock()
    async with Database(store, clock) as writer:
        await writer.show(show_at(), rules().verdict, rules().fingerprint)
        with _locked(database):
            await writer.put(batch(at(10, "1")))
            await clock.waiting.wait()
            await writer.stop()
            await writer.stop()
    assert "Quedan 1 eventos leídos sin guardar" in caplog.text


async def test_a_cancelled_caller_leaves_no_transaction_in_the_air(
    database: DatabaseUnderTest, writer: Database
) -> None:
    show = writer._show
    assert show is not None
    store = database.stores[0]
    call = asyncio.create_task(writer.call(store.add, show, batch(at(10, "1")), START))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    await writer.put(batch(at(10, "1"), at(20, "2")))
    await writer.drain()
    assert database.aforo() == {"Concierto Ñandú": 2}


async def test_a_writer_that_died_is_heard_of(database: DatabaseUnderTest) -> None:
    def judge_badly(_name: str) -> Classification:
        raise ZeroDivisionError

    async def evening() -> None:
        async with Database(store, _Clock(), most_waiting=1) as writer:
            await writer.show(show_at(), judge_badly, "")
            await writer.put(batch(at(10, "1")))
            await writer.put(batch(at(20, "2")))
            pytest.fail("put() waits for a writer that is dead")

    store = await asyncio.to_thread(database.store)
    with pytest.raises(ZeroDivisionError):
        await evening()


async def test_the_loop_goes_on_while_a_transaction_runs(database: DatabaseUnderTest, writer: Database) -> None:
    store: Store = database.stores[0]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await writer.call(store.rebuild, writer._show)  # type: ignore[arg-type]
    counting.cancel()
    assert turns > 1


def _refuse_bad_cameras(database: DatabaseUnderTest) -> None:
    database.run(
        f"CREATE TRIGGER refuse BEFORE INSERT ON {HISTORY} WHEN NEW.cameraId = 'MALA'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
