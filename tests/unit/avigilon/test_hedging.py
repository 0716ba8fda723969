"""What is asked for again beside a request that hangs, and when, and when not."""

import asyncio
import math
import random
from collections.abc import Callable
from itertools import chain, repeat

import pytest
from tests.fake_clock import FakeClock

from aforo.avigilon.errors import NotTakenUp, Overdue, timed_out
from aforo.avigilon.hedging import Hedging
from aforo.avigilon.transport import Response
from aforo.errors import AccUnreachable

NEVER = 1e9
TIMEOUT = 30.0
FINE = Response(200, b"{}")


class Server:
    """Answers each request after the next of these seconds; the last one goes on for ever."""

    def __init__(self, clock: FakeClock, *seconds: float | Callable[[], float | Exception | Response]) -> None:
        self._clock = clock
        self._seconds = chain(seconds, repeat(seconds[-1]))
        self.sent: list[float] = []
        self.at_once = self.most_at_once = 0

    async def send(self, seconds: float = TIMEOUT) -> Response:
        self.sent.append(self._clock.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        takes = next(self._seconds)
        answer = takes if isinstance(takes, int | float) else takes()
        try:
            async with self._clock.timeout(seconds):
                if isinstance(answer, Exception):
                    raise answer
                if isinstance(answer, Response):
                    return answer
                await self._clock.sleep(answer)
        except TimeoutError as exc:
            raise timed_out("host", seconds) from exc
        finally:
            self.at_once -= 1
        return FINE


async def known(hedging: Hedging, clock: FakeClock, seconds: float, times: int = 40) -> None:
    """Let the server answer so many requests, each after so many seconds."""
    for _ in range(times):
        await hedging.answer("server", Server(clock, seconds).send)


@pytest.mark.parametrize(("usual", "after"), [(0.15, 1.0), (0.5, 1.5), (4.0, 12.0)])
async def test_a_request_that_hangs_is_sent_again_after_a_few_times_the_usual_time(
    fake_clock: FakeClock, usual: float, after: float
) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, usual)
    server, began = Server(fake_clock, NEVER, usual), fake_clock.monotonic()
    assert await hedging.answer("server", server.send) == FINE
    assert [moment - began for moment in server.sent] == pytest.approx([0, after])
    assert fake_clock.monotonic() - began == pytest.approx(after + usual)
    assert server.at_once == 0, "the first one was cancelled"


async def test_before_anything_is_known_one_is_sent_beside_it_and_kept(fake_clock: FakeClock) -> None:
    server = Server(fake_clock, 20.0)
    assert await Hedging(fake_clock, TIMEOUT, 8).answer("server", server.send) == FINE
    assert server.sent == [0, 3]
    assert fake_clock.monotonic() == 20


async def test_those_beside_the_first_replace_each_other_and_there_are_never_more_than_two(
    fake_clock: FakeClock,
) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server, began = Server(fake_clock, NEVER, NEVER, NEVER, NEVER, 0.1), fake_clock.monotonic()
    await hedging.answer("server", server.send)
    assert [moment - began for moment in server.sent] == pytest.approx([0, 1, 2, 3.5, 5.75])
    assert server.most_at_once == 2


