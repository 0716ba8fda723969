"""What ACC has of an event: each camera event once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from aforo.ingestion.source_count import SourceCount, WindowCount
from aforo.models import Batch, CameraEvent, Classification, EventSource, ExclusionReason

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
DOOR, CAR = "PUERTA 1", "INGRESO PARQUEADERO SUR"
MEANINGS: dict[tuple[str, str, str, str], Classification] = {
    EventSource("4xIx", DOOR, "", ""): Classification(True, ()),
    EventSource("4xIx", CAR, "", ""): Classification(False, ()),
}


def event(number: int, name: str = DOOR) -> CameraEvent:
    return CameraEvent("UMoo", str(number), START + timedelta(milliseconds=number // 3), "4xIx", name, "", "")


def batch(*events: CameraEvent, excluded: int = 0) -> Batch:
    return Batch(list(events), MEANINGS, excluded=Counter({("4xIx", ExclusionReason.NO_RULE.value): excluded}))


def test_an_event_that_comes_in_two_pages_of_a_window_counts_once() -> None:
    window, total = WindowCount(), SourceCount()
    window.add_page(batch(event(1), event(2), event(3, CAR), excluded=2))
    window.add_page(batch(event(3, CAR), event(2), event(4), excluded=1))
    total.add("4xIx", window)
    assert total.valid == {"4xIx": 4}
    assert total.history == 3
    assert total.excluded == {ExclusionReason.NO_RULE: 3}


def test_a_camera_without_events_is_not_named() -> None:
    total = SourceCount()
    total.add("4xIx", WindowCount())
    assert list(total.valid) == []


def test_an_event_of_another_server_that_is_read_itself_is_counted_there() -> None:
    total = SourceCount(frozenset({"UMoo", "Uzzz"}))
    for server in ("UMoo", "Uzzz"):
        window = total.window(server)
        window.add_page(batch(event(1), event(2)))
        total.add("4xIx", window)
    alone = SourceCount(frozenset({"Uzzz"}))
    window = alone.window("Uzzz")
    window.add_page(batch(event(1), event(2)))  # of a server that is not read: counted only here
    alone.add("4xIx", window)
    assert total.valid == alone.valid == {"4xIx": 2}
