"""What ACC has of an event: each camera event once."""

from datetime import UTC, datetime, timedelta

from aforo.avigilon import EventQuery
from aforo.ingestion.source_count import SourceCount
from aforo.models import Batch, CameraEvent, Classification, EventSource, Exclusion, ExclusionReason, Window

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
DOOR, CAR = "PUERTA 1", "INGRESO PARQUEADERO SUR"
MEANINGS: dict[tuple[str, str, str, str], Classification] = {
    EventSource("4xIx", DOOR, "", ""): Classification(True, ()),
    EventSource("4xIx", CAR, "", ""): Classification(False, ()),
}


def event(number: int, name: str = DOOR) -> CameraEvent:
    return CameraEvent("UMoo", str(number), START + timedelta(milliseconds=number // 3), "4xIx", name, "", "")


def batch(*events: CameraEvent, excluded: range = range(0)) -> Batch:
    return Batch(
        list(events), MEANINGS, excluded=[Exclusion("4xIx", ExclusionReason.NO_RULE, number) for number in excluded]
    )


QUERY = EventQuery("UMoo", ("4xIx",), Window(START, START + timedelta(hours=1)))
WHOLE = QUERY.window.until


def test_an_event_that_comes_in_two_pages_of_a_window_counts_once() -> None:
    total = SourceCount()
    window = total.window(QUERY)
    window.add_page(batch(event(1), event(2), event(3, CAR), excluded=range(2)))
    window.add_page(batch(event(3, CAR), event(2), event(4), excluded=range(1, 3)))
    window.settle(WHOLE)
    assert total.valid == {"4xIx": 4}
    assert total.history == 3
    assert total.excluded.by_reason == {ExclusionReason.NO_RULE: 3}
    assert total.excluded.cameras == {"4xIx"}


def test_a_window_that_fails_and_is_read_on_from_there_counts_each_event_once() -> None:
    total = SourceCount()
    failing = total.window(QUERY)
    failing.add_page(batch(event(1), event(3, CAR), excluded=range(1)))
    failing.settle(event(6).occurred_at)
    failing.add_page(batch(event(6), event(7), excluded=range(4)))  # its part was not read to the end
    again = total.window(QUERY._replace(window=Window(event(6).occurred_at, WHOLE)))
    again.add_page(batch(event(6), event(7), excluded=range(4)))
    again.add_page(batch(event(8), event(9)))
    again.settle(event(9).occurred_at)
    again.settle(WHOLE)
    assert total.valid == {"4xIx": 6}
    assert total.history == 5
    assert total.excluded.by_reason == {ExclusionReason.NO_RULE: 4}


def test_a_camera_without_events_is_not_named() -> None:
    total = SourceCount()
    total.window(QUERY).settle(WHOLE)
    assert list(total.valid) == []


def test_an_event_of_another_server_that_is_read_itself_is_counted_there() -> None:
    total = SourceCount(frozenset({"UMoo", "Uzzz"}))
    for server in ("UMoo", "Uzzz"):
        window = total.window(QUERY._replace(server_id=server))
        window.add_page(batch(event(1), event(2)))
        window.settle(WHOLE)
    alone = SourceCount(frozenset({"Uzzz"}))
    window = alone.window(QUERY._replace(server_id="Uzzz"))
    window.add_page(batch(event(1), event(2)))  # of a server that is not read: counted only here
    window.settle(WHOLE)
    assert total.valid == alone.valid == {"4xIx": 2}
