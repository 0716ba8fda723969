"""Which window is read when: nothing is left out, one camera's failure delays no other."""

import itertools
import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aforo.avigilon import Lane
from aforo.errors import AccUnknownCamera, AccUnreachable, AccWindowTooLarge
from aforo.ingestion.fetch_planner import FetchPlanner, PlannedFetch
from aforo.live.freshness import silences, waited_for
from aforo.models import Feed, FeedStatus, Window

START = datetime(2026, 3, 7, 21, tzinfo=UTC)
END = START + timedelta(hours=7)
A, B, C = (Feed("srv", camera) for camera in "ABC")
OVERLAP = timedelta(seconds=120)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def is_failing(planner: FetchPlanner) -> bool:
    return any(status.server_failing for status in planner.statuses())


def planner_of(*feeds: Feed, checkpoints: dict[Feed, datetime] | None = None) -> FetchPlanner:
    made = FetchPlanner(Window(START, END), OVERLAP, random.Random(1))
    made.follow(feeds, checkpoints or {})
    return made


def one(_server: str) -> int:
    return 1


def many(_server: str) -> int:
    return 40


def test_a_late_start_catches_up_from_the_beginning_in_windows() -> None:
    planner = planner_of(A)
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(150), at(150), one)
    windows = [fetch.query.window]
    fetch_again = fetch
    while True:
        planner.mark_read(fetch_again, 3000)
        next_one = planner.next_fetch(fetch_again, at(150))
        if next_one is None:
            break
        windows.append(next_one.query.window)
        fetch_again = next_one
    assert windows[0].since == START
    assert windows[-1].until == at(150)
    assert all(before.until == after.since for before, after in itertools.pairwise(windows))


def test_each_cycle_looks_back_the_overlap() -> None:
    planner = planner_of(A, checkpoints={A: at(60)})
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(61), at(61), one)
    assert fetch.query.window == Window(at(58), at(61))
    planner.mark_read(fetch, 3)
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(62), at(62), one)
    assert fetch.query.window == Window(at(59), at(62))


def test_a_feed_that_is_being_read_is_not_read_again() -> None:
    planner = planner_of(A)
    planner.begin_cycle()
    assert len(planner.due_fetches(at(1), at(1), one)) == 1
    planner.begin_cycle()
    assert planner.due_fetches(at(2), at(2), one) == []


def test_cameras_with_the_same_window_are_read_together_up_to_what_the_server_takes() -> None:
    planner = planner_of(A, B, C)
    planner.begin_cycle()
    assert [len(fetch.query.cameras) for fetch in planner.due_fetches(at(1), at(1), lambda _: 2)] == [2, 1]


def test_a_failure_leaves_the_window_open_and_the_feed_rests() -> None:
    planner = planner_of(A, B)
    planner.begin_cycle()
    fetch_a, fetch_b = planner.due_fetches(at(1), at(1), one)
    assert planner.mark_failed(fetch_a, AccUnreachable("cortado"), at(1)) == [A]
    assert planner.mark_read(fetch_b, 1) == []
    assert planner.due_fetches(at(1), at(1), one) == []
    rests_until = planner.next_rest_ends()
    assert rests_until is not None
    assert at(1) < rests_until <= at(1) + timedelta(seconds=1)
    (again,) = planner.due_fetches(at(1), rests_until, one)
    assert (again.query.window, again.lane) == (fetch_a.query.window, Lane.SUSPECT)
    assert list(planner.behind(at(1))) == [A]
    assert planner.mark_read(again, 1) == [A]
    assert not planner.behind(at(1))


def test_repeated_failures_do_not_move_the_window_back() -> None:
    planner = planner_of(A, checkpoints={A: at(30)})
    for minute in range(31, 40):
        planner.begin_cycle()
        for fetch in planner.due_fetches(at(minute), at(minute), one):
            assert fetch.query.window.since == at(28)
            planner.mark_failed(fetch, AccUnreachable("cortado"), at(minute))


