import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aforo.counting.estimate import (
    Anchor,
    Cause,
    Door,
    EntriesAnchor,
    Estimate,
    History,
    Moved,
    estimate,
    learn,
    together,
)
from aforo.models import Window, to_ms

ZONE = "Personas"
START = datetime(2026, 3, 7, 20, 0, tzinfo=UTC)
HOURS = 4
END = START + timedelta(hours=HOURS)
Minutes = dict[Door, dict[int, int]]


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def door(number: int, direction: int, zone: str = ZONE) -> Door:
    return Door(zone, f"PUERTA {number}", f"CAM{number}", direction)


def crossings(since: int, until: int, each: int) -> dict[int, int]:
    return {to_ms(at(minute)): each for minute in range(since, until)}


def matches(doors: int = 6, entries: int = 20, exits: int = 20) -> Minutes:
    """Two hours of entries, one of nothing, one of exits at twice the rate."""
    minutes: Minutes = {}
    for number in range(doors):
        minutes[door(number, 1)] = crossings(0, 120, entries)
        minutes[door(number, -1)] = crossings(180, 240, 2 * exits)
    return minutes


PEAK = 6 * 120 * 20  # as counted


def causes(one: Estimate) -> dict[Cause, float]:
    return dict(one.why)


def test_before_anybody_passed_there_is_nothing_to_estimate() -> None:
    assert estimate(ZONE, {}, at=START).width == 0
    seen = estimate(ZONE, {}, at=START, initial=40)
    assert (seen.low, seen.mode, seen.high, list(seen.why)) == (40, 40, 40, [])


def test_without_other_knowledge_the_cameras_may_miss_up_to_an_eighth_or_invent_some() -> None:
    seen = estimate(ZONE, matches(), at=at(150))
    assert seen.low < 0.96 * PEAK
    assert seen.high > PEAK / 0.86
    assert seen.low < PEAK < seen.mode
    assert seen.why[0].cause is Cause.COMMON
    assert sum(share for _, share in seen.why) == pytest.approx(1.0)


def test_a_zone_known_to_be_empty_shows_balance_but_not_what_all_doors_miss() -> None:
    alone = estimate(ZONE, matches(), at=at(150))
    history = History()
    for number in range(10):
        history = learn(str(number), ZONE, matches(), until=END, anchors=[Anchor(ZONE, END, 0)], history=history)
    balanced = estimate(ZONE, matches(), at=at(150), history=history)
    assert balanced.width > 0.8 * alone.width
    assert causes(balanced)[Cause.COMMON] > 0.85
    # At the end nearly all have left, and what is common cancels out.
    before, after = estimate(ZONE, matches(), at=at(239)), estimate(ZONE, matches(), at=at(239), history=history)
    assert after.width < 0.7 * before.width


def test_past_events_show_that_exits_are_missed() -> None:
    history = History()
    for number in range(10):
        lost = matches(entries=20, exits=18)
        history = learn(str(number), ZONE, lost, until=END, anchors=[Anchor(ZONE, END, 0)], history=history)
    unlearned = estimate(ZONE, matches(exits=18), at=END)
    learned = estimate(ZONE, matches(exits=18), at=END, history=history)
    assert learned.mode < 0.3 * unlearned.mode
    assert learned.low == 0


@pytest.mark.parametrize("known", [Anchor(ZONE, at(130), 15_000, 50), EntriesAnchor(ZONE, at(130), 15_000, 50)])
def test_a_count_made_otherwise_narrows_what_all_doors_miss(known: Anchor | EntriesAnchor) -> None:
    alone = estimate(ZONE, matches(), at=at(200))
    seen = estimate(ZONE, matches(), at=at(200), anchors=[known])
    assert seen.width < 0.45 * alone.width
    there = estimate(ZONE, matches(), at=at(130), anchors=[known])
    assert there.low == pytest.approx(15_000 - 98, abs=40)
    assert there.high == pytest.approx(15_000 + 98, abs=40)
    assert there.mode == pytest.approx(15_000, abs=20)
    assert causes(there)[Cause.COUNTS] > 0.8


