"""Does the interval hold the truth? Simulated events (``crowds.py``), judged at each quarter of an hour.

    python -m bench.estimate --events 500 --seed 1 [--history 10] [--at-once 2] [--write]

Each event is judged in four ways, by what is known at the instant and nothing later: without history; with past events
of the same venue; with those and one manual count between the rushes of this event; with those and a manual count in
the last of them instead. Instants of an event stand and fall together: the standard errors are over events.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import fmean, stdev
from typing import NamedTuple, TypedDict

from aforo.counting.estimate import History, estimate, learn
from aforo.counting.uncertainty import Anchor, Door
from aforo.models import Window, to_ms
from bench import crowds, results
from bench.crowds import ManualCount, SimulatedEvent

ZONE = "Personas"
STEP = 15  # minutes between the instants of judgement
START = datetime(2026, 1, 17, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EMPTY_SD = 0.003  # of those who came in: staff that is inside when the zone counts as empty
WAYS = ("without history", "past events", "past events, a manual count", "past events, a manual count in the last")
GOALS = ((0.95, 1.0), None, (0.93, 0.98), None)
PHASES = (
    "under 25 % of the peak, filling",
    "25 to 90 %, filling",
    "over 90 %",
    "90 to 25 %, emptying",
    "under 25 %, emptying",
)
_NAIVE = 1.96


class Judged(NamedTuple):
    """One instant of one event: the truth, the count and its passages, and an interval for each way."""

    event: int
    tenth: int
    phase: int
    truth: int
    counted: int
    entries: int
    exits: int
    intervals: tuple[tuple[int, int], ...]


class Traits(NamedTuple):
    """What events are counted_by_hand apart by."""

    people: int
    peak: int
    doors: int
    one_way: bool
    blind: bool
    unknown_inside: bool
    empty_known: bool


class Known(TypedDict):
    """What the estimator is given of an event, by the names of its arguments."""

    minutes: dict[Door, dict[int, int]]
    blind: dict[Door, list[Window]]
    one_way: set[Door]
    initial: float


def _knowledge(one: SimulatedEvent, start: datetime, until: int) -> Known:
    """What the estimator is given of an event by that minute."""
    minutes: dict[Door, dict[int, int]] = {}
    blind: dict[Door, list[Window]] = {}
    one_way: set[Door] = set()
    for number, door in enumerate(one.crowd.plan.doors):
        for direction, counted in ((1, one.entries[number]), (-1, one.exits[number])):
            if direction < 0 and not door.counts_exits:
                continue
            this = Door(ZONE, f"PUERTA {number + 1}", f"CAM{number + 1}", direction)
            minutes[this] = {
                to_ms(start + minute * MINUTE): count for minute, count in enumerate(counted[:until]) if count
            }
            dark = [
                Window(start + since * MINUTE, start + min(last, until) * MINUTE)
                for since, last in one.blind[number]
                if since < until
            ]
            if dark:
                blind[this] = dark
            if not door.counts_exits:
                one_way.add(this)
    return {"minutes": minutes, "blind": blind, "one_way": one_way, "initial": float(one.initial)}


def _learned(past: Sequence[SimulatedEvent], last_count: ManualCount | None) -> History:
    """What past events say, a week apart; the last of them with a manual count, if there is one."""
    history = History()
    for number, one in enumerate(past):
        start = START - (len(past) - number) * timedelta(days=7)
        end = start + one.minutes * MINUTE
        anchors = []
        if last_count is not None and number == len(past) - 1:
            anchors.append(_anchor(last_count, start))
        if one.empty_known:
            came = sum(map(sum, one.entries))
            anchors.append(Anchor(ZONE, end, 0.0, max(5.0, EMPTY_SD * came)))
        known = _knowledge(one, start, one.minutes)
        history = learn(f"{start:%Y-%m-%d}", ZONE, until=end, anchors=anchors, history=history, **known)
    return history


def _anchor(counted_by_hand: ManualCount, start: datetime) -> Anchor:
    return Anchor(ZONE, start + counted_by_hand.minute * MINUTE, float(counted_by_hand.value), counted_by_hand.sd)


def _phase(one: SimulatedEvent, minute: int, peak: int, at_peak: int) -> int:
    share = one.crowd.inside(minute) / peak
    if share > 0.9:
        return 2
    if minute < at_peak:
        return 0 if share < 0.25 else 1
    return 3 if share >= 0.25 else 4


def judge(number: int, seed: int, past_events: int) -> tuple[Traits, list[Judged]]:
    """Simulate one venue with its past and its event of today, and judge each quarter of an hour of it."""
    chance = random.Random(f"{seed}-{number}")
    venue = crowds.venue(chance)
    past = [crowds.event(venue, chance) for _ in range(past_events)]
    today = crowds.event(venue, chance)
    counted_by_hand = crowds.manual_count(today, chance)
    counted_before = crowds.manual_count(past[-1], chance) if past else None
    history, history_counted = _learned(past, None), _learned(past, counted_before)
    at_peak = max(range(today.minutes + 1), key=today.crowd.inside)
    peak = today.crowd.inside(at_peak)
    judged = []
    for minute in range(STEP, today.minutes + 1, STEP):
        known = _knowledge(today, START, minute)
        at = START + minute * MINUTE
        anchors = [_anchor(counted_by_hand, START)] if counted_by_hand.minute <= minute else []
        found = (
            estimate(ZONE, at=at, **known),
            estimate(ZONE, at=at, history=history, **known),
            estimate(ZONE, at=at, history=history, anchors=anchors, **known),
            estimate(ZONE, at=at, history=history_counted, **known),
        )
        judged.append(
            Judged(
                event=number,
                tenth=min(9, 10 * minute // (today.minutes + 1)),
                phase=_phase(today, minute, peak, at_peak),
                truth=today.crowd.inside(minute),
                counted=today.count(minute),
                entries=sum(sum(door[:minute]) for door in today.entries),
                exits=sum(sum(door[:minute]) for door in today.exits),
                intervals=tuple((one.low, one.high) for one in found),
            )
        )
    plan = today.crowd.plan
    traits = Traits(
        people=plan.people,
        peak=peak,
        doors=len(plan.doors),
        one_way=not all(door.counts_exits for door in plan.doors),
        blind=any(today.blind),
        unknown_inside=plan.inside > 0 and not today.initial,
        empty_known=today.empty_known,
    )
    return traits, judged


def _held(one: Judged, way: int) -> bool:
    low, high = one.intervals[way]
    return low <= one.truth <= high


def _naive(one: Judged) -> tuple[float, float]:
    """The count give or take what it would be off by if each passage erred for itself."""
    off = _NAIVE * math.sqrt(one.entries + one.exits)
    return one.counted - off, one.counted + off


def _percent(held: Iterable[bool]) -> str:
    shares = list(held)
    return f"{100 * fmean(shares):.1f}" if shares else "–"


def _standard_error(judged: Sequence[Judged], held: Callable[[Judged], bool]) -> float:
    by_event: dict[int, list[bool]] = {}
    for one in judged:
        by_event.setdefault(one.event, []).append(held(one))
    shares = [fmean(some) for some in by_event.values()]
    return stdev(shares) / math.sqrt(len(shares)) if len(shares) > 1 else math.nan


def report(traits: Sequence[Traits], judged: Sequence[Judged]) -> str:
    """All figures, as Markdown."""
    lines = [
        "| what is known | holds the truth, % | to reach | mean width, people | of the event's peak, % | events held in"
        " under 80 % of their instants, % |",
        "|---|---|---|---|---|---|",
    ]
    for way, name in enumerate(WAYS):
        goal = GOALS[way]
        share = fmean(_held(one, way) for one in judged)
        reached = goal is None or goal[0] <= share <= goal[1]
        target = f"{100 * goal[0]:.0f} to {100 * goal[1]:.0f}{'' if reached else ' **no**'}" if goal else ""
        error = _standard_error(judged, lambda one, way=way: _held(one, way))  # type: ignore[misc]
        width = [float(high - low) for low, high in (one.intervals[way] for one in judged)]
        lines.append(
            f"| {name} | {100 * share:.1f} ± {100 * error:.1f} | {target} | {fmean(width):,.0f} |"
            f" {_of_peak(traits, judged, width)} | {_bad_events(judged, way)} |"
        )
    naive = [_naive(one) for one in judged]
    held = [low <= one.truth <= high for (low, high), one in zip(naive, judged, strict=True)]
    width = [high - low for low, high in naive]
    lines.append(
        f"| the count alone, ± {_NAIVE} √passages | {_percent(held)} | | {fmean(width):,.0f} |"
        f" {_of_peak(traits, judged, width)} | |"
    )
    off = sorted(abs(one.truth - one.counted) / traits[one.event].peak for one in judged)
    factor = off[math.ceil(0.95 * len(off)) - 1]
    width = [2 * factor * traits[one.event].peak for one in judged]
    lines.append(
        f"| the count alone, ± {100 * factor:.1f} % of the peak, so chosen afterwards that 95 % are held | 95.0 | |"
        f" {fmean(width):,.0f} | {200 * factor:.1f} | |"
    )
    lines += ["", _parts("where in the event", judged, [(name, _in_phase(n)) for n, name in enumerate(PHASES)])]
    tenths = [(f"tenth {n + 1} of the event", _in_tenth(n)) for n in range(10)]
    lines += ["", _parts("when", judged, tenths)]
    of = dict(enumerate(traits))
    kinds: list[tuple[str, Callable[[Judged], bool]]] = [
        ("under 2,000 people", lambda one: of[one.event].people < 2_000),
        ("2,000 to 8,000", lambda one: 2_000 <= of[one.event].people < 8_000),
        ("8,000 and more", lambda one: of[one.event].people >= 8_000),
        ("all doors count both directions", lambda one: not of[one.event].one_way),
        ("some doors count entries only", lambda one: of[one.event].one_way),
        ("blind minutes", lambda one: of[one.event].blind),
        ("nobody knows that people are inside at the start", lambda one: of[one.event].unknown_inside),
        ("past events known to end empty", lambda one: of[one.event].empty_known),
    ]
    lines += ["", _parts("which events", judged, kinds)]
    return "\n".join(lines) + "\n"


def _of_peak(traits: Sequence[Traits], judged: Sequence[Judged], width: Sequence[float]) -> str:
    return f"{100 * fmean(w / traits[one.event].peak for w, one in zip(width, judged, strict=True)):.1f}"


def _bad_events(judged: Sequence[Judged], way: int) -> str:
    by_event: dict[int, list[bool]] = {}
    for one in judged:
        by_event.setdefault(one.event, []).append(_held(one, way))
    return _percent(fmean(some) < 0.8 for some in by_event.values())


def _in_phase(number: int) -> Callable[[Judged], bool]:
    return lambda one: one.phase == number


def _in_tenth(number: int) -> Callable[[Judged], bool]:
    return lambda one: one.tenth == number


def _parts(head: str, judged: Sequence[Judged], parts: Sequence[tuple[str, Callable[[Judged], bool]]]) -> str:
    """Held and missed above and below, for each way, in each part."""
    lines = [
        f"| {head}, % held (truth above, below) | instants | " + " | ".join(WAYS) + " |",
        "|---|---|" + "---|" * len(WAYS),
    ]
    for name, belongs in parts:
        some = [one for one in judged if belongs(one)]
        cells = [
            f"{_percent(_held(one, way) for one in some)}"
            f" ({_percent(one.truth > one.intervals[way][1] for one in some)},"
            f" {_percent(one.truth < one.intervals[way][0] for one in some)})"
            for way in range(len(WAYS))
        ]
        lines.append(f"| {name} | {len(some):,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.estimate")
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", type=int, default=crowds.PAST_EVENTS, help="past events of the same venue")
    parser.add_argument("--at-once", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="write the figures into RESULTS.md")
    arguments = parser.parse_args()
    numbers = range(arguments.events)
    with ProcessPoolExecutor(arguments.at_once) as pool:
        done = list(
            pool.map(
                judge,
                numbers,
                [arguments.seed] * len(numbers),
                [arguments.history] * len(numbers),
                chunksize=5,
            )
        )
    judged = [one for _, some in done for one in some]
    text = report([traits for traits, _ in done], judged)
    command = (
        f"python -m bench.estimate --events {arguments.events} --seed {arguments.seed} --history {arguments.history}"
    )
    head = f"`{command}`: {len(judged):,} instants of {len(done)} events, {STEP} minutes apart."
    if arguments.write:
        results.write_section("Between what and what: does the interval hold the truth?", f"{head}\n\n{text}")
    print(f"{head}\n\n{text}")


if __name__ == "__main__":
    main()