def test_a_window_too_large_is_read_in_pieces_and_ever_less_often_until_it_ends() -> None:
    planner = planner_of(A)
    now, tries = START + timedelta(hours=1), []
    while now < END:
        for fetch in planner.due_fetches(now, now, one):
            tries.append(fetch.query.window)
            planner.mark_failed(fetch, AccWindowTooLarge("sin fin"), now)
        now += timedelta(seconds=10)
    assert [window.since for window in tries] == [START] * len(tries), "it stays open"
    minutes = [(window.until - window.since).total_seconds() / 60 for window in tries]
    assert minutes[:5] == [15, 7.5, 3.75, 1.875, 1]
    assert 6 <= len(tries) <= 16
    (fetch,) = planner.due_fetches(END, END + timedelta(hours=1), one)
    assert planner.mark_read(fetch, 10) == [A]
    assert planner.next_fetch(fetch, END) is not None


def test_a_failed_group_is_read_again_at_once_each_camera_alone() -> None:
    planner = planner_of(A, B)
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(1), at(1), many)
    assert planner.mark_failed(fetch, AccUnreachable("cortado"), at(1)) == []
    alone = planner.due_fetches(at(1), at(1), many)
    assert [(fetch.query.cameras, fetch.lane) for fetch in alone] == [(("A",), Lane.POLL), (("B",), Lane.POLL)]
    planner.mark_failed(alone[0], AccUnreachable("cortado"), at(1))
    planner.mark_read(alone[1], 1)
    planner.begin_cycle()
    assert [fetch.query.cameras for fetch in planner.due_fetches(at(2), at(2), many)] == [("A",), ("B",)]


def test_a_camera_that_no_server_has_is_reported_and_does_not_delay_the_cycle() -> None:
    elsewhere = Feed("srv2", "A")
    planner = planner_of(A, elsewhere)
    planner.begin_cycle()
    first, second = planner.due_fetches(at(1), at(1), one)
    planner.mark_failed(first, AccUnknownCamera("no está"), at(1))
    assert planner.unknown_cameras() == set()
    planner.mark_failed(second, AccUnknownCamera("no está"), at(1))
    assert planner.unknown_cameras() == {"A"}
    assert not planner.behind(at(1))


def test_an_answer_from_before_a_reopening_moves_nothing() -> None:
    planner = planner_of(A, B)
    planner.begin_cycle()
    fetch_a, fetch_b = planner.due_fetches(at(30), at(30), one)
    planner.mark_read(fetch_a, 1)
    planner.reopen("srv")
    assert planner.advance(fetch_b, at(20), 0.0) == {}
    assert planner.mark_read(fetch_b, 1) == []
    assert {state.read_until for state in planner.feeds.values()} == {START}
    planner.begin_cycle()
    assert {fetch.query.window.since for fetch in planner.due_fetches(at(31), at(31), one)} == {START}


def test_a_fetch_that_fails_is_read_on_from_what_it_had_read() -> None:
    planner = planner_of(A, B, checkpoints={A: at(30), B: at(30)})
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(60), at(60), many)
    assert fetch.query.window.since == at(28)
    assert planner.advance(fetch, at(29), 0.0) == {}, "no checkpoint goes back"
    assert planner.advance(fetch, at(40), 0.0) == dict.fromkeys((A, B), at(40))
    planner.mark_failed(fetch, AccUnreachable("cortado"), at(60))
    alone = planner.due_fetches(at(60), at(60), many)
    assert [again.query.window for again in alone] == [Window(at(40), at(55))] * 2
    planner.advance(alone[0], at(50), 0.0)
    planner.mark_failed(alone[0], AccUnreachable("cortado"), at(60))
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(at(61), at(61), one)
    assert fetch.query.window == Window(at(48), at(61)), "a new poll cycle looks back from there"


