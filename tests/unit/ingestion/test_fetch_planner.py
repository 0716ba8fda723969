"""Which window is asked when: nothing is left out, one camera's trouble stays its own."""

import itertools
import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aforo.errors import AccUnknownCamera, AccUnreachable, AccWindowTooLarge
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.models import Feed, Window

START = datetime(2026, 3, 7, 21, tzinfo=UTC)
END = START + timedelta(hours=7)
A, B, C = (Feed("srv", camera) for camera in "ABC")
OVERLAP = timedelta(seconds=120)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def coverage(*feeds: Feed, checkpoints: dict[Feed, datetime] | None = None) -> FetchPlanner:
    made = FetchPlanner(Window(START, END), OVERLAP, random.Random(1))
    made.follow(feeds, checkpoints or {})
    return made


def one(_server: str) -> int:
    return 1


def many(_server: str) -> int:
    return 40


def test_a_late_start_catches_up_from_the_beginning_in_stretches() -> None:
    cover = coverage(A)
    cover.begin_cycle()
    (ask,) = cover.asks(at(150), at(150), one)
    windows = [ask.query.window]
    following = ask
    while True:
        cover.answered(following, 3000)
        step = cover.following(following, at(150))
        if step is None:
            break
        windows.append(step.query.window)
        following = step
    assert windows[0].since == START
    assert windows[-1].until == at(150)
    assert all(before.until == after.since for before, after in itertools.pairwise(windows))


def test_each_turn_looks_back_the_overlap() -> None:
    cover = coverage(A, checkpoints={A: at(60)})
    cover.begin_cycle()
    (ask,) = cover.asks(at(61), at(61), one)
    assert ask.query.window == Window(at(58), at(61))
    cover.answered(ask, 3)
    cover.begin_cycle()
    (ask,) = cover.asks(at(62), at(62), one)
    assert ask.query.window == Window(at(59), at(62))


def test_a_feed_that_is_being_asked_is_not_asked_again() -> None:
    cover = coverage(A)
    cover.begin_cycle()
    assert len(cover.asks(at(1), at(1), one)) == 1
    cover.begin_cycle()
    assert cover.asks(at(2), at(2), one) == []


def test_cameras_with_the_same_window_are_asked_together_up_to_what_the_server_takes() -> None:
    cover = coverage(A, B, C)
    cover.begin_cycle()
    assert [len(ask.query.cameras) for ask in cover.asks(at(1), at(1), lambda _: 2)] == [2, 1]


def test_a_failure_leaves_the_window_open_and_the_feed_rests() -> None:
    cover = coverage(A, B)
    cover.begin_cycle()
    ask_a, ask_b = cover.asks(at(1), at(1), one)
    assert cover.failed(ask_a, AccUnreachable("cortado"), at(1)) == [A]
    assert cover.answered(ask_b, 1) == []
    assert cover.asks(at(1), at(1), one) == []
    rests_until = cover.next_rest_ends()
    assert rests_until is not None
    assert at(1) < rests_until <= at(1) + timedelta(seconds=1)
    (again,) = cover.asks(at(1), rests_until, one)
    assert (again.query.window, again.suspect) == (ask_a.query.window, True)
    assert list(cover.behind(at(1))) == [A]
    assert cover.answered(again, 1) == [A]
    assert not cover.behind(at(1))


def test_repeated_failures_do_not_move_the_window_back() -> None:
    cover = coverage(A, checkpoints={A: at(30)})
    for turn in range(31, 40):
        cover.begin_cycle()
        for ask in cover.asks(at(turn), at(turn), one):
            assert ask.query.window.since == at(28)
            cover.failed(ask, AccUnreachable("cortado"), at(turn))


def test_an_endless_window_is_asked_in_pieces_and_ever_less_often_until_it_ends() -> None:
    cover = coverage(A)
    now, tries = START + timedelta(hours=1), []
    while now < END:
        for ask in cover.asks(now, now, one):
            tries.append(ask.query.window)
            cover.failed(ask, AccWindowTooLarge("sin fin"), now)
        now += timedelta(seconds=10)
    assert [window.since for window in tries] == [START] * len(tries), "it stays open"
    minutes = [(window.until - window.since).total_seconds() / 60 for window in tries]
    assert minutes[:5] == [15, 7.5, 3.75, 1.875, 1]
    assert 6 <= len(tries) <= 16
    (ask,) = cover.asks(END, END + timedelta(hours=1), one)
    assert cover.answered(ask, 10) == [A]
    assert cover.following(ask, END) is not None


def test_a_failed_group_is_asked_again_at_once_each_camera_alone() -> None:
    cover = coverage(A, B)
    cover.begin_cycle()
    (ask,) = cover.asks(at(1), at(1), many)
    assert cover.failed(ask, AccUnreachable("cortado"), at(1)) == []
    alone = cover.asks(at(1), at(1), many)
    assert [(ask.query.cameras, ask.suspect) for ask in alone] == [(("A",), False), (("B",), False)]
    cover.failed(alone[0], AccUnreachable("cortado"), at(1))
    cover.answered(alone[1], 1)
    cover.begin_cycle()
    assert [ask.query.cameras for ask in cover.asks(at(2), at(2), many)] == [("A",), ("B",)]


def test_a_camera_that_no_server_knows_is_told_and_does_not_hold_up_the_turn() -> None:
    elsewhere = Feed("srv2", "A")
    cover = coverage(A, elsewhere)
    cover.begin_cycle()
    first, second = cover.asks(at(1), at(1), one)
    cover.failed(first, AccUnknownCamera("no está"), at(1))
    assert cover.unknown_cameras() == set()
    cover.failed(second, AccUnknownCamera("no está"), at(1))
    assert cover.unknown_cameras() == {"A"}
    assert not cover.behind(at(1))


