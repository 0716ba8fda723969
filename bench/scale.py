"""Scale: an ordinary poll cycle, thousands of cameras, two million events, a poll cycle at the end of a long event.

A poll cycle is timed from its first request until the last answer is committed (``bench.cycle_timing``).
"""

import json
import socket
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

from bench.cycle_timing import Timed
from bench.process import Cost, run, sample, start
from bench.results import Figure, spread, truthful
from bench.testbed import LATENCY_MS, Testbed, prepared

_CYCLES = [sys.executable, "-m", "bench.cycle_timing"]
_EVERYTHING_MOVES = """
[[zones]]
name = "Todo"
table = "Aforo_todo"
entries = ["contains:PUERTA", "contains:ENTRADA", "contains:INGRESO"]
exits = ["contains:SALIDA"]
"""
_MANY = 2_000_000
_FEW = 100_000
_MOVEMENTS = 1_000_000


def cycles(testbed: Testbed, number: int, pause: float = 0.5, **settings: str) -> tuple[list[Timed], Cost]:
    """Run so many poll cycles; the first one reads each camera alone."""
    command = [*_CYCLES, "--cycles", str(number), "--pause", str(pause)]
    cost = run(command, testbed.folder, testbed.environment(**settings))
    return [Timed(*one) for one in json.loads(cost.output)], cost


def ordinary(runs: int) -> list[Figure]:
    """17 cameras, a few events each."""
    most = 3 * LATENCY_MS + 50
    figures = []
    for behaviour, how in (("", ""), ("device_ids=refused", ", where the server takes one camera a request")):
        options = ("--events", "72000", "--behaviour", behaviour)
        with prepared(timedelta(hours=1), timedelta(hours=1), *options) as testbed:
            timed = cycles(testbed, runs * 6)[0][1:]
        walls = [one.wall * 1000 for one in timed]
        requests = statistics.median(one.requests for one in timed)
        reached = statistics.median(walls) <= most if not behaviour else None
        target = f"≤ {most} ms: 3 latencies + 50 ms" if not behaviour else ""
        what = f"an ordinary poll cycle of 17 cameras{how} ({requests:.0f} requests)"
        figures.append(Figure(what, spread(walls, "ms", 0), target, reached))
    return figures


def ten_thousand() -> list[Figure]:
    """10,000 cameras in one process."""
    with prepared(timedelta(minutes=30), timedelta(minutes=30), "--events", "18000", "--cameras", "10000") as testbed:
        timed, cost = cycles(testbed, 4, 1.0)
    first, later = timed[0], timed[1:]
    text = f"{first.wall:.1f} s, {first.requests:,} requests, {cost.peak_mib:.0f} MiB"
    return [
        Figure(
            "10,000 cameras: the first poll cycle, each camera read alone", text, "well inside 60 s", first.wall < 40
        ),
        Figure(
            f"… the next poll cycles, several cameras a request ({later[-1].requests} requests)",
            spread([one.wall for one in later]),
            "well inside 60 s",
            max(one.wall for one in later) < 20,
        ),
    ]


def two_thousand(seconds: float = 180) -> list[Figure]:
    """2,000 cameras, a poll cycle every 60 s, 5 events/s in all, with the page on: the whole program."""
    lasts = timedelta(seconds=seconds + 60)
    events = str(int(5 * (lasts + timedelta(minutes=1)).total_seconds()))
    with prepared(timedelta(minutes=1), lasts, "--cameras", "2000", "--events", events) as testbed:
        process = start(testbed.program("run"), testbed.folder, testbed.environment(AFORO_WEB__PORT=str(free_port())))
        _until(lambda: _log(testbed).count("Vuelta hasta") > 0, process)
        began, first = time.monotonic(), sample(process.pid)
        peak = first.rss_mib
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            last = sample(process.pid)
            peak = max(peak, last.rss_mib)
        share = 100 * (last.cpu - first.cpu) / (time.monotonic() - began)
        if process.wait(timeout=600):
            raise RuntimeError(_log(testbed)[-2000:])
        check = testbed.difference()
    what = "2,000 cameras, a poll cycle every 60 s, 5 events/s, the page on"
    return [
        Figure(f"{what}: of one core", f"{share:.1f} %", "< 15 %", share < 15),
        Figure("… memory, its highest", f"{peak:.0f} MiB", "< 150 MB", peak < 150),
        truthful("… all tables against the truth, after the close", [check]),
    ]


