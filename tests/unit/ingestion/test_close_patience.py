"""When the close gives up what is not answered."""

from datetime import UTC, datetime

import pytest

from aforo.errors import AccUnreachable
from aforo.ingestion.close_patience import ClosePatience
from aforo.ingestion.feed_state import FeedState
from aforo.models import Feed

START = datetime(2026, 1, 27, 21, tzinfo=UTC)
A, B, ELSEWHERE = Feed("srv", "A"), Feed("srv", "B"), Feed("other", "A")
BEGAN, SECONDS = 1_000.0, 900.0


def feed(answered_at: float | None = None, failures: int = 0, *, page_seen: bool = False) -> FeedState:
    error = AccUnreachable("Cortado.") if failures else None
    return FeedState(
        START, START, failures=failures, answered_at=answered_at, page_seen=page_seen or bool(answered_at), error=error
    )


@pytest.mark.parametrize(
    ("state", "others", "before", "down", "given_up_at"),
    [
        (feed(failures=2), {A: 1_010.0}, {}, False, 1_030.0),  # not once, and its server answers for others
        (feed(failures=2, page_seen=True), {A: 1_010.0}, {}, False, 1_900.0),  # pages came, no window whole
        (feed(failures=2), {ELSEWHERE: 1_010.0}, {}, False, 1_910.0),  # its server answers for none
        (feed(failures=2), {A: 1_010.0}, {}, True, 1_910.0),  # the server is down now
        (feed(failures=2), {}, {}, False, 1_900.0),
        (feed(failures=2), {A: 1_010.0}, {B: 990.0}, False, 1_890.0),  # it answered while the event was watched
        (feed(failures=2), {A: 1_010.0}, {B: 50.0}, False, 1_030.0),  # long ago: it is tried in the close all the same
        (feed(1_200.0, failures=2), {A: 1_010.0}, {B: 50.0}, False, 2_100.0),  # it answered a part in the close
        (feed(), {A: 1_500.0}, {}, False, 2_400.0),  # it has not failed: its turn has not come
    ],
)
def test_when_a_camera_is_given_up(
    state: FeedState, others: dict[Feed, float], before: dict[Feed, float], down: bool, given_up_at: float
) -> None:
    patience = ClosePatience(SECONDS, BEGAN, before)
    feeds = {B: state} | {other: feed(at) for other, at in others.items()}
    assert not patience.is_over({B: state}, feeds, given_up_at - 0.1, server_down=down)
    assert patience.is_over({B: state}, feeds, given_up_at, server_down=down)


def test_the_close_waits_for_the_last_of_them() -> None:
    patience = ClosePatience(SECONDS, BEGAN, {A: 1_000.0})
    waiting = {A: feed(failures=1), B: feed(failures=1)}
    feeds = waiting | {Feed("srv", "C"): feed(1_001.0)}
    assert not patience.is_over(waiting, feeds, 1_500.0, server_down=False)
    assert patience.is_over(waiting, feeds, 1_900.0, server_down=False)


def test_without_any_feed_the_list_of_servers_is_waited_for() -> None:
    patience = ClosePatience(SECONDS, BEGAN, {})
    assert [patience.is_over({}, {}, now, server_down=False) for now in (1_899.0, 1_900.0)] == [False, True]


def test_why() -> None:
    patience = ClosePatience(SECONDS, BEGAN, {A: 940.0})
    assert patience.reason(A, feed(failures=1), 1_900.0) == "nada desde hace 16 min 0 s: Cortado."
    assert patience.reason(B, feed(failures=1, page_seen=True), 1_900.0) == "nada entero en todo el evento: Cortado."
    assert patience.reason(B, feed(failures=1), 1_900.0) == "ni una vez en todo el evento: Cortado."
    assert patience.reason(B, feed(), 1_900.0) == "no dio tiempo"