def test_a_part_that_always_fails_after_one_that_never_does_is_tried_ever_less_often() -> None:
    planner = planner_of(A, checkpoints={A: at(30)})
    tries, now = [], at(31)
    for _ in range(20):
        planner.begin_cycle()
        for step in range(60):
            moment = now + timedelta(seconds=step)
            for fetch in planner.due_fetches(moment, moment, one):
                tries.append(fetch.lane is Lane.SUSPECT)
                if fetch.query.window.since < at(30):
                    planner.advance(fetch, at(30), 0.0)
                planner.mark_failed(fetch, AccUnreachable("cortado"), moment)
        now += timedelta(minutes=1)
    assert len(tries) < 5 + 20 * 4
    assert all(tries[1:]), "it stays in the lane of those that failed lately"


def test_while_the_grace_lasts_each_cycle_looks_back() -> None:
    planner = planner_of(A, checkpoints={A: END})
    planner.begin_cycle()
    (fetch,) = planner.due_fetches(END, END + timedelta(seconds=30), one)
    assert fetch.query.window == Window(END - OVERLAP, END)
    planner.mark_read(fetch, 0)
    assert planner.due_fetches(END, END + timedelta(seconds=31), one) == []


def run_cycle(planner: FetchPlanner, now: datetime, failing: str) -> None:
    """A poll cycle in which these cameras fail and the others answer; no feed is paused."""
    for state in planner.feeds.values():
        state.resting_until = None
    planner.begin_cycle()
    for fetch in planner.due_fetches(now, now, one):
        if fetch.query.cameras[0] in failing:
            planner.mark_failed(fetch, AccUnreachable("cortado"), now)
        else:
            planner.mark_read(fetch, 1)


SEVEN = [Feed("srv", camera) for camera in "ABCDEFG"]


def test_a_silence_is_counted_from_the_servers_return_and_only_of_who_was_read_since() -> None:
    planner = planner_of(*SEVEN, checkpoints=dict.fromkeys(SEVEN, at(1)))
    run_cycle(planner, at(2), "A")
    planner.server_down(at(10))
    run_cycle(planner, at(11), "ABCDEFG")
    assert set(silences(planner.statuses()).values()) == {None}, "while it is down nobody could answer"
    planner.server_up(at(20))
    assert silences(planner.statuses()) == {"A": at(20)} | dict.fromkeys("BCDEFG")
    run_cycle(planner, at(21), "AB")
    assert silences(planner.statuses()) == {"A": at(20), "B": at(21)}
    run_cycle(planner, at(22), "B")
    assert silences(planner.statuses()) == {"B": at(21)}


def test_most_cameras_failing_together_are_a_failure_of_the_server() -> None:
    planner = planner_of(*SEVEN, checkpoints=dict.fromkeys(SEVEN, at(1)))
    run_cycle(planner, at(2), "ABCD")
    run_cycle(planner, at(3), "ABCD")
    assert is_failing(planner)
    assert silences(planner.statuses()) == dict.fromkeys("ABCD")
    assert len(waited_for(planner.statuses())) == 7
    run_cycle(planner, at(4), "AB")
    run_cycle(planner, at(5), "AB")
    assert not is_failing(planner)
    assert silences(planner.statuses()) == {"A": at(5), "B": at(5)}
    assert len(waited_for(planner.statuses())) == 5


def test_cameras_that_time_out_one_after_the_other_are_a_failure_of_the_server_from_the_first_on() -> None:
    cameras = "ABCDEFGHIJKL"
    feeds = [Feed("srv", camera) for camera in cameras]
    planner = planner_of(*feeds, checkpoints=dict.fromkeys(feeds, at(1)))
    run_cycle(planner, at(2), "L")
    planner.begin_cycle()
    for number, fetch in enumerate(planner.due_fetches(at(10), at(10), one)[:9]):
        planner.mark_failed(fetch, AccUnreachable("sin respuesta"), at(10.5 + number / 2))
    planner.due_fetches(at(15), at(15), one)
    assert is_failing(planner)
    assert {feed.camera_id for feed, state in planner.feeds.items() if state.failing_alone_since} == {"L"}


def test_two_cameras_of_two_fail_each_by_itself() -> None:
    planner = planner_of(A, B)
    for minute in (1, 2):
        run_cycle(planner, at(minute), "AB")
    assert silences(planner.statuses()) == {"A": at(1), "B": at(1)}