def test_an_answer_from_before_a_reopening_moves_nothing() -> None:
    cover = coverage(A, B)
    cover.begin_cycle()
    ask_a, ask_b = cover.asks(at(30), at(30), one)
    cover.answered(ask_a, 1)
    cover.reopen("srv")
    assert cover.checkpoints(ask_b) == {}
    assert cover.answered(ask_b, 1) == []
    assert {state.answered_until for state in cover.feeds.values()} == {START}
    cover.begin_cycle()
    assert {ask.query.window.since for ask in cover.asks(at(31), at(31), one)} == {START}


def test_while_the_grace_lasts_each_turn_looks_back() -> None:
    cover = coverage(A, checkpoints={A: END})
    cover.begin_cycle()
    (ask,) = cover.asks(END, END + timedelta(seconds=30), one)
    assert ask.query.window == Window(END - OVERLAP, END)
    cover.answered(ask, 0)
    assert cover.asks(END, END + timedelta(seconds=31), one) == []


def turn(cover: FetchPlanner, now: datetime, failing: str) -> None:
    """A turn in which these cameras fail and the others answer; nobody rests."""
    for state in cover.feeds.values():
        state.resting_until = None
    cover.begin_cycle()
    for ask in cover.asks(now, now, one):
        if ask.query.cameras[0] in failing:
            cover.failed(ask, AccUnreachable("cortado"), now)
        else:
            cover.answered(ask, 1)


SEVEN = [Feed("srv", camera) for camera in "ABCDEFG"]


def test_a_silence_is_counted_from_the_servers_return_and_only_of_who_was_asked_since() -> None:
    cover = coverage(*SEVEN, checkpoints=dict.fromkeys(SEVEN, at(1)))
    turn(cover, at(2), "A")
    cover.lost(at(10))
    turn(cover, at(11), "ABCDEFG")
    assert set(cover.silences().values()) == {None}, "while it is away nobody could answer"
    cover.wake(at(20))
    assert cover.silences() == {"A": at(20)} | dict.fromkeys("BCDEFG")
    turn(cover, at(21), "AB")
    assert cover.silences() == {"A": at(20), "B": at(21)}
    turn(cover, at(22), "B")
    assert cover.silences() == {"B": at(21)}


def test_most_cameras_failing_together_are_the_servers_trouble() -> None:
    cover = coverage(*SEVEN, checkpoints=dict.fromkeys(SEVEN, at(1)))
    turn(cover, at(2), "ABCD")
    turn(cover, at(3), "ABCD")
    assert cover.in_trouble("srv")
    assert cover.silences() == dict.fromkeys("ABCD")
    assert len(cover.waited_for()) == 7
    turn(cover, at(4), "AB")
    turn(cover, at(5), "AB")
    assert not cover.in_trouble("srv")
    assert cover.silences() == {"A": at(5), "B": at(5)}
    assert len(cover.waited_for()) == 5


def test_cameras_that_time_out_one_after_the_other_are_the_servers_trouble_from_the_first_on() -> None:
    cameras = "ABCDEFGHIJKL"
    feeds = [Feed("srv", camera) for camera in cameras]
    cover = coverage(*feeds, checkpoints=dict.fromkeys(feeds, at(1)))
    turn(cover, at(2), "L")
    cover.begin_cycle()
    for number, ask in enumerate(cover.asks(at(10), at(10), one)[:9]):
        cover.failed(ask, AccUnreachable("sin respuesta"), at(10.5 + number / 2))
    cover.asks(at(15), at(15), one)
    assert cover.in_trouble("srv")
    assert {feed.camera_id for feed, state in cover.feeds.items() if state.own_since} == {"L"}


def test_two_cameras_of_two_fail_each_by_itself() -> None:
    cover = coverage(A, B)
    for minute in (1, 2):
        turn(cover, at(minute), "AB")
    assert cover.silences() == {"A": at(1), "B": at(1)}


def test_following_other_cameras_keeps_what_is_known() -> None:
    cover = coverage(A, B, checkpoints={A: at(10)})
    cover.follow([A, C], {C: at(5)})
    assert {feed: state.answered_until for feed, state in cover.feeds.items()} == {A: at(10), C: at(5)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9000)), max_size=80), st.randoms(use_true_random=False))
def test_whatever_fails_every_instant_is_answered_before_it_is_left(
    outcomes: list[tuple[bool, int]], chance: random.Random
) -> None:
    """Answered stretches, joined, leave no hole: what ``answered_until`` claims has really been answered."""
    cover = FetchPlanner(Window(START, END), OVERLAP, chance)
    cover.follow([A], {})
    answered: list[Window] = []
    now = START
    for fine, events in outcomes:
        now = min(END, now + timedelta(seconds=chance.choice([1, 20, 60, 900])))
        cover.begin_cycle()
        for ask in cover.asks(now, now, one):
            if fine:
                cover.answered(ask, events)
                answered.append(ask.query.window)
            else:
                cover.failed(ask, AccUnreachable("cortado"), now)
    reached = START
    for window in sorted(answered):
        assert window.since <= reached
        reached = max(reached, window.until)
    assert cover.feeds[A].answered_until == reached


def test_a_server_that_is_away_is_probed_with_each_camera_in_turn() -> None:
    cover = coverage(A, B, C)
    asked: list[str] = []
    for minute in range(1, 7):
        (ask,) = cover.asks(at(minute), at(minute), one, most=1)
        asked += ask.query.cameras
        cover.failed(ask, AccUnreachable("500"), at(minute))
    assert asked == [*"ABCABC"]