def test_a_past_count_narrows_what_all_doors_miss_today() -> None:
    known = Anchor(ZONE, at(130), PEAK / 0.9, 50)
    history = learn("1", ZONE, matches(), until=END, anchors=[known], history=History())
    alone, seen = (estimate(ZONE, matches(), at=at(150), history=one) for one in (None, history))
    assert seen.width < 0.7 * alone.width
    assert seen.low < PEAK / 0.9 < seen.high


def test_a_later_count_narrows_the_band_behind_it() -> None:
    instants = [at(60), at(120), at(130)]
    before = estimate(ZONE, matches(), at=at(130), instants=instants)
    after = estimate(ZONE, matches(), at=at(130), instants=instants, anchors=[Anchor(ZONE, at(130), 15_000, 20)])
    assert [band.at for band in after.bands] == instants
    for wide, narrow in zip(before.bands, after.bands, strict=True):
        assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_nothing_after_the_instant_and_nothing_of_other_zones_matters() -> None:
    alone = estimate(ZONE, matches(), at=at(100))
    elsewhere = matches() | {door(9, 1, "Otra"): crossings(0, 90, 99)}
    anchors = [Anchor(ZONE, at(130), 15_000), Anchor("Otra", at(50), 3)]
    early = {
        one: {minute: count for minute, count in run.items() if minute < to_ms(at(100))}
        for one, run in matches().items()
    }
    assert estimate(ZONE, elsewhere, at=at(100), anchors=anchors, instants=[at(120)]) == alone
    assert estimate(ZONE, early, at=at(100)) == alone


def test_an_empty_zone_is_empty_then_and_the_error_begins_anew() -> None:
    """All left where nobody counts, or somebody was mistaken: no camera can have missed so much."""
    empty = [Anchor(ZONE, at(100), 0)]
    assert estimate(ZONE, matches(), at=at(100), anchors=empty).high <= 2
    after = estimate(ZONE, matches(), at=at(110), anchors=empty)
    counted = 6 * 10 * 20
    assert 0.8 * counted < after.low < counted < after.high < 1.3 * counted
    assert list(after.doubtful) == [at(100)]
    learned = learn("1", ZONE, matches(), until=END, anchors=empty, history=History())
    assert not learned.events


def test_unmatched_exits_prove_missed_entries() -> None:
    minutes = {
        door(1, 1): crossings(0, 60, 10),
        door(1, -1): crossings(60, 120, 14),
        door(2, 1): crossings(120, 130, 10),
    }
    seen = estimate(ZONE, minutes, at=at(130))
    net = 600 - 840 + 100
    assert net < 0 < seen.low <= 100 < seen.high


def test_crossings_of_a_blind_camera_are_expected_by_those_of_the_others() -> None:
    minutes = matches()
    minutes[door(0, 1)] = crossings(0, 60, 20)  # its camera dies after an hour
    blind = {door(0, 1): [Window(at(60), at(240))]}
    unknown, known = (estimate(ZONE, minutes, at=at(130), blind=one) for one in (None, blind))
    assert known.mode - unknown.mode == pytest.approx(60 * 20, rel=0.15)
    assert known.width > unknown.width
    assert causes(known)[Cause.BLIND] > 0.02
    never = {door(7, 1): [Window(START, END)]}
    assert estimate(ZONE, minutes, at=at(130), blind=never).width > 1.5 * unknown.width


def test_a_blind_camera_among_others_that_saw_nothing_hides_nothing() -> None:
    quiet = {door(1, 1): crossings(0, 60, 20), door(2, 1): crossings(0, 60, 20)}
    blind = {door(1, 1): [Window(at(90), at(120))]}
    assert estimate(ZONE, quiet, at=at(130), blind=blind).mode == estimate(ZONE, quiet, at=at(130)).mode


def test_what_leaves_by_a_door_that_counts_only_entries_is_not_known() -> None:
    minutes = matches()
    del minutes[door(0, -1)]
    plain = estimate(ZONE, minutes, at=at(230))
    seen = estimate(ZONE, minutes, at=at(230), one_way={door(0, 1)})
    assert seen.mode < plain.mode - 500
    assert seen.width > plain.width
    assert causes(seen)[Cause.ONE_WAY] > 0.1


def test_a_zone_of_which_nobody_counts_the_exits() -> None:
    minutes = {door(1, 1): crossings(0, 120, 20)}
    seen = estimate(ZONE, minutes, at=at(150), one_way={door(1, 1)})
    assert seen.low < 0.4 * 2_400
    assert seen.high > 2_400
    assert seen.why[0].cause is Cause.ONE_WAY