def test_following_other_cameras_keeps_what_is_known() -> None:
    planner = planner_of(A, B, checkpoints={A: at(10)})
    planner.follow([A, C], {C: at(5)})
    assert {feed: state.read_until for feed, state in planner.feeds.items()} == {A: at(10), C: at(5)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9000)), max_size=80), st.randoms(use_true_random=False))
def test_whatever_fails_every_instant_is_read_before_it_is_left(
    outcomes: list[tuple[bool, int]], chance: random.Random
) -> None:
    """The windows read, joined, leave no hole: what ``read_until`` claims has really been read."""
    planner = FetchPlanner(Window(START, END), OVERLAP, chance)
    planner.follow([A], {})
    windows_read: list[Window] = []
    now = START
    for fine, events in outcomes:
        now = min(END, now + timedelta(seconds=chance.choice([1, 20, 60, 900])))
        planner.begin_cycle()
        for fetch in planner.due_fetches(now, now, one):
            if fine:
                planner.mark_read(fetch, events)
                windows_read.append(fetch.query.window)
            else:
                planner.mark_failed(fetch, AccUnreachable("cortado"), now)
    reached = START
    for window in sorted(windows_read):
        assert window.since <= reached
        reached = max(reached, window.until)
    assert planner.feeds[A].read_until == reached


def test_a_server_that_is_down_is_probed_with_one_camera_after_the_other() -> None:
    planner = planner_of(A, B, C)
    cameras: list[str] = []
    for minute in range(1, 7):
        (fetch,) = planner.due_fetches(at(minute), at(minute), one, limit=1)
        cameras += fetch.query.cameras
        planner.mark_failed(fetch, AccUnreachable("500"), at(minute))
    assert cameras == [*"ABCABC"]


class Follower:
    """The statuses of the feeds, kept by what changed."""

    def __init__(self, planner: FetchPlanner) -> None:
        self._planner = planner
        self._known: dict[Feed, FeedStatus] = {}
        self.follow()

    def follow(self) -> None:
        self._known = {status.feed: status for status in self._planner.statuses()}

    def check(self) -> None:
        self._known.update((status.feed, status) for status in self._planner.take_changed())
        assert self._known == {status.feed: status for status in self._planner.statuses()}


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_every_change_of_a_feed_is_among_the_changed_ones(steps: int, chance: random.Random) -> None:
    """Whatever answers, fails, comes and goes: with what changed, all statuses are known."""
    every = [Feed(server, camera) for server in ("s1", "s2") for camera in "ABCDEF"]
    planner = FetchPlanner(Window(START, END), OVERLAP, chance)
    planner.follow(every, {})
    follower = Follower(planner)
    errors = (AccUnreachable("cortado"), AccUnknownCamera("no está"), AccWindowTooLarge("demasiado"))
    under_way: list[PlannedFetch] = []
    now = START
    for _ in range(steps):
        now += timedelta(seconds=chance.choice([1, 20, 60, 300]))
        match chance.randrange(9):
            case 0:
                planner.follow(chance.sample(every, chance.randint(1, len(every))), {every[0]: at(1)})
                follower.follow()
            case 1:
                planner.server_down(now)
            case 2:
                planner.server_up(now)
            case 3:
                planner.reopen(chance.choice(["s1", "s2"]))
            case 4:
                planner.end_rest(chance.sample(sorted(planner.feeds), 1))
            case _:
                planner.begin_cycle()
                under_way += planner.due_fetches(now, now, chance.choice([one, many]), chance.choice([1, 99]))
                chance.shuffle(under_way)
                while under_way and chance.random() < 0.9:
                    fetch = under_way.pop()
                    if chance.random() < 0.4:
                        planner.mark_failed(fetch, chance.choice(errors), now)
                    else:
                        planner.mark_read(fetch, 10)
                        following = planner.next_fetch(fetch, now)
                        under_way += [following] if following is not None else []
        follower.check()
