"""Database over SQLite: order, retries, bounds, and one bad row among good ones."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.storage.databases import (
    BOGOTA,
    HISTORY,
    NORTE,
    PUERTA,
    START,
    DatabaseUnderTest,
    answers_lost,
    at,
    batch,
    event_at,
    naive,
    rules,
    zones,
)

from aforo.clock import SystemClock
from aforo.errors import StoreError, StoreNotReady, StoreRejectedLogin, StoreUnavailable
from aforo.models import Batch, Classification, CommitResult, EventSource, Feed, ScheduledEvent, Window
from aforo.storage import Correction, Database, EventRecord, JournalKind, Store
from aforo.storage.backends import sqlite

HOUR_MS = 3_600_000


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseUnderTest]:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)
    made = DatabaseUnderTest(f"sqlite:///{tmp_path / 'aforo.db'}")
    yield made
    made.close()


@pytest.fixture
def clock() -> "_Clock":
    return _Clock()


@pytest.fixture
async def storage(database: DatabaseUnderTest, clock: "_Clock") -> AsyncIterator[Database]:
    """The database."""
    store = await asyncio.to_thread(database.store)
    async with Database(store, clock, most_waiting=50, most_together=20) as made:
        yield made


@pytest.fixture
async def record(storage: Database) -> EventRecord:
    """The record of an event."""
    return await storage.open_record(event_at(), rules().classify, rules().fingerprint)


class _FailingStore(Store):
    """A store whose next calls of one method fail."""

    def __init__(self, database: DatabaseUnderTest, *errors: StoreError) -> None:
        super().__init__(database.url, zones(), BOGOTA)
        self.errors = list(errors)

    def open_events(self) -> list[ScheduledEvent]:
        if self.errors:
            raise self.errors.pop(0)
        return super().open_events()


class _Clock(SystemClock):
    """Real time with short waits; ``waiting`` is set when somebody waits."""

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


async def test_stores_in_order_in_few_transactions_and_notifies_of_each(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    reported: list[tuple[Batch, CommitResult]] = []
    storage.on_stored = lambda _, *what: reported.append(what)
    events = [at(10 * i, str(i)) for i in range(1, 31)]
    for event in events:
        await storage.put(record, batch(event, until={Feed("S1", "CAM1"): event.occurred_at}))
    await storage.drain()
    assert (storage.pending, storage.waiting(record)) == (0, [])
    assert [event for made, _ in reported for event in made.events] == events
    assert [event for _, stored in reported for event in stored.new] == events
    assert len(reported) < len(events)
    assert max(len(made.events) for made, _ in reported) <= 20
    assert reported[-1][0].checkpoints == {Feed("S1", "CAM1"): events[-1].occurred_at}
    assert database.aforo() == {"Concierto Ñandú": 30}


async def test_waits_while_the_database_is_locked_and_logs_it_once(
    database: DatabaseUnderTest,
    storage: Database,
    record: EventRecord,
    clock: "_Clock",
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with _locked(database):
        await storage.put(record, batch(at(10, "1"), at(20, "2", PUERTA)))
        while len(clock.slept) < 6:
            clock.waiting.clear()
            await clock.waiting.wait()
        assert storage.down_since is not None
        assert (storage.pending, [len(waiting.events) for waiting in storage.waiting(record)]) == (2, [2])
    await storage.drain()
    assert storage.down_since is None
    assert database.aforo() == {"Concierto Ñandú": 1}
    messages = [line.getMessage() for line in caplog.records if line.name == "aforo.storage.database"]
    assert len(messages) == 2
    assert "no está disponible" in messages[0]
    assert "vuelve a responder tras" in messages[1]
    entries = await storage.entries()
    assert [(entry.kind, entry.ended is not None) for entry in entries] == [("database", True)]
    assert all(pause <= 15 for pause in clock.slept)
    assert clock.slept[4] > clock.slept[0]


async def test_reads_that_work_do_not_end_an_outage_of_the_writes(
    database: DatabaseUnderTest,
    storage: Database,
    record: EventRecord,
    clock: "_Clock",
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _locked(database):
        await storage.put(record, batch(at(10, "1")))
        for failures in range(2, 8):
            while len(clock.slept) < failures:
                clock.waiting.clear()
                await clock.waiting.wait()
            assert await storage.entries() == []
            assert storage.down_since is not None
    await storage.drain()
    assert storage.down_since is None
    assert ["vuelve a responder" in line.getMessage() for line in caplog.records] == [False, True]
    assert clock.slept[5] > clock.slept[0]
    assert [entry.kind for entry in await storage.entries()] == ["database"]


async def test_a_table_that_rejects_all_is_logged_once_and_costs_neither_count_nor_checkpoint(
    database: DatabaseUnderTest, storage: Database, record: EventRecord, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(
        database.run,
        f"CREATE TRIGGER reject BEFORE INSERT ON {HISTORY} BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    reported: list[CommitResult] = []
    storage.on_stored = lambda _record, _batch, stored: reported.append(stored)
    events = [at(10 * i, str(i), f"PUERTA {i}" if i % 2 else "AFORO ENTRADA PARQUEADERO NORTE") for i in range(1, 101)]
    feed = Feed("S1", "CAM1")
    for first in range(0, 100, 10):
        await storage.put(record, batch(*events[first : first + 10], until={feed: events[first + 9].occurred_at}))
    await storage.drain()
    assert sorted(event for stored in reported for event in stored.new) == sorted(events)
    assert await asyncio.to_thread(database.aforo) == {"Concierto Ñandú": 50}
    assert len([line for line in caplog.records if line.levelno == logging.ERROR]) == 1
    assert len(await storage.entries(record, JournalKind.ROW_REFUSED)) == 1
    await asyncio.to_thread(database.run, "DROP TRIGGER reject")
    record = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    assert record.checkpoints == {feed: events[-1].occurred_at}
    assert await storage.history_count(record) == 50


async def test_a_short_lock_is_no_outage(
    database: DatabaseUnderTest,
    storage: Database,
    record: EventRecord,
    clock: "_Clock",
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _locked(database):
        await storage.put(record, batch(at(10, "1")))
        await clock.waiting.wait()
    await storage.drain()
    assert [line for line in caplog.records if line.levelno > logging.WARNING] == []


async def test_holds_back_whoever_reads_faster_than_it_stores(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    with _locked(database):
        for i in range(5):
            await storage.put(record, batch(*(at(10, f"{i}-{j}") for j in range(10))))
        held = asyncio.create_task(storage.put(record, batch(at(20, "late"))))
        await asyncio.wait([held], timeout=0.05)
        assert not held.done()
        assert storage.pending == 50
    await held
    await storage.drain()
    assert await storage.events_by_camera(record) == {"CAM1": 51}


async def test_two_events_take_turns_and_each_keeps_its_order(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    """What is read of one event waits for one transaction of another, not for all that was read of it before."""
    second = await storage.open_record(
        event_at(name="Segundo", hours=1, shift=7), rules().classify, rules().fingerprint
    )
    reported: list[tuple[int, list[str]]] = []
    storage.on_stored = lambda stored_for, made, _: reported.append(
        (stored_for.id, [event.this_id for event in made.events])
    )
    with _locked(database):
        for i in range(4):
            await storage.put(record, batch(*(at(10 * i + j, f"{i}-{j}") for j in range(10))))
        await storage.put(second, batch(at(7 * HOUR_MS, "x")))
        assert (len(storage.waiting(record)), len(storage.waiting(second)), storage.pending) == (4, 1, 41)
        full = asyncio.create_task(storage.put(record, batch(*(at(90 + j, f"y-{j}") for j in range(11)))))
        await asyncio.wait([full], timeout=0.05)
        assert not full.done(), "the first event's queue is full"
        await storage.put(second, batch(at(7 * HOUR_MS + 1, "z")))
    await storage.drain(second)
    assert storage.waiting(record)
    await full
    await storage.drain()
    first = [event for stored_for, events in reported if stored_for == record.id for event in events]
    assert first == [f"{i}-{j}" for i in range(4) for j in range(10)] + [f"y-{j}" for j in range(11)]
    assert [stored_for for stored_for, _ in reported][:3] == [record.id, second.id, record.id]
    assert await storage.events_by_camera(second) == {"CAM1": 2}
    assert database.aforo() == {"Concierto Ñandú": 51, "Segundo": 2}


async def test_opening_an_edited_event_waits_for_what_was_read_of_it(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    longer = ScheduledEvent(record.event.day, record.event.name, Window(START, START + timedelta(hours=8)))
    with _locked(database):
        await storage.put(record, batch(at(10, "1"), until={Feed("S1", "CAM1"): at(10, "1").occurred_at}))
        edited = asyncio.create_task(storage.open_record(longer, rules().classify, rules().fingerprint))
        await asyncio.wait([edited], timeout=0.05)
    assert (await edited).checkpoints == {Feed("S1", "CAM1"): at(10, "1").occurred_at}


async def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    await storage.put(record, batch(*(at(i, str(i)) for i in range(1, 200))))
    await storage.drain()
    assert database.aforo() == {"Concierto Ñandú": 199}


async def test_one_bad_row_does_not_stop_the_others(
    database: DatabaseUnderTest, storage: Database, record: EventRecord, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(_reject_bad_cameras, database)
    reported: list[CommitResult] = []
    storage.on_stored = lambda _record, _batch, stored: reported.append(stored)
    good = [at(10 * i, str(i), PUERTA if i % 2 else "AFORO ENTRADA PARQUEADERO NORTE") for i in range(1, 20)]
    bad = at(105, "99", PUERTA, camera="MALA")
    feed = Feed("S1", "CAM1")
    await storage.put(record, batch(*good[:11], bad, *good[11:], until={feed: START + timedelta(minutes=1)}))
    await storage.drain()
    assert sorted(event for stored in reported for event in stored.new) == sorted([*good, bad])
    assert len(await asyncio.to_thread(database.history)) == 10
    record = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
    assert record.checkpoints == {feed: START + timedelta(minutes=1)}
    assert record.occupancies[NORTE] == naive(good, NORTE)
    errors = [line.getMessage() for line in caplog.records if line.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "MALA" in errors[0]
    (entry,) = await storage.entries(record, JournalKind.ROW_REFUSED)
    assert "MALA" in entry.detail


async def test_rows_that_wait_for_a_bad_one_are_written_though_the_answer_to_the_commit_is_lost(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    await asyncio.to_thread(_reject_bad_cameras, database)
    with answers_lost() as lost:
        await storage.put(record, batch(at(10, "1", PUERTA), at(20, "2", PUERTA, camera="MALA"), at(30, "3", PUERTA)))
        await storage.drain()
    assert len(lost) == 1
    assert len(await asyncio.to_thread(database.history)) == 2


async def test_half_a_character_is_mended_not_lost(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    odd = [at(10, "1\udce9"), at(20, "2", "PUERTA \ud83c"), at(30, "3", camera="CAM\udc00"), at(40, "4")]
    for _ in range(2):
        await storage.put(record, batch(*odd))
        await storage.drain()
    counts = await storage.events_by_camera(record)
    assert sum(counts.values()) == 4
    assert [row[0] for row in await asyncio.to_thread(database.history)] == ["PUERTA ?"]
    assert database.aforo() == {"Concierto Ñandú": 3}


async def test_a_listener_that_fails_does_not_stop_the_counting(
    database: DatabaseUnderTest, storage: Database, record: EventRecord, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_record: EventRecord, _batch: Batch, _stored: CommitResult) -> None:
        raise ZeroDivisionError

    storage.on_stored = fail
    await storage.put(record, batch(at(10, "1")))
    await storage.drain()
    assert database.aforo() == {"Concierto Ñandú": 1}
    assert "Error interno" in caplog.text


async def test_at_the_start_a_rejected_login_or_missing_tables_are_raised_at_once(database: DatabaseUnderTest) -> None:
    async with Database(_FailingStore(database, StoreRejectedLogin("no")), _Clock()) as storage:
        with pytest.raises(StoreRejectedLogin):
            await storage.open_events()
        assert storage.down_since is None


async def test_once_available_a_rejected_login_and_missing_rights_are_waited_out(database: DatabaseUnderTest) -> None:
    store = _FailingStore(database)
    async with Database(store, _Clock()) as storage:
        await storage.open()
        store.errors += [
            StoreRejectedLogin("clave"),
            StoreNotReady("sin permiso"),
            StoreUnavailable("reinicio"),
        ]
        assert await storage.open_events() == []
        assert store.errors == []


async def test_stopping_does_not_wait_for_a_database_that_is_away(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    store = await asyncio.to_thread(database.store)
    clock = _Clock()
    async with Database(store, clock) as storage:
        record = await storage.open_record(event_at(), rules().classify, rules().fingerprint)
        with _locked(database):
            await storage.put(record, batch(at(10, "1")))
            await clock.waiting.wait()
            await storage.stop()
            await storage.stop()
    assert "Quedan 1 eventos leídos sin guardar" in caplog.text


async def test_a_cancelled_caller_leaves_no_transaction_in_the_air(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    call = asyncio.create_task(storage.correct(record, Correction("c1", NORTE, 3, "conteo", "Ana", START)))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    await storage.put(record, batch(at(10, "1"), at(20, "2")))
    await storage.drain()
    assert database.aforo() == {"Concierto Ñandú": 5}


async def test_what_ends_the_writing_is_raised_to_whoever_waits(database: DatabaseUnderTest) -> None:
    def classify_badly(_source: EventSource) -> Classification:
        raise ZeroDivisionError

    async def put_twice() -> None:
        async with Database(store, _Clock(), most_waiting=1) as storage:
            record = await storage.open_record(event_at(), classify_badly, "")
            await storage.put(record, batch(at(10, "1")))
            await storage.put(record, batch(at(20, "2")))
            pytest.fail("put() waits for writing that has ended")

    store = await asyncio.to_thread(database.store)
    with pytest.raises(ZeroDivisionError):
        await put_twice()


async def test_the_loop_goes_on_while_a_transaction_runs(storage: Database, record: EventRecord) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await storage.recount(record)
    counting.cancel()
    assert turns > 1


def _reject_bad_cameras(database: DatabaseUnderTest) -> None:
    database.run(
        f"CREATE TRIGGER reject BEFORE INSERT ON {HISTORY} WHEN NEW.cameraId = 'MALA'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )


async def test_a_record_is_opened_though_another_event_is_stored_meanwhile(
    database: DatabaseUnderTest, storage: Database, record: EventRecord
) -> None:
    beside = await storage.open_record(event_at(1, name="Segundo"), rules().classify, rules().fingerprint)
    with _locked(database):
        for number in range(30):  # more than one transaction takes: the other event has its turn in between
            await storage.put(record, batch(at(number, str(number))))
        await storage.put(beside, batch(at(10, "other", day=1)))
        opening = asyncio.create_task(storage.open_record(event_at(), rules().classify, rules().fingerprint))
        await asyncio.sleep(0)
    assert (await opening).id == record.id
    await storage.drain()
    assert database.aforo() == {"Concierto Ñandú": 30, "Segundo": 1}
