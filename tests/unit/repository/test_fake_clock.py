"""The clock of the tests keeps what aforo.clock.Clock promises."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest
from tests.fake_clock import FakeClock, HungError

from aforo.clock import Clock, wait_until_set


def as_clock(clock: FakeClock) -> Clock:
    return clock


async def test_nine_hours_pass_in_a_moment(fake_clock: FakeClock) -> None:
    began, started = fake_clock.now(), time.monotonic()
    for _ in range(9 * 60):
        await as_clock(fake_clock).sleep(60)
    assert fake_clock.now() - began == timedelta(hours=9)
    assert time.monotonic() - started < 10


async def test_sleepers_wake_in_the_order_of_their_instants(fake_clock: FakeClock) -> None:
    woken: list[int] = []

    async def sleep(seconds: int) -> None:
        await fake_clock.sleep(seconds)
        woken.append(seconds)
        assert fake_clock.monotonic() == seconds

    async with asyncio.TaskGroup() as group:
        for seconds in (30, 10, 20, 10):
            group.create_task(sleep(seconds))
    assert woken == [10, 10, 20, 30]
    assert fake_clock.jumps == 3


async def test_a_timeout_cancels_what_takes_longer_in_virtual_time(fake_clock: FakeClock) -> None:
    with pytest.raises(TimeoutError):
        async with fake_clock.timeout(30):
            await fake_clock.sleep(60)
    assert fake_clock.monotonic() == 30


async def test_a_timeout_that_is_over_cancels_nothing(fake_clock: FakeClock) -> None:
    async with fake_clock.timeout(30):
        await fake_clock.sleep(10)
    await fake_clock.sleep(60)
    assert fake_clock.monotonic() == 70


async def test_time_stands_still_while_a_thread_works(fake_clock: FakeClock) -> None:
    sleeping = asyncio.create_task(fake_clock.sleep(60))
    await asyncio.to_thread(threading.Event().wait, 0.05)
    assert fake_clock.monotonic() == 0
    await sleeping
    assert fake_clock.monotonic() == 60


async def test_time_stands_still_while_busy_returns_true(fake_clock: FakeClock) -> None:
    working = threading.Event()
    fake_clock.busy = lambda: not working.is_set()
    timer = threading.Timer(0.05, working.set)
    timer.start()
    await fake_clock.sleep(60)
    assert working.is_set()
    timer.join()


async def test_waiting_for_an_event_ends_by_the_event_or_by_time(fake_clock: FakeClock) -> None:
    event = asyncio.Event()
    assert not await wait_until_set(event, fake_clock, 60)
    assert fake_clock.monotonic() == 60
    setting = asyncio.create_task(fake_clock.sleep(5))
    setting.add_done_callback(lambda _: event.set())
    assert await wait_until_set(event, fake_clock, 60)
    assert fake_clock.monotonic() == 65


async def test_a_sleep_that_was_cancelled_moves_no_time(fake_clock: FakeClock) -> None:
    sleeping = asyncio.create_task(fake_clock.sleep(60))
    await asyncio.sleep(0)
    sleeping.cancel()
    await fake_clock.sleep(90)
    assert (fake_clock.monotonic(), fake_clock.jumps) == (90, 1)


def test_a_hung_test_ends() -> None:
    async def hang() -> None:
        async with FakeClock(limit=0.05):
            await asyncio.Event().wait()

    with pytest.raises(HungError), asyncio.Runner() as runner:
        runner.run(hang())
