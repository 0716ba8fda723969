"""How often a silent door is a false alarm, and how soon a door that dies is noticed: `python -m bench.silence`.

Simulated events of 20 doors, five hours: a rush before the start, quiet, some who go out at half time, a rush at the
end. Doors differ in how many use them, and in when: their curves are shifted by some minutes. People come in groups;
each group passes within seconds. On top of it the whole site and each door waver, as trains and queues make them.

Beside each delay stands that of an observer who knows the true rates and group size, and who waits until nobody
passed where twelve groups were to be expected: by chance alone that happens in one event in a hundred or so.

Nothing of it is known to the program but the passages. The delay is counted from the death to the first update that
says so, with an update every 20 s: on top of it comes how old the count is (`monitor.interval`).
"""

import argparse
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from typing import NamedTuple

from aforo.counting.door_activity import DoorCondition, DoorWatch
from aforo.counting.doors import Crossings, Door, Doors, SourceMinute
from aforo.models import MINUTE_MS, Classification, EventSource

DOORS = 20
MINUTES = 300
KICK_OFF = 130
END = 250
STEP_MS = 20_000
OBSERVER_GROUPS = 12.0
SIZES: dict[str, tuple[float, ...]] = {  # chances of a group of 1, 2, 3, …
    "alone": (1.0,),
    "groups of 1.5": (0.65, 0.24, 0.08, 0.03),
    "groups of 2": (0.42, 0.32, 0.14, 0.08, 0.04),
    "groups of 3": (0.22, 0.26, 0.2, 0.14, 0.09, 0.05, 0.04),
}


class Plan(NamedTuple):
    """What is simulated. ``past``: earlier events that are known; ``dies``, ``sways``: what becomes of one door."""

    seed: int
    sizes: str
    people: int = 16_000
    past: int = 0
    dies: bool = False
    sways: bool = False


@dataclass(frozen=True)
class Result:
    """How many doors were said to be silent, or to count too much, wrongly; and what became of the odd one.

    ``rate``, ``quiet_rate``: its least true passages a minute in the 3 and the 15 minutes after it died or swayed.
    ``delay``: minutes until that was noticed; None: never. ``known``: it was not said that it cannot be known.
    ``observer``: the delay of an observer who knows the true rates.
    """

    silent: int
    excess: int
    rate: float = 0.0
    quiet_rate: float = 0.0
    delay: float | None = None
    known: bool = True
    observer: float | None = None


class Site:
    """The doors of one stadium, and how people use them."""

    def __init__(self, plan: Plan) -> None:
        chance = random.Random(plan.seed)
        self.chance = chance
        self.plan = plan
        self.weights = [math.exp(chance.gauss(0, 0.7)) for _ in range(DOORS)]
        self.exits = [weight * math.exp(chance.gauss(0, 0.4)) for weight in self.weights]
        self.shifts = [chance.gauss(0, 5) for _ in range(DOORS)]
        mean = sum((size + 1) * share for size, share in enumerate(SIZES[plan.sizes]))
        self.mean = mean

    def rates(self) -> list[list[tuple[float, float]]]:
        """Passages a minute, in and out, of each door and minute."""
        chance, people = self.chance, self.plan.people
        common = list(_wavering(chance, 0.15, 8))
        total, total_exits = sum(self.weights), sum(self.exits)
        rates = []
        for usual_in, usual_out, shift in zip(self.weights, self.exits, self.shifts, strict=True):
            weight, exits = (usual * math.exp(chance.gauss(0, 0.15)) for usual in (usual_in, usual_out))
            own = list(_wavering(chance, 0.15, 12))
            door = []
            for minute in range(MINUTES):
                at = minute - shift
                out = minute - 0.4 * shift
                come = 0.96 * _pulse(at, KICK_OFF - 20, 30, 14) + 0.04 / MINUTES
                leave = 0.9 * _pulse(out, END + 4, 5, 12) + 0.06 * _pulse(out, KICK_OFF + 50, 4, 6) + 0.04 / MINUTES
                wavers = common[minute] * own[minute]
                door.append((people * weight / total * come * wavers, people * exits / total_exits * leave * wavers))
            rates.append(door)
        return rates

    def crossings(self, rates: list[tuple[float, float]]) -> list[tuple[int, bool]]:
        """The passages of a door, in milliseconds since the event began, and whether inwards; in order."""
        chance, sizes = self.chance, SIZES[self.plan.sizes]
        found = []
        for minute, both in enumerate(rates):
            for inwards, rate in zip((True, False), both, strict=True):
                for _ in range(_poisson(chance, rate / self.mean)):
                    at = (minute + chance.random()) * MINUTE_MS
                    for _ in range(chance.choices(range(1, len(sizes) + 1), sizes)[0]):
                        found.append((int(at), inwards))
                        at += chance.uniform(300, 2500)
        return sorted(found)


