"""Catching up: ten minutes of 17 cameras that see more than a match, against the baseline and against the floor."""

import statistics
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from aforo.settings import STADIUM_ZONES, zones_from
from aforo.storage import Store
from bench.baseline import DATABASE
from bench.process import Cost, run
from bench.results import Figure, spread, truthful
from bench.testbed import BOGOTA, Difference, Testbed, prepared

EVENTS = 183_000
FLOOR = [sys.executable, "-m", "bench.floor"]
BASELINE = [sys.executable, "-m", "bench.baseline", "--commit"]


def backfill(testbed: Testbed) -> tuple[Cost, Difference]:
    """The program from empty tables to the closing line, as a whole process; then its tables against the truth."""
    testbed.forget()
    make_tables(testbed.database)
    cost = run(testbed.program("backfill", str(testbed.day)), testbed.folder, testbed.environment())
    return cost, testbed.difference()


def make_tables(database: Path) -> None:
    """What the first start ever does, once."""
    store = Store(f"sqlite:///{database}", zones_from(STADIUM_ZONES), BOGOTA)
    store.open()
    store.close()


def floor(testbed: Testbed) -> Cost:
    """The same requests, decoded, nothing stored."""
    return run(FLOOR, testbed.folder, testbed.environment())


def baseline(testbed: Testbed, commit: str, *more: str) -> tuple[Cost, Difference]:
    """The baseline script; ``commit`` as ``bench.baseline`` explains it."""
    database = testbed.folder / DATABASE
    for path in testbed.folder.glob(f"{DATABASE}*"):
        Path(path).unlink()
    cost = run([*BASELINE, commit, *more], testbed.folder, testbed.environment())
    return cost, testbed.difference(database)


def ratios(ours: Sequence[Cost], theirs: Sequence[Cost]) -> list[float]:
    """Wall time over wall time, run by run: the machine was equally busy for both."""
    return [one.wall / other.wall for one, other in zip(ours, theirs, strict=True)]


def _slower(how: str, theirs: Sequence[Cost], ours: Sequence[Cost], *, most: bool = False) -> list[Figure]:
    over = ratios(theirs, ours)
    target = ("≥ 10 ×", statistics.median(over) >= 10) if most else ("", None)
    return [
        Figure(f"… the baseline, {how}", spread([cost.wall for cost in theirs])),
        Figure("… over ours", spread(over, "×", 1), *target),
    ]


def measure(runs: int, *, disk: bool) -> list[Figure]:
    """The rows of the table; ``disk`` adds the one run in which the baseline waits for the disk after each row."""
    program, floors, rows, pages = [], [], [], []
    checks = []
    with prepared(timedelta(minutes=20), timedelta(minutes=-10), "--events", str(EVENTS)) as testbed:
        floor(testbed)  # a warm-up: files cached, pages of events prepared
        for _ in range(runs):
            cost, difference = backfill(testbed)
            program.append(cost)
            checks.append(difference)
            floors.append(floor(testbed))
            rows.append(baseline(testbed, "row")[0])
            pages.append(baseline(testbed, "page")[0])
        waited = [baseline(testbed, "disk")[0]] if disk else []
    to_floor = ratios(program, floors)
    figures = [
        Figure(f"catching up {EVENTS:,} events of 17 cameras", spread([cost.wall for cost in program])),
        Figure("… the floor: the same requests, nothing stored", spread([cost.wall for cost in floors])),
        Figure("… over the floor", spread(to_floor, "×"), "≤ 2 ×", statistics.median(to_floor) <= 2),
    ]
    if waited:
        figures += _slower("a commit per row, as SQLite comes", waited, program[-1:], most=True)
    figures += _slower("kinder: a commit per row that waits for no disk", rows, program)
    figures += _slower("kindest: a commit per page", pages, program)
    peak = Figure("… peak of memory", spread([cost.peak_mib for cost in program], "MiB", 0))
    return [*figures, peak, truthful("… all tables against the truth", checks)]
