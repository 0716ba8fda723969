"""The reference clock: the server's Date carried on by the monotonic clock, whatever either clock does."""

import itertools
import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.fake_clock import FakeClock

from aforo.clock import SystemClock
from aforo.reference_clock import ClockStepKind, ReferenceClock
from aforo.simulator.shifted_clock import ShiftedClock

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class MachineClock(ShiftedClock):
    """A machine's clock; ``ahead`` of the true time."""

    @property
    def ahead(self) -> timedelta:
        return self._offset

    @ahead.setter
    def ahead(self, ahead: timedelta) -> None:
        self.shift(ahead.total_seconds())


@dataclass
class Clocks:
    """The true time, a machine, its server, and the reference. ``ahead``: the server's clock less the true time."""

    true: FakeClock = field(default_factory=FakeClock)
    ahead: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.machine = MachineClock(self.true)
        self.clock = ReferenceClock(self.machine)

    def answer(self, *, takes: float = 0.02, stamped: float = 0.5) -> None:
        """The server answers in so many seconds, and stamps its Date after that share of them."""
        sent = self.machine.monotonic()
        self.true.advance(takes * stamped)
        date = (self.true.now() + self.ahead).replace(microsecond=0)
        self.true.advance(takes * (1 - stamped))
        self.clock.read_server(date, sent, self.machine.monotonic())

    def wait(self, seconds: float, *, every: float = 5.0, takes: float = 0.02) -> None:
        """Time goes on; the server answers and the machine's clock is compared again and again."""
        until = self.true.monotonic() + seconds
        while self.true.monotonic() < until:
            self.true.advance(min(every, until - self.true.monotonic()))
            self.answer(takes=takes)
            self.clock.check()

    @property
    def error(self) -> float:
        """Seconds of the reference less the server's time."""
        return (self.clock.now() - self.true.now() - self.ahead).total_seconds()

    @property
    def kinds(self) -> list[tuple[ClockStepKind, int]]:
        return [(step.kind, round(step.seconds)) for step in self.clock.steps]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def stand_still(clocks: Clocks, pause: timedelta) -> None:
    """The machine is suspended: its monotonic clock stands still; its wall clock is set when it goes on."""
    clocks.machine.ahead += pause
    clocks.ahead += pause


