import asyncio
import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fake_clock import FakeClock

from aforo.background import Backoff, SerialQueue, background_task, cancel_and_wait

LOG = logging.getLogger("aforo.test")


async def for_ever(started: asyncio.Event, ended: list[str]) -> None:
    started.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def fail() -> None:
    raise RuntimeError("roto")


class TestBackgroundTask:
    async def test_it_ends_with_the_body(self) -> None:
        started, ended = asyncio.Event(), list[str]()
        async with background_task(for_ever(started, ended), name="x") as task:
            await started.wait()
            assert task.get_name() == "x"
            assert not ended
        assert ended == ["ended"]
        assert task.cancelled()

    async def test_it_ends_when_the_body_raises(self) -> None:
        started, ended = asyncio.Event(), list[str]()

        async def body() -> None:
            async with background_task(for_ever(started, ended), name="x"):
                await started.wait()
                raise ValueError("body")

        with pytest.raises(ValueError, match="body"):
            await body()
        assert ended == ["ended"]

    @pytest.mark.parametrize("failure", ["", "Falló."])
    async def test_it_may_end_before_its_first_step(self, failure: str) -> None:
        async with background_task(for_ever(asyncio.Event(), []), name="x", log=LOG, failure=failure) as task:
            pass
        assert task.cancelled()

    async def test_a_failure_with_a_sentence_is_logged_and_goes_no_further(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with background_task(fail(), name="x", log=LOG, failure="Falló; el conteo sigue.") as task:
            await asyncio.wait([task])
        (record,) = caplog.records
        assert (record.name, record.getMessage()) == ("aforo.test", "Falló; el conteo sigue.")
        assert record.exc_info is not None

    async def test_a_failure_without_a_sentence_is_raised_at_the_end(self) -> None:
        reached = False

        async def body() -> None:
            nonlocal reached
            async with background_task(fail(), name="x") as task:
                await asyncio.wait([task])
                reached = True

        with pytest.raises(RuntimeError, match="roto"):
            await body()
        assert reached

    async def test_a_task_that_was_stopped_early_is_not_stopped_twice(self) -> None:
        started, ended = asyncio.Event(), list[str]()
        async with background_task(for_ever(started, ended), name="x") as task:
            await started.wait()
            await cancel_and_wait(task)
            assert ended == ["ended"]
        assert ended == ["ended"]


class TestSerialQueue:
    async def test_one_after_the_other_in_the_order_in_which_they_were_added(self, fake_clock: FakeClock) -> None:
        queue, done = SerialQueue("x", LOG, failure="%s"), list[int]()

        async def work(number: int, seconds: float) -> int:
            await fake_clock.sleep(seconds)
            done.append(number)
            return number * 10

        tasks = [queue.add(work(number, seconds)) for number, seconds in enumerate((30, 20, 10))]
        await queue.join()
        assert done == [0, 1, 2]
        assert [task.result() for task in tasks] == [0, 10, 20]
        assert fake_clock.monotonic() == pytest.approx(60)

    async def test_join_waits_for_what_is_added_meanwhile(self) -> None:
        queue, done = SerialQueue("x", LOG, failure="%s"), list[str]()

        async def first() -> None:
            queue.add(second())

        async def second() -> None:
            done.append("second")

        queue.add(first())
        await queue.join()
        assert done == ["second"]

    async def test_a_failure_is_logged_and_holds_up_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        queue, done = SerialQueue("x", LOG, failure="No se pudo guardar: %s"), list[str]()

        async def work() -> None:
            done.append("done")

        failed = queue.add(fail())
        queue.add(work())
        await queue.join()
        assert done == ["done"]
        assert caplog.messages == ["No se pudo guardar: roto"]
        with pytest.raises(RuntimeError):
            await failed

    async def test_cancel_ends_the_one_that_runs_and_those_that_wait(self, caplog: pytest.LogCaptureFixture) -> None:
        queue, started, ended = SerialQueue("x", LOG, failure="%s"), asyncio.Event(), list[str]()
        tasks = [queue.add(for_ever(started, ended)), queue.add(fail()), queue.add(fail())]
        await started.wait()
        queue.cancel()
        await queue.join()
        assert all(task.cancelled() for task in tasks)
        assert ended == ["ended"]
        assert not caplog.records


class Refused(Exception):
    """What an attempt raises."""


def is_refused(error: Exception) -> bool:
    return isinstance(error, Refused)


class TestBackoff:
    @given(st.integers(1, 2_000), st.sampled_from([0.0, 0.5, 1.0]))
    def test_a_pause_lies_below_the_ceiling_and_above_its_least_share(self, failures: int, least: float) -> None:
        ceiling = min(15.0, 0.2 * 2.0 ** min(failures - 1, 100))
        pause = Backoff(first=0.2, longest=15.0, least=least).pause(failures)
        assert least * ceiling - 1e-9 <= pause <= ceiling + 1e-9

    def test_pauses_are_drawn_anew_each_time(self) -> None:
        backoff = Backoff(first=8.0, longest=8.0)
        assert len({backoff.pause(1) for _ in range(20)}) > 1

    async def test_it_repeats_until_it_succeeds_and_takes_its_pauses_by_the_clock(self, fake_clock: FakeClock) -> None:
        backoff, at = Backoff(first=1.0, longest=4.0, least=1.0), list[float]()

        async def attempt() -> str:
            at.append(fake_clock.monotonic())
            if len(at) < 5:
                raise Refused
            return "listo"

        assert await backoff.retry(attempt, sleep=fake_clock.sleep, repeatable=is_refused) == "listo"
        assert [later - earlier for earlier, later in pairwise(at)] == pytest.approx([1, 2, 4, 4])

    async def test_the_last_error_is_raised_as_it_is_after_the_last_attempt(self, fake_clock: FakeClock) -> None:
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            raise Refused(attempts)

        backoff = Backoff(first=1.0, longest=4.0, attempts=3)
        with pytest.raises(Refused, match="3"):
            await backoff.retry(attempt, sleep=fake_clock.sleep, repeatable=is_refused)
        assert attempts == 3

    async def test_an_error_that_is_not_to_be_repeated_is_raised_at_once(self, fake_clock: FakeClock) -> None:
        with pytest.raises(RuntimeError, match="roto"):
            await Backoff(first=60.0, longest=60.0).retry(fail, sleep=fake_clock.sleep, repeatable=is_refused)
        assert fake_clock.monotonic() == 0

    async def test_a_cancellation_ends_it(self, fake_clock: FakeClock) -> None:
        waiting = asyncio.Event()

        async def attempt() -> None:
            waiting.set()
            await asyncio.Event().wait()

        backoff = Backoff(first=1.0, longest=1.0)
        task = asyncio.create_task(backoff.retry(attempt, sleep=fake_clock.sleep, repeatable=lambda _: True))
        await waiting.wait()
        await cancel_and_wait(task)
        assert task.cancelled()

    async def test_each_repetition_is_reported_with_its_error(self, fake_clock: FakeClock) -> None:
        reported: list[str] = []

        async def attempt() -> None:
            raise Refused(len(reported))

        backoff = Backoff(first=1.0, longest=4.0, attempts=3)
        with pytest.raises(Refused, match="2"):
            await backoff.retry(
                attempt,
                sleep=fake_clock.sleep,
                repeatable=is_refused,
                on_repeat=lambda error: reported.append(str(error)),
            )
        assert reported == ["0", "1"], "the last error is raised instead"