def _wavering(chance: random.Random, spread: float, minutes: float) -> Iterator[float]:
    """A factor around 1 that wavers, with the given spread of its logarithm and time to change."""
    kept, at = math.exp(-1 / minutes), chance.gauss(0, spread)
    for _ in range(MINUTES):
        at = kept * at + math.sqrt(1 - kept * kept) * chance.gauss(0, spread)
        yield math.exp(at)


def _pulse(at: float, middle: float, rise: float, fall: float) -> float:
    """A rush that grows and dies away exponentially, within so many minutes; its area is 1."""
    return math.exp((at - middle) / rise if at < middle else (middle - at) / fall) / (rise + fall)


def _poisson(chance: random.Random, mean: float) -> int:
    count, at = 0, chance.expovariate(1)
    while at < mean:
        count += 1
        at += chance.expovariate(1)
    return count


def simulate(plan: Plan, make: Callable[[dict[str, Crossings]], DoorWatch] = DoorWatch) -> Result:
    """Simulate an event and what is said of its doors."""
    site = Site(plan)
    history: dict[str, Crossings] = {}
    for _ in range(plan.past):
        for number, door in enumerate(site.rates()):
            entries, exits = (round(sum(rate[one] for rate in door)) for one in (0, 1))
            history[_name(number)] = history.get(_name(number), Crossings()).plus(Crossings(entries, exits))
    rates = site.rates()
    crossings = [site.crossings(door) for door in rates]
    odd = site.chance.randrange(DOORS)
    at = site.chance.randrange(40, MINUTES - 20) * MINUTE_MS + site.chance.randrange(MINUTE_MS)
    if plan.dies:
        crossings[odd] = [one for one in crossings[odd] if one[0] < at]
    if plan.sways:
        until = at + 20 * MINUTE_MS
        extra = [(int(at + number * MINUTE_MS / 60), number % 2 == 0) for number in range(1200)]
        crossings[odd] = sorted(crossings[odd] + [one for one in extra if one[0] < until])
    after = [sum(one) for one in rates[odd][at // MINUTE_MS :]]
    result = _watch(plan, make(history), crossings, odd, at)
    observer = _observer([sum(one) for one in rates[odd]], crossings[odd], at, site.mean)
    return Result(*result[:2], min(after[:4]), min(after[:16]), *result[2:], observer)


def _observer(rates: list[float], crossings: list[tuple[int, bool]], died: int, size: float) -> float | None:
    """Minutes after which that door is silent for somebody who knows its rates; None: never."""
    last = max((at for at, _ in crossings if at < died), default=0)
    expected = 0.0
    for now in range(last + STEP_MS, MINUTES * MINUTE_MS, STEP_MS):
        expected += rates[now // MINUTE_MS] * STEP_MS / MINUTE_MS
        if expected / size >= OBSERVER_GROUPS:
            return max(0, now - died) / MINUTE_MS
    return None


def _watch(
    plan: Plan, watch: DoorWatch, crossings: list[list[tuple[int, bool]]], odd: int, at: int
) -> tuple[int, int, float | None, bool]:
    doors, places = Doors(), [0] * DOORS
    by_number: dict[int, Door] = {}
    silent: set[int] = set()
    excess: set[int] = set()
    noticed: float | None = None
    known = True
    for now in range(STEP_MS, MINUTES * MINUTE_MS + 1, STEP_MS):
        for number, some in enumerate(crossings):
            while places[number] < len(some) and some[places[number]][0] < now:
                instant, inwards = some[places[number]]
                places[number] += 1
                activity = "OBJECT_COUNTING_ENTER" if inwards else "OBJECT_COUNTING_EXIT"
                source = SourceMinute(EventSource("", _name(number), "", activity), instant // MINUTE_MS * MINUTE_MS)
                key = doors.add(source, Classification(True, ()))
                by_number[number] = doors.get(key)
                by_number[number].last_ms = instant
        said = watch.update(doors, 0, now)
        for number, door in by_number.items():
            condition = said[door.name].condition
            if number == odd and now > at and (plan.dies or plan.sways):
                if abs(now - at) < STEP_MS:
                    known = condition is not DoorCondition.UNKNOWN
                wanted = DoorCondition.SILENT if plan.dies else DoorCondition.EXCESS
                if noticed is None and condition is wanted:
                    noticed = (now - at) / MINUTE_MS
                continue
            if condition is DoorCondition.SILENT:
                silent.add(number)
            elif condition is DoorCondition.EXCESS:
                excess.add(number)
    return len(silent), len(excess), noticed, known


def _name(number: int) -> str:
    return f"PUERTA {number + 1}"


def _share(some: list[bool]) -> str:
    return f"{sum(some)} of {len(some)} ({100 * sum(some) / max(1, len(some)):.0f} %)"


def _delays(results: list[float | None]) -> str:
    """The median, the 90th and the 95th percentile of the delays in minutes; inf: not within the event."""
    delays = sorted(one if one is not None else math.inf for one in results)
    if not delays:
        return "none"
    return " / ".join(f"{delays[min(len(delays) - 1, int(len(delays) * share))]:.1f}" for share in (0.5, 0.9, 0.95))


def report(arguments: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Simulate so many events of each kind and write the figures."""
    seeds = range(arguments.seed, arguments.seed + arguments.events)
    with Pool(arguments.processes) as pool:
        for sizes in arguments.sizes:
            plans = [Plan(seed, sizes, past=arguments.past) for seed in seeds]
            calm = pool.map(simulate, plans)
            write(f"{sizes}, {arguments.past} earlier events; {len(plans)} events of {DOORS} doors, {MINUTES} min")
            write(f"  a false alarm of silence in {_share([one.silent > 0 for one in calm])} of the events")
            write(f"  a false alarm of excess in {_share([one.excess > 0 for one in calm])}")
            dead = pool.map(simulate, [plan._replace(dies=True) for plan in plans])
            fast = [one for one in dead if one.rate >= 4]
            slow = [one for one in dead if one.rate < 4 and one.quiet_rate >= 0.7]
            for what, some, within in (("4 or more", fast, 3.0), ("0.7 to 4", slow, 15.0)):
                for who, delays in (
                    ("", [one.delay for one in some]),
                    (" (true rates known)", [one.observer for one in some]),
                ):
                    held = [delay is not None and delay <= within for delay in delays]
                    write(
                        f"  dies at {what} a minute{who}: {_share(held)} in {within:g} min;"
                        f" 50/90/95 %: {_delays(delays)} min"
                    )
            odd = pool.map(simulate, [plan._replace(sways=True) for plan in plans])
            found = [one.delay for one in odd]
            share = _share([delay is not None for delay in found])
            write(f"  counts 60 a minute too many for 20 min: {share}; 50/90/95 %: {_delays(found)} min")


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.silence", description="False alarms and delays of doors.")
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--past", type=int, default=0, help="earlier events whose doors are known")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    report(parser.parse_args(), lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
