"""Growth: events × 10, cameras × 10."""

import statistics
from datetime import timedelta

from bench import plots
from bench.catchup import backfill, floor
from bench.results import Figure, truthful
from bench.scale import cycles
from bench.testbed import prepared

_EVENTS = {18_300: 1, 183_000: 10, 1_830_000: 100}  # and in how many minutes: as dense, and longer
_CAMERAS = (17, 170, 1_700)


def events() -> list[Figure]:
    """Catching up ten times and a hundred times as many events."""
    program, floors, checks = [], [], []
    for number, minutes in _EVENTS.items():
        lasts = timedelta(minutes=minutes)
        with prepared(timedelta(minutes=5) + lasts, timedelta(minutes=-5), "--events", str(number)) as testbed:
            floor(testbed)
            cost, difference = backfill(testbed)
            program.append(cost)
            floors.append(floor(testbed))
            checks.append(difference)
    lines = {
        "the program, wall": [cost.wall for cost in program],
        "the floor, wall": [cost.wall for cost in floors],
        "the program, processor": [cost.cpu for cost in program],
    }
    with plots.picture("events", "Catching up, 17 cameras") as [axis]:
        plots.growth(axis, list(_EVENTS), lines, "events", "seconds")
    text = ", ".join(f"{n:,}: {cost.wall:.1f} s" for n, cost in zip(_EVENTS, program, strict=True))
    return [Figure("events × 10, catching up", text), truthful("… all tables against the truth", checks)]


def cameras() -> list[Figure]:
    """A poll cycle of ten times and a hundred times as many cameras, 5 events/s in all."""
    walls, cpus = [], []
    for number in _CAMERAS:
        options = ("--events", "18000", "--cameras", str(number))
        with prepared(timedelta(minutes=30), timedelta(minutes=30), *options) as testbed:
            timed = cycles(testbed, 8)[0][1:]
        walls.append(statistics.median(one.wall for one in timed))
        cpus.append(statistics.median(one.cpu for one in timed))
    with plots.picture("cameras", "An ordinary poll cycle, 5 events a second in all") as [axis]:
        plots.growth(axis, list(_CAMERAS), {"wall": walls, "processor": cpus}, "cameras", "seconds")
    text = ", ".join(f"{number:,}: {wall * 1000:.0f} ms" for number, wall in zip(_CAMERAS, walls, strict=True))
    return [Figure("cameras × 10, an ordinary poll cycle", text)]