class TestTheServersTime:
    def test_before_an_answer_the_machines_clock_serves(self, clocks: Clocks) -> None:
        clocks.machine.ahead = -3 * HOUR
        assert clocks.clock.now() == clocks.machine.now()
        assert clocks.clock.skew is None
        assert clocks.clock.server_time is None

    def test_a_server_that_agrees_leaves_the_machines_clock_to_the_microsecond(self, clocks: Clocks) -> None:
        clocks.wait(9 * 3600, every=60)
        assert clocks.clock.now() == clocks.machine.now()
        assert clocks.clock.skew == timedelta(0)
        assert clocks.clock.steps == []
        assert clocks.clock.is_past(clocks.true.now())

    @pytest.mark.parametrize(
        "apart", [2 * MINUTE, -2 * MINUTE, 3 * HOUR, -HOUR, timedelta(days=1), timedelta(days=-400)]
    )
    def test_clocks_apart_from_the_start_follow_the_server(self, clocks: Clocks, apart: timedelta) -> None:
        clocks.machine.ahead = apart
        clocks.answer()
        assert clocks.clock.undecided
        assert clocks.clock.skew is not None
        assert abs(clocks.clock.skew + apart) < 2 * SECOND
        clocks.wait(4, every=1)
        assert not clocks.clock.undecided
        assert abs(clocks.error) < 1
        assert clocks.kinds == [(ClockStepKind.MACHINE, round(apart.total_seconds()))]
        assert clocks.clock.steps[0].ended is None

    def test_many_answers_give_a_fraction_of_a_second(self, clocks: Clocks) -> None:
        chance = random.Random(4)
        clocks.machine.ahead = 2 * HOUR
        for _ in range(200):
            clocks.true.advance(chance.uniform(0.2, 3))
            clocks.answer(takes=chance.uniform(0.005, 0.2), stamped=chance.random())
        assert abs(clocks.error) < 0.1

    def test_a_server_a_little_apart_is_followed_without_a_word(self, clocks: Clocks) -> None:
        clocks.ahead = 4 * SECOND
        clocks.wait(600)
        assert abs(clocks.error) < 1
        assert clocks.clock.steps == []

    @pytest.mark.parametrize("stamped", [0.0, 1.0])
    def test_slow_answers_move_nothing(self, clocks: Clocks, stamped: float) -> None:
        clocks.ahead = 90 * SECOND
        clocks.wait(60)
        for _ in range(30):
            clocks.answer(takes=20, stamped=stamped)
            assert abs(clocks.error) < 1
        assert not clocks.clock.jump_pending

    def test_slow_answers_alone_err_by_no_more_than_they_take(self, clocks: Clocks) -> None:
        clocks.machine.ahead = HOUR
        for _ in range(20):
            clocks.answer(takes=20, stamped=1.0)
            clocks.true.advance(7)
        assert abs(clocks.error) <= 21

    @pytest.mark.parametrize("parts_per_million", [200, -200])
    def test_a_clock_that_drifts_is_followed(self, clocks: Clocks, parts_per_million: int) -> None:
        clocks.machine.ahead = HOUR
        clocks.wait(6, every=2)
        for _ in range(9 * 60):
            clocks.wait(60, every=60)
            clocks.ahead += parts_per_million * 60e-6 * SECOND
            assert abs(clocks.error) < 1.5

    def test_it_goes_on_while_the_server_is_away(self, clocks: Clocks) -> None:
        clocks.ahead = 10 * MINUTE
        clocks.wait(60)
        clocks.true.advance(3 * 3600)
        clocks.machine.ahead = -5 * HOUR
        assert abs(clocks.error) < 10

    @pytest.mark.parametrize("year", [1970, 1601, 2019, 2071, 2099, 9999])
    def test_a_date_of_a_clock_that_was_never_set_is_ignored(self, clocks: Clocks, year: int) -> None:
        for _ in range(100):
            clocks.true.advance(10)
            clocks.clock.read_server(
                clocks.true.now().replace(year=year, day=1), clocks.true.monotonic(), clocks.true.monotonic()
            )
            clocks.clock.check()
        assert clocks.clock.now() == clocks.machine.now()
        assert clocks.clock.skew is None
        assert clocks.clock.steps == []

    @pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=5), timedelta(days=1)])
    @pytest.mark.parametrize("every", [0.3, 5.0, 60.0])
    def test_a_date_that_does_not_go_on_is_no_clock(self, clocks: Clocks, age: timedelta, every: float) -> None:
        pinned = clocks.true.now() - age
        for _ in range(400):
            clocks.true.advance(every)
            clocks.clock.read_server(pinned, clocks.true.monotonic(), clocks.true.monotonic())
            clocks.clock.check()
        assert abs(clocks.error) <= every + 1 if every < 30 and not age else abs(clocks.error) < 1
        assert clocks.clock.is_past(clocks.clock.now()) or every < 5, "an event still ends"

    def test_what_is_one_already_is_not_wrapped(self, clocks: Clocks) -> None:
        assert ReferenceClock.of(clocks.clock) is clocks.clock
        assert ReferenceClock.of(clocks.machine) is not clocks.clock

    async def test_it_waits_and_measures_as_the_machine_does(self) -> None:
        clock = ReferenceClock(SystemClock())
        began = clock.monotonic()
        await clock.sleep(0.01)
        assert clock.monotonic() - began >= 0.01
        with pytest.raises(TimeoutError):
            async with clock.timeout(0.01):
                await clock.sleep(60)