def memory() -> tuple[list[Figure], list[tuple[int, float]]]:
    """Two million events caught up: memory by the number of events that are stored."""
    seen: list[tuple[int, float]] = []
    with prepared(timedelta(hours=4), timedelta(hours=-1), "--events", str(_MANY), latency_ms=0) as testbed:
        process = start(testbed.program("backfill", str(testbed.day)), testbed.folder, testbed.environment())
        while process.poll() is None:
            time.sleep(0.1)
            try:
                at = (stored(testbed.database), sample(process.pid).rss_mib)
            except (OSError, IndexError, sqlite3.Error):  # not there yet, or just gone
                continue
            if at[1]:  # who has ended has none, until it is waited for
                seen.append(at)
        if process.returncode:
            raise RuntimeError((testbed.folder / "stderr.log").read_text()[-2000:])
        check = testbed.difference()
        rows = stored(testbed.database)
    events = [(round(_MANY * count / rows), mib) for count, mib in seen]
    few = max(mib for count, mib in events if count <= _FEW)
    many = max(mib for _, mib in events)
    figures = [
        Figure(f"memory after {_FEW:,} events", f"{few:.0f} MiB"),
        Figure(f"… after {_MANY:,}, its highest", f"{many:.0f} MiB", "≤ 1.2 ×", many <= 1.2 * few),
        truthful("… all tables against the truth", [check]),
    ]
    return figures, events


def last_cycle(runs: int) -> list[Figure]:
    """The same poll cycles into an empty database and into one that holds a million movements, alternately."""
    events = str(int(_MOVEMENTS * 1.1))  # some are of no zone, and the last are still to come
    with prepared(timedelta(hours=9, minutes=50), timedelta(minutes=10), "--events", events) as testbed:
        (testbed.folder / "aforo.toml").write_text(_EVERYTHING_MOVES, encoding="utf-8")
        process = start(testbed.program("run"), testbed.folder, testbed.environment(AFORO_MONITOR__INTERVAL="5"))
        _until(lambda: "Vuelta hasta" in _log(testbed) and _caught_up(testbed), process)
        process.terminate()
        process.wait(timeout=60)
        with closing(sqlite3.connect(testbed.database)) as connection:
            movements = connection.execute("SELECT sum(entries + exits) FROM aforo_minutes").fetchone()[0]
        empty: list[Timed] = []
        full: list[Timed] = []
        for number in range(runs):
            empty += cycles(testbed, 8, AFORO_DATABASE__URL=f"sqlite:///empty{number}.db")[0][1:]
            full += cycles(testbed, 8)[0][1:]
    over = statistics.median(one.wall for one in full) / statistics.median(one.wall for one in empty)
    return [
        Figure("a poll cycle at an event's start", spread([one.wall * 1000 for one in empty], "ms", 0)),
        Figure(
            f"… the same poll cycle after {movements:,} movements", spread([one.wall * 1000 for one in full], "ms", 0),
            "no dearer", over < 1.1,
        ),
        Figure("… processor seconds, after over before", f"{_cpu(full) / _cpu(empty):.2f} ×"),
    ]  # fmt: skip


def _cpu(timed: Sequence[Timed]) -> float:
    return statistics.median(one.cpu for one in timed)


def stored(database: Path) -> int:
    """The history's rows, at once: they are only ever added."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute('SELECT max(rowid) FROM "eventos_Analisis"').fetchone()[0] or 0)


def _caught_up(testbed: Testbed) -> bool:
    """Every camera's answers are stored, up to moments ago."""
    with closing(sqlite3.connect(f"file:{testbed.database}?mode=ro", uri=True)) as connection:
        number, least = connection.execute("SELECT count(*), min(until_ms) FROM aforo_checkpoints").fetchone()
    return bool(number == len(testbed.site["cameras"]) and time.time() - least / 1000 < 30)


def _until(done: Callable[[], bool], process: "Popen[bytes]", seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not done():
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"not done, exit code {process.returncode}")
        time.sleep(0.2)


def _log(testbed: Testbed) -> str:
    log = testbed.folder / "stderr.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
