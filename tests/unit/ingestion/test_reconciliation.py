"""What ACC has of an event: each event once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from aforo.ingestion.census import SourceCount, WindowCount
from aforo.models import Batch, CameraEvent, Classification, ExclusionReason

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
DOOR, CAR = "PUERTA 1", "INGRESO PARQUEADERO SUR"
VERDICTS = {DOOR: Classification(True, ()), CAR: Classification(False, ())}


def event(number: int, name: str = DOOR) -> CameraEvent:
    return CameraEvent("UMoo", str(number), START + timedelta(milliseconds=number // 3), "4xIx", name, "", "")


def batch(*events: CameraEvent, refused: int = 0) -> Batch:
    return Batch(list(events), VERDICTS, refused=Counter({("4xIx", ExclusionReason.NO_RULE.value): refused}))


def test_an_event_that_comes_in_two_pages_of_a_window_counts_once() -> None:
    heard, census = WindowCount(), SourceCount()
    heard.page(batch(event(1), event(2), event(3, CAR), refused=2))
    heard.page(batch(event(3, CAR), event(2), event(4), refused=1))
    census.add("4xIx", heard)
    assert census.valid == {"4xIx": 4}
    assert census.history == 3
    assert census.refused == {ExclusionReason.NO_RULE: 3}


def test_a_camera_that_saw_nothing_is_not_named() -> None:
    census = SourceCount()
    census.add("4xIx", WindowCount())
    assert list(census.valid) == []


def test_what_another_server_tells_of_itself_is_counted_there() -> None:
    census = SourceCount(frozenset({"UMoo", "Uzzz"}))
    for server in ("UMoo", "Uzzz"):
        heard = census.window(server)
        heard.page(batch(event(1), event(2)))
        census.add("4xIx", heard)
    alone = SourceCount(frozenset({"Uzzz"}))
    heard = alone.window("Uzzz")
    heard.page(batch(event(1), event(2)))  # of a server that nobody asks: only here
    alone.add("4xIx", heard)
    assert census.valid == alone.valid == {"4xIx": 2}