def test_a_plain_correction_may_be_people_or_a_repair() -> None:
    plain = estimate(ZONE, matches(), at=at(150))
    moved = estimate(ZONE, matches(), at=at(150), moved=[Moved(at(140), 6_000)])
    assert plain.mode < moved.mode < plain.mode + 6_000
    assert moved.low < plain.mode
    assert moved.high > plain.mode + 6_000
    assert moved.why[0].cause is Cause.CORRECTIONS


def test_the_order_in_which_events_are_learned_makes_no_difference() -> None:
    known = {str(number): Anchor(ZONE, END, 30 * number) for number in range(5)}
    once, again = History(), History()
    for key, anchor in known.items():
        once = learn(key, ZONE, matches(), until=END, anchors=[anchor], history=once)
    for key in [*reversed(known), *known]:
        again = learn(key, ZONE, matches(), until=END, anchors=[known[key]], history=again)
    assert estimate(ZONE, matches(), at=END, history=again) == estimate(ZONE, matches(), at=END, history=once)
    forgotten = learn("4", ZONE, matches(), until=END, anchors=[], history=once)
    assert set(forgotten.events) == set(known) - {"4"}


def test_zones_that_are_added_up_share_what_all_cameras_miss() -> None:
    one = estimate(ZONE, matches(), at=at(150))
    both = together([one, one])
    assert both.mode == 2 * one.mode
    assert math.sqrt(2) * one.width < both.width <= 2 * one.width + 2
    assert together([]).width == 0


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 3), st.dictionaries(st.integers(0, 200), st.integers(1, 50), max_size=8), max_size=4
    ),
    st.dictionaries(
        st.integers(0, 3), st.dictionaries(st.integers(0, 200), st.integers(1, 50), max_size=8), max_size=4
    ),
    st.lists(st.tuples(st.integers(0, 230), st.integers(0, 500), st.integers(0, 50)), max_size=3),
)
def test_an_interval_is_whole_ordered_and_never_below_nobody(
    entries: Mapping[int, Mapping[int, int]],
    exits: Mapping[int, Mapping[int, int]],
    known: list[tuple[int, int, int]],
) -> None:
    minutes = {
        door(number, direction): {to_ms(at(minute)): count for minute, count in run.items()}
        for direction, runs in ((1, entries), (-1, exits))
        for number, run in runs.items()
    }
    anchors = [Anchor(ZONE, at(minute), value, sd) for minute, value, sd in known]
    seen = estimate(ZONE, minutes, at=END, anchors=anchors, instants=[at(15), END])
    for low, mode, high in [(seen.low, seen.mode, seen.high), *(band[1:] for band in seen.bands)]:
        assert 0 <= low <= mode <= high


def simulated_event(rng: random.Random, gains: Mapping[Door, float]) -> tuple[Minutes, list[int]]:
    """An event whose doors miss some of the people; returns what they count, and who was inside after each minute."""
    people = rng.randrange(2_000, 12_000)
    minutes: Minutes = {one: {} for one in gains}
    inside, truth = 0, []
    for minute in range(60 * HOURS):
        for one, gain in gains.items():
            rate = people / 100 / 3 if (minute < 100) == (one.direction > 0) else 0.02
            real = max(0, round(rng.gauss(rate, math.sqrt(1.5 * rate))))
            real = min(real, inside) if one.direction < 0 else real
            inside += one.direction * real
            seen = sum(rng.random() < gain for _ in range(real))
            if seen:
                minutes[one][to_ms(at(minute))] = seen
        truth.append(inside)
    return minutes, truth


def test_the_interval_holds_the_truth_of_simulated_events() -> None:
    rng = random.Random(7)
    held = asked = 0
    for _ in range(12):
        common = rng.uniform(0.85, 1.0)
        gains = {door(n, way): common * rng.uniform(0.95, 1.0) for n in range(3) for way in (1, -1)}
        minutes, truth = simulated_event(rng, gains)
        for quarter in range(15, 60 * HOURS + 1, 15):
            seen = estimate(ZONE, minutes, at=at(quarter))
            held += seen.low <= truth[quarter - 1] <= seen.high
            asked += 1
    assert held / asked >= 0.95
