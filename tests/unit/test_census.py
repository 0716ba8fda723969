"""What ACC has of an event: each event once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from aforo.ingestion.census import Census, Heard
from aforo.models import AccEvent, Batch, Refusal, Verdict

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
DOOR, CAR = "PUERTA 1", "INGRESO PARQUEADERO SUR"
VERDICTS = {DOOR: Verdict(True, ()), CAR: Verdict(False, ())}


def event(number: int, name: str = DOOR) -> AccEvent:
    return AccEvent("UMoo", str(number), START + timedelta(milliseconds=number // 3), "4xIx", name, "", "")


def batch(*events: AccEvent, refused: int = 0) -> Batch:
    return Batch(list(events), VERDICTS, refused=Counter({("4xIx", Refusal.NO_RULE.value): refused}))


def test_an_event_that_comes_in_two_pages_of_a_window_counts_once() -> None:
    heard, census = Heard(), Census()
    heard.page(batch(event(1), event(2), event(3, CAR), refused=2))
    heard.page(batch(event(3, CAR), event(2), event(4), refused=1))
    census.add("4xIx", heard)
    assert census.valid == {"4xIx": 4}
    assert census.history == 3
    assert census.refused == {Refusal.NO_RULE: 3}


def test_a_camera_that_saw_nothing_is_not_named() -> None:
    census = Census()
    census.add("4xIx", Heard())
    assert list(census.valid) == []


def test_what_another_server_tells_of_itself_is_counted_there() -> None:
    census = Census(frozenset({"UMoo", "Uzzz"}))
    for server in ("UMoo", "Uzzz"):
        heard = census.window(server)
        heard.page(batch(event(1), event(2)))
        census.add("4xIx", heard)
    alone = Census(frozenset({"Uzzz"}))
    heard = alone.window("Uzzz")
    heard.page(batch(event(1), event(2)))  # of a server that nobody asks: only here
    alone.add("4xIx", heard)
    assert census.valid == alone.valid == {"4xIx": 2}