class TestTheMachinesClockMoves:
    @pytest.mark.parametrize("step", [5 * HOUR, -HOUR, 31 * SECOND, timedelta(days=-20_000)])
    def test_a_step_changes_nothing_and_is_known_with_its_end(self, clocks: Clocks, step: timedelta) -> None:
        clocks.wait(120)
        began = clocks.true.now()
        clocks.machine.ahead = step
        for _ in range(8):
            clocks.true.advance(1)
            assert clocks.clock.check() is (_ == 0)
            assert abs(clocks.error) < 1
        clocks.machine.ahead = timedelta(0)
        assert clocks.clock.check()
        (known,) = clocks.clock.steps
        assert (known.kind, round(known.seconds)) == (ClockStepKind.MACHINE, round(step.total_seconds()))
        assert abs(known.began - began) < 2 * SECOND
        assert known.ended is not None
        assert abs(known.ended - began - 8 * SECOND) < 2 * SECOND
        assert clocks.clock.now() == clocks.machine.now()

    def test_a_step_of_half_a_minute_is_not_worth_a_word(self, clocks: Clocks) -> None:
        clocks.wait(60)
        clocks.machine.ahead = 29 * SECOND
        clocks.wait(60)
        assert clocks.clock.steps == []
        assert abs(clocks.error) < 1

    def test_a_second_step_is_another(self, clocks: Clocks) -> None:
        clocks.machine.ahead = 2 * MINUTE
        clocks.wait(60, every=2)
        clocks.machine.ahead = 5 * HOUR
        clocks.wait(8)
        clocks.machine.ahead = 2 * MINUTE
        clocks.wait(8)
        assert [seconds for _, seconds in clocks.kinds] == [120, 18_000, 120]
        assert [step.ended is None for step in clocks.clock.steps] == [False, False, True]

    def test_a_clock_that_ntp_mends_late_ends_the_step(self, clocks: Clocks) -> None:
        clocks.machine.ahead = timedelta(days=-1)
        clocks.wait(20, every=2)
        clocks.machine.ahead = timedelta(0)
        clocks.wait(2)
        (known,) = clocks.clock.steps
        assert known.ended is not None

    def test_it_asks_the_server_as_soon_as_its_clock_moves_and_now_and_then(self, clocks: Clocks) -> None:
        clocks.answer()
        assert not clocks.clock.wants_answer()
        clocks.machine.ahead = HOUR
        assert clocks.clock.wants_answer()
        assert not clocks.clock.wants_answer(), "once for each step"
        clocks.true.advance(301)
        assert clocks.clock.wants_answer()

    def test_without_a_server_a_step_has_to_stay(self, clocks: Clocks) -> None:
        for _ in range(60):
            clocks.true.advance(1)
            clocks.clock.check()
        clocks.machine.ahead = 5 * HOUR
        for _ in range(8):
            clocks.true.advance(1)
            clocks.clock.check()
            assert abs(clocks.error) < 2
        assert clocks.kinds == [(ClockStepKind.MACHINE_ALONE, 18_000)]
        for _ in range(80):
            clocks.true.advance(1)
            clocks.clock.check()
        assert clocks.clock.now() == clocks.machine.now()
        assert clocks.clock.steps[0].ended is not None


