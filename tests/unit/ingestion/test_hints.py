"""Hints are joined, asked for until their event is found, and never cost more requests than they may."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from aforo.ingestion.hints import HintQueue
from aforo.models import CameraEvent, Feed

START = datetime(2026, 1, 27, 21, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def feed(camera: str, server: str = "srv") -> Feed:
    return Feed(server, camera)


def event(camera: str, seconds: float) -> CameraEvent:
    return CameraEvent("srv", "1", at(seconds), camera, "PUERTA", "", "")


def jointly(_server: str) -> int:
    return 40


def alone(_server: str) -> int:
    return 1


class Server:
    """Events that the search has ``lag`` seconds after they were pushed; each answer takes 20 ms."""

    def __init__(self, queue: HintQueue, lag: float, cameras_per_query: int = 40) -> None:
        self.queue, self.lag, self.most = queue, lag, cameras_per_query
        self.now = 0.0
        self.requests = 0
        self.waited: list[float] = []
        self.pushed: dict[tuple[str, datetime], float] = {}

    def play(self, pushes: list[tuple[float, str]], until: float) -> None:
        """Push the events at their instants and ask whenever something is due."""
        left, pushed = sorted(pushes), self.pushed
        while self.now < until:
            due = self.queue.due_at(self.now)
            self.now = min(max(self.now + 0.001, min(due, left[0][0] if left else until)), until)
            while left and left[0][0] <= self.now:
                seconds, camera = left.pop(0)
                pushed.setdefault((camera, at(seconds)), seconds)
                assert self.queue.add(feed(camera), at(seconds), self.now)
            for query in self.queue.take_due(self.now, lambda _: self.most):
                self.requests += 1
                found = [key for key in query.keys if pushed[key] + self.lag <= self.now]
                self.now += 0.02
                self.waited += [self.now - pushed[key] for key in found]
                self.queue.page_read(
                    [event(camera, (instant - START).total_seconds()) for camera, instant in found], self.now
                )
                self.queue.end(query, self.now, answered=True)


def test_hints_of_200_ms_are_one_request() -> None:
    queue = HintQueue()
    for number in range(10):
        assert queue.add(feed(f"cam{number % 3}"), at(number / 100), number / 100)
    assert queue.due_at(0.1) == pytest.approx(0.2)
    assert queue.take_due(0.19, jointly) == []
    [query] = queue.take_due(0.2, jointly)
    assert query.query.cameras == ("cam0", "cam1", "cam2")
    assert query.query.window.since < at(0)
    assert query.query.window.until > at(0.09)
    assert query.query.window.until - query.query.window.since < timedelta(seconds=0.3)


def test_where_a_server_takes_one_camera_each_has_a_request() -> None:
    queue = HintQueue()
    for camera in ("a", "b", "a"):
        queue.add(feed(camera), at(0), 0.0)
    assert sorted(query.query.cameras for query in queue.take_due(0.2, alone)) == [("a",), ("b",)]


def test_events_far_apart_are_asked_for_by_themselves() -> None:
    queue = HintQueue()
    queue.add(feed("a"), at(0), 100.0)
    queue.add(feed("a"), at(100), 100.0)
    windows = [query.query.window for query in queue.take_due(100.2, jointly)]
    assert len(windows) == 2
    assert all(until - since < timedelta(seconds=1) for since, until in windows)


def test_what_was_read_already_is_not_asked_for() -> None:
    queue = HintQueue()
    queue.add(feed("a"), at(1), 1.0)
    queue.page_read([event("a", 1)], 1.1)
    queue.add(feed("a"), at(1), 5.0)  # pushed twice
    assert queue.take_due(10.0, jointly) == []
    assert len(queue) == 0


@pytest.mark.parametrize("lag", [0.0, 0.5, 3.0, 20.0])
def test_the_wait_adapts_to_a_search_that_lags(lag: float) -> None:
    queue = HintQueue()
    server = Server(queue, lag)
    server.play([(float(second), "a") for second in range(0, 600, 2)], 660.0)
    assert len(server.waited) == 300
    later = sorted(server.waited[150:])
    assert later[len(later) // 2] <= max(0.25, 1.5 * lag)
    assert server.requests <= 1_500  # a few for each


def test_a_lag_that_is_over_is_forgotten() -> None:
    queue = HintQueue()
    server = Server(queue, 5.0)
    server.play([(float(second), "a") for second in range(0, 200, 2)], 200.0)
    assert queue.lag("srv") > 2
    server.lag = 0.0
    server.play([(float(second), "a") for second in range(200, 400, 2)], 410.0)
    assert server.waited[-1] < 0.3


def test_an_event_that_is_never_found_is_left_to_the_poll_cycles() -> None:
    queue = HintQueue()
    server = Server(queue, float("inf"))
    server.play([(1.0, "a")], 120.0)
    assert len(queue) == 0
    assert 15 <= server.requests <= 20


@pytest.mark.parametrize("cameras_per_query", [1, 40])
def test_the_requests_are_bounded_and_all_hints_are_answered(cameras_per_query: int) -> None:
    chance = random.Random(1)
    queue = HintQueue()
    server = Server(queue, 0.0, cameras_per_query)
    pushes = {(chance.randrange(60_000) / 1000, f"cam{chance.randrange(17)}") for _ in range(6_000)}
    server.play(list(pushes), 70.0)
    assert len(server.waited) == len(pushes)
    assert server.requests <= 70 * 8 + 8


def test_a_request_that_fails_is_no_evidence_of_a_lag() -> None:
    queue = HintQueue()
    queue.add(feed("a"), at(0), 0.0)
    [query] = queue.take_due(0.2, jointly)
    queue.end(query, 6.0, answered=False)
    queue.page_read([event("a", 0)], 7.0)
    assert queue.lag("srv") == 0.0


def test_a_flood_is_bounded() -> None:
    queue = HintQueue()
    taken = [queue.add(feed("a"), START + timedelta(milliseconds=number), 0.0) for number in range(6_000)]
    assert taken.count(True) == 5_000
    assert len(queue) == 5_000
