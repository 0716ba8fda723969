"""How it grows: events × 10, cameras × 10."""

import statistics
from datetime import timedelta

from bench import plots
from bench.catchup import backfill, floor
from bench.results import Figure, truthful
from bench.size import turns
from bench.stage import stage

_EVENTS = {18_300: 1, 183_000: 10, 1_830_000: 100}  # and in how many minutes: as dense, and longer
_CAMERAS = (17, 170, 1_700)


def events() -> list[Figure]:
    """Catching up ten times and a hundred times as many events."""
    program, floors, checks = [], [], []
    for number, minutes in _EVENTS.items():
        lasts = timedelta(minutes=minutes)
        with stage(timedelta(minutes=5) + lasts, timedelta(minutes=-5), "--events", str(number)) as evening:
            floor(evening)
            cost, difference = backfill(evening)
            program.append(cost)
            floors.append(floor(evening))
            checks.append(difference)
    lines = {
        "the program, wall": [cost.wall for cost in program],
        "the floor, wall": [cost.wall for cost in floors],
        "the program, processor": [cost.cpu for cost in program],
    }
    with plots.picture("events", "Catching up, 17 cameras") as [axis]:
        plots.growth(axis, list(_EVENTS), lines, "events", "seconds")
    told = ", ".join(f"{n:,}: {cost.wall:.1f} s" for n, cost in zip(_EVENTS, program, strict=True))
    return [Figure("events × 10, catching up", told), truthful("… all tables against the truth", checks)]


def cameras() -> list[Figure]:
    """A turn of ten times and a hundred times as many cameras, 5 events/s in all."""
    walls, cpus = [], []
    for number in _CAMERAS:
        options = ("--events", "18000", "--cameras", str(number))
        with stage(timedelta(minutes=30), timedelta(minutes=30), *options) as evening:
            timed = turns(evening, 8)[0][1:]
        walls.append(statistics.median(one.wall for one in timed))
        cpus.append(statistics.median(one.cpu for one in timed))
    with plots.picture("cameras", "An ordinary turn, 5 events a second in all") as [axis]:
        plots.growth(axis, list(_CAMERAS), {"wall": walls, "processor": cpus}, "cameras", "seconds")
    told = ", ".join(f"{number:,}: {wall * 1000:.0f} ms" for number, wall in zip(_CAMERAS, walls, strict=True))
    return [Figure("cameras × 10, an ordinary turn", told)]