class TestTheServersClockMoves:
    @pytest.mark.parametrize("step", [5 * HOUR, -HOUR, 2 * MINUTE])
    def test_a_jump_that_does_not_stay_moves_nothing(self, clocks: Clocks, step: timedelta) -> None:
        clocks.wait(120)
        clocks.ahead = step
        clocks.wait(8, every=1)
        assert clocks.clock.now() == clocks.machine.now()
        later = clocks.true.now() + MINUTE
        assert not clocks.clock.is_past(later), "no event is ended meanwhile"
        clocks.ahead = timedelta(0)
        clocks.wait(90)
        assert clocks.clock.is_past(clocks.true.now())
        (known,) = clocks.clock.steps
        assert (known.kind, round(known.seconds, -1)) == (ClockStepKind.SERVER, round(step.total_seconds(), -1))
        assert known.ended is not None

    @pytest.mark.parametrize("step", [5 * HOUR, -HOUR, 2 * MINUTE])
    def test_a_jump_that_stays_is_followed(self, clocks: Clocks, step: timedelta) -> None:
        clocks.wait(120)
        clocks.ahead = step
        clocks.wait(90)
        assert abs(clocks.error) < 1
        clocks.wait(600)
        ((kind, seconds),) = clocks.kinds
        assert kind is ClockStepKind.SERVER
        assert abs(seconds - step.total_seconds()) <= 2
        assert clocks.clock.steps[0].ended is None, "the clocks are still apart"
        clocks.machine.ahead = step
        clocks.wait(5)
        assert clocks.clock.steps[0].ended is not None

    def test_an_event_is_not_ended_by_a_jump_that_the_machine_disputes(self, clocks: Clocks) -> None:
        end = clocks.true.now() + HOUR
        clocks.wait(120)
        clocks.ahead = 5 * HOUR
        clocks.wait(1200)
        assert clocks.clock.now() > end
        assert not clocks.clock.is_past(end)
        assert clocks.clock.earliest == clocks.machine.now()
        clocks.wait(2400)
        assert clocks.clock.is_past(end)

    def test_where_the_machines_clock_was_wrong_before_a_jump_that_stays_ends_it(self, clocks: Clocks) -> None:
        end = clocks.true.now() + HOUR
        clocks.machine.ahead = timedelta(days=-1)
        clocks.wait(120)
        clocks.ahead = 5 * HOUR
        clocks.wait(120)
        assert not clocks.clock.is_past(end)
        clocks.wait(300)
        assert clocks.clock.is_past(end)
        assert clocks.clock.earliest == clocks.clock.now()

    def test_a_jump_that_stayed_and_goes_back_is_followed_at_once_where_the_machine_agrees(
        self, clocks: Clocks
    ) -> None:
        clocks.wait(120)
        clocks.ahead = 5 * HOUR
        clocks.wait(90)
        clocks.ahead = timedelta(0)
        clocks.answer()
        assert clocks.clock.now() == clocks.machine.now()
        assert clocks.clock.steps[0].ended is not None

    def test_it_asks_often_while_jump_pending(self, clocks: Clocks) -> None:
        clocks.wait(120)
        clocks.ahead = HOUR
        clocks.answer()
        clocks.true.advance(5)
        assert clocks.clock.wants_answer()

    @pytest.mark.parametrize("apart", [3 * SECOND, 2 * MINUTE, 5 * HOUR])
    @pytest.mark.parametrize("first", [0, 1])
    def test_servers_behind_one_address_move_it_only_until_one_is_known(
        self, clocks: Clocks, apart: timedelta, first: int
    ) -> None:
        chance = random.Random(7)
        readings = []
        for number in range(500):
            clocks.ahead = apart if (number == 0 and first) or (number and chance.random() < 0.5) else timedelta(0)
            clocks.answer()
            clocks.true.advance(chance.uniform(0.5, 8))
            clocks.clock.check()
            readings.append(round((clocks.clock.now() - clocks.true.now()) / SECOND))
        changes = sum(one != other for one, other in itertools.pairwise(readings))
        assert changes <= 2 * first
        assert len(clocks.clock.steps) <= 2

    def test_a_machine_that_was_suspended_is_right_with_the_first_answer(self, clocks: Clocks) -> None:
        clocks.wait(120)
        stand_still(clocks, 2 * HOUR)
        assert clocks.clock.wants_answer()
        clocks.answer()
        assert abs(clocks.error) < 1
        clocks.clock.check()
        ((kind, seconds),) = clocks.kinds
        assert kind is ClockStepKind.PAUSE
        assert abs(seconds - 7200) <= 2
        assert clocks.clock.steps[0].ended is not None
        assert clocks.clock.current_steps == clocks.clock.steps
        clocks.wait(10)
        assert clocks.clock.current_steps == []

    def test_so_is_one_whose_clock_is_apart_from_the_servers(self, clocks: Clocks) -> None:
        clocks.machine.ahead = 2 * MINUTE
        clocks.wait(120)
        stand_still(clocks, HOUR)
        clocks.answer()
        assert abs(clocks.error) < 1

    def test_a_virtual_machine_that_was_moved_loses_seconds_and_gets_them_back(self, clocks: Clocks) -> None:
        clocks.wait(120)
        stand_still(clocks, 6 * SECOND)
        clocks.wait(90)
        assert abs(clocks.error) < 1
        assert clocks.clock.steps == []


def test_whatever_the_clocks_do_an_honest_server_is_followed() -> None:
    for seed in range(60):
        chance, clocks = random.Random(seed), Clocks()
        clocks.machine.ahead = chance.choice([timedelta(0), 2 * MINUTE, -HOUR, timedelta(days=-1)])
        clocks.wait(10, every=2)
        for _ in range(30):
            if chance.random() < 0.3:
                clocks.machine.ahead = timedelta(seconds=chance.uniform(-20_000, 20_000))
            if chance.random() < 0.1:
                stand_still(clocks, timedelta(seconds=chance.uniform(1, 5_000)))
                clocks.answer()
                clocks.wait(70)
            clocks.wait(chance.uniform(1, 100), every=chance.uniform(1, 30), takes=chance.choice([0.01, 0.3]))
            assert abs(clocks.error) < 2, seed
        clocks.machine.ahead = clocks.ahead
        clocks.wait(120)
        assert clocks.clock.now() == clocks.machine.now()
        assert all(step.ended is not None and step.ended >= step.began for step in clocks.clock.steps), seed


def test_a_first_time_that_the_machine_does_not_confirm_ends_no_event_at_once() -> None:
    clocks = Clocks(ahead=2 * HOUR)
    soon = clocks.true.now() + HOUR
    clocks.wait(10, every=1)
    assert abs(clocks.error) < 1
    assert not clocks.clock.is_past(soon)
    clocks.wait(60)
    assert clocks.clock.is_past(soon)
