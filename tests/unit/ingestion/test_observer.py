"""What the guarded observer passes on, and what it keeps from the counting."""

from collections.abc import Mapping, Sequence

import pytest
from tests.unit.ingestion.memory import EVENT, START, Recorder

from aforo.errors import StoreUnavailable
from aforo.ingestion.observer import GuardedObserver, IngestionObserver
from aforo.models import (
    Batch,
    CameraFault,
    CommitResult,
    EventPhase,
    FaultSpan,
    Feed,
    FeedStatus,
    Occupancy,
    Outcome,
    ReconciliationResult,
)
from aforo.storage import EventRecord

RECORD = EventRecord(1, EVENT, {}, {}, False, lambda _: pytest.fail("nothing is classified"), "")
RESULT = ReconciliationResult(Outcome.RECONCILED)
SPAN = FaultSpan("A", CameraFault.DISCONNECTED, START)
STATUS = FeedStatus(Feed("srv", "A"), START)


async def report(observer: IngestionObserver) -> None:
    await observer.event_opened(RECORD, [STATUS])
    await observer.recounted(RECORD, {})
    observer.phase_changed(RECORD, EventPhase.CLOSING)
    observer.feeds_followed(RECORD, [STATUS])
    observer.feeds_changed(RECORD, [STATUS])
    observer.feeds_changed(RECORD, [])
    observer.page_read(RECORD, Batch())
    observer.committed(RECORD, Batch(), CommitResult([], 0, {}))
    observer.reconciled(RECORD, RESULT)
    observer.cameras_listed({"A": "Puerta A"})
    observer.health_changed([SPAN])


class Broken(IngestionObserver):
    """Fails at everything."""

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        raise ZeroDivisionError

    async def recounted(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        raise ZeroDivisionError

    def phase_changed(self, record: EventRecord, phase: EventPhase) -> None:
        raise ZeroDivisionError

    def feeds_followed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        raise ZeroDivisionError

    def feeds_changed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        raise ZeroDivisionError

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        raise ZeroDivisionError

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        raise ZeroDivisionError

    def reconciled(self, record: EventRecord, result: ReconciliationResult) -> None:
        raise ZeroDivisionError

    def cameras_listed(self, names: Mapping[str, str]) -> None:
        raise ZeroDivisionError

    def health_changed(self, spans: Sequence[FaultSpan]) -> None:
        raise ZeroDivisionError


async def test_everything_is_passed_on() -> None:
    recorder = Recorder()
    await report(GuardedObserver(recorder))
    assert recorder.opened == [EVENT]
    assert recorder.phases == [EventPhase.CLOSING]
    assert recorder.feeds == {STATUS.feed: STATUS}
    assert (recorder.recounts, recorder.changes, recorder.pages, recorder.commits) == (1, 1, 1, 1)
    assert recorder.names == {"A": "Puerta A"}
    assert recorder.fault_spans == [SPAN]


async def test_a_fault_of_the_observer_is_logged_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    await report(GuardedObserver(Broken()))
    assert caplog.messages == ["Error interno en la imagen en vivo; el conteo sigue."] * 10
    assert all(record.exc_info for record in caplog.records)


async def test_an_error_of_the_database_is_raised() -> None:
    class Away(IngestionObserver):
        async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
            raise StoreUnavailable("La base de datos no responde.")

    with pytest.raises(StoreUnavailable):
        await GuardedObserver(Away()).event_opened(RECORD, [STATUS])


async def test_nobody_has_to_look() -> None:
    await report(IngestionObserver())