async def test_a_server_that_became_slow_answers_the_first(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server, began = Server(fake_clock, 20.0), fake_clock.monotonic()
    assert await hedging.answer("server", server.send) == FINE
    assert fake_clock.monotonic() - began == pytest.approx(20)


async def test_a_slow_server_is_not_asked_twice_for_long(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    server = Server(fake_clock, 20.0)
    for _ in range(5):
        await asyncio.gather(*(hedging.answer("server", server.send) for _ in range(8)))
    assert len(server.sent) <= 5 * 8 + 2
    assert server.most_at_once <= 8 + 2


async def test_a_server_that_becomes_slow_is_asked_ever_less_twice(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1, 200)
    server, again = Server(fake_clock, 4.0), []
    for _ in range(12):
        before = len(server.sent)
        await hedging.answer("server", server.send)
        again.append(len(server.sent) - before - 1)
    assert again[0] >= 1
    assert again[4:] == [0] * 8


async def test_a_hiccup_makes_it_careful_and_quick_answers_end_that(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1, 200)
    for _ in range(3):
        await hedging.answer("server", Server(fake_clock, 2.4).send)

    async def sent_again_after() -> float:
        server = Server(fake_clock, NEVER, 0.1)
        await hedging.answer("server", server.send)
        return server.sent[1] - server.sent[0]

    assert await sent_again_after() > 1.5
    await known(hedging, fake_clock, 0.1, 100)
    assert await sent_again_after() == pytest.approx(1.0)


@pytest.mark.parametrize("concurrency", [1, 2, 8, 32])
async def test_what_is_asked_twice_at_once_is_bounded(fake_clock: FakeClock, concurrency: int) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, concurrency)
    await known(hedging, fake_clock, 0.1)
    server = Server(fake_clock, NEVER)
    answers = await asyncio.gather(*(hedging.answer("server", server.send) for _ in range(20)), return_exceptions=True)
    assert {type(answer).__name__ for answer in answers} == {"TimedOut"}
    assert server.most_at_once == 20 + max(1, concurrency // 4)


async def test_a_camera_that_failed_lately_is_asked_for_again_twice_only(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server = Server(fake_clock, NEVER)
    with pytest.raises(AccUnreachable, match="no contestó en 30 s"):
        await hedging.answer("server", server.send, suspect=True)
    assert len(server.sent) == 3


@pytest.mark.parametrize("failure", [NotTakenUp("ocupado."), Response(503, b""), Response(429, b"")])
async def test_a_failure_of_the_second_is_not_the_answer(fake_clock: FakeClock, failure: Exception | Response) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server = Server(fake_clock, 5.0, lambda: failure, NEVER)
    assert await hedging.answer("server", server.send) == FINE


async def test_a_failure_of_the_first_is_raised(fake_clock: FakeClock) -> None:
    server = Server(fake_clock, lambda: AccUnreachable("roto."))
    with pytest.raises(AccUnreachable, match="roto"):
        await Hedging(fake_clock, TIMEOUT, 8).answer("server", server.send)
    assert len(server.sent) == 1


async def test_a_list_is_sent_again_and_again_also_before_one_was_answered(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8, light={"list"})
    server = Server(fake_clock, NEVER, NEVER, 0.1)
    await hedging.answer("list", server.send)
    assert server.sent == pytest.approx([0, 3, 6])


async def test_a_server_that_is_slow_in_all_else_is_expected_to_be_slow_in_a_new_kind(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8, light={"login", "list"})
    server = Server(fake_clock, 20.0)
    await hedging.answer("login", server.send)
    sent = len(server.sent)
    for kind in ("list", "server", "list", "server"):
        await hedging.answer(kind, server.send)
    assert len(server.sent) == sent + 4


@pytest.mark.parametrize("spread", [0.3, 1.0])
async def test_a_healthy_server_gets_hardly_a_request_more(fake_clock: FakeClock, spread: float) -> None:
    chance = random.Random(2)
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    server = Server(fake_clock, lambda: chance.lognormvariate(math.log(0.3), spread))
    for _ in range(250):
        await asyncio.gather(*(hedging.answer("server", server.send) for _ in range(8)))
    assert len(server.sent) <= 2000 * 1.01


async def test_a_token_is_sent_once_and_given_up_soon(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server, began = Server(fake_clock, NEVER), fake_clock.monotonic()
    for waited in (2, 2 + 4, 2 + 4 + 8):
        with pytest.raises(Overdue):
            await hedging.follow("server", server.send)
        assert fake_clock.monotonic() - began == pytest.approx(waited), "pages that take long get longer"
    assert len(server.sent) == 3
    assert await hedging.follow("server", Server(fake_clock, 14.0).send) == FINE
    assert await hedging.follow("server", Server(fake_clock, 20.0).send) == FINE, "now it is known that pages take long"


async def test_a_token_that_is_answered_ends_the_doubt_about_those_that_hang(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    for _ in range(4):
        with pytest.raises(Overdue):
            await hedging.follow("server", Server(fake_clock, NEVER).send)
    await hedging.follow("server", Server(fake_clock, 0.1).send)
    began = fake_clock.monotonic()
    with pytest.raises(Overdue):
        await hedging.follow("server", Server(fake_clock, NEVER).send)
    assert fake_clock.monotonic() - began == pytest.approx(2)


async def test_nobody_is_left_when_the_caller_is_cancelled(fake_clock: FakeClock) -> None:
    hedging = Hedging(fake_clock, TIMEOUT, 8)
    await known(hedging, fake_clock, 0.1)
    server = Server(fake_clock, NEVER)
    asking = asyncio.create_task(hedging.answer("server", server.send))
    await fake_clock.sleep(2)
    assert server.at_once == 2
    asking.cancel()
    await asyncio.wait([asking])
    assert server.at_once == 0
    assert (await hedging.answer("server", Server(fake_clock, NEVER, 0.1).send)) == FINE, "its slot is free"


@pytest.mark.parametrize(("share", "least"), [(0.0, 50.0), (0.03, 30.0), (0.1, 20.0), (0.3, 7.0)])
async def test_hangs_do_not_fill_the_lanes(fake_clock: FakeClock, share: float, least: float) -> None:
    """17 cameras, 8 at once, 150 ms: so many requests a second are answered, where each hang would cost 30 s."""
    chance = random.Random(1)
    hedging, lane = Hedging(fake_clock, TIMEOUT, 8), asyncio.Semaphore(8)
    server = Server(fake_clock, lambda: NEVER if chance.random() < share else 0.15)
    failed = 0

    async def ask(number: int) -> None:
        nonlocal failed
        async with lane:
            try:
                await hedging.answer("server", server.send)
            except AccUnreachable:
                failed += 1

    await asyncio.gather(*map(ask, range(600)))
    assert 600 / fake_clock.monotonic() > least
    assert failed == 0
    assert server.most_at_once <= 8 + 2
