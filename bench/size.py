"""Size: an ordinary turn, thousands of cameras, two million events, a turn at the end of a long evening.

Wherever a turn is timed it lasts from its first question until the last answer is committed (``bench.turns``).
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

from bench.process import Cost, run, sample, start
from bench.results import Figure, spread, truthful
from bench.stage import LATENCY_MS, Stage, stage
from bench.turns import Timed

_TURN = [sys.executable, "-m", "bench.turns"]
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


def turns(evening: Stage, number: int, pause: float = 0.5, **settings: str) -> tuple[list[Timed], Cost]:
    """So many turns on this evening, the first of which asks each camera alone."""
    command = [*_TURN, "--turns", str(number), "--pause", str(pause)]
    cost = run(command, evening.folder, evening.environment(**settings))
    return [Timed(*one) for one in json.loads(cost.output)], cost


def ordinary(runs: int) -> list[Figure]:
    """17 cameras, a few events each."""
    most = 3 * LATENCY_MS + 50
    figures = []
    for behaviour, how in (("", ""), ("device_ids=refused", ", where the server takes one camera a question")):
        options = ("--events", "72000", "--behaviour", behaviour)
        with stage(timedelta(hours=1), timedelta(hours=1), *options) as evening:
            timed = turns(evening, runs * 6)[0][1:]
        walls = [one.wall * 1000 for one in timed]
        asked = statistics.median(one.requests for one in timed)
        reached = statistics.median(walls) <= most if not behaviour else None
        target = f"≤ {most} ms: 3 latencies + 50 ms" if not behaviour else ""
        what = f"an ordinary turn of 17 cameras{how} ({asked:.0f} requests)"
        figures.append(Figure(what, spread(walls, "ms", 0), target, reached))
    return figures


def ten_thousand() -> list[Figure]:
    """10,000 cameras in one process."""
    with stage(timedelta(minutes=30), timedelta(minutes=30), "--events", "18000", "--cameras", "10000") as evening:
        timed, cost = turns(evening, 4, 1.0)
    first, later = timed[0], timed[1:]
    told = f"{first.wall:.1f} s, {first.requests:,} requests, {cost.peak_mib:.0f} MiB"
    return [
        Figure("10,000 cameras: the first turn, each camera asked alone", told, "well inside 60 s", first.wall < 40),
        Figure(
            f"… the next turns, several cameras a question ({later[-1].requests} requests)",
            spread([one.wall for one in later]),
            "well inside 60 s",
            max(one.wall for one in later) < 20,
        ),
    ]


def two_thousand(seconds: float = 180) -> list[Figure]:
    """2,000 cameras, a turn every 60 s, 5 events/s in all, with the page on: the whole program, as it is started."""
    lasts = timedelta(seconds=seconds + 60)
    events = str(int(5 * (lasts + timedelta(minutes=1)).total_seconds()))
    with stage(timedelta(minutes=1), lasts, "--cameras", "2000", "--events", events) as evening:
        process = start(evening.program("run"), evening.folder, evening.environment(AFORO_WEB__PORT=str(free_port())))
        _until(lambda: _log(evening).count("Vuelta hasta") > 0, process)
        began, first = time.monotonic(), sample(process.pid)
        peak = first.rss_mib
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            last = sample(process.pid)
            peak = max(peak, last.rss_mib)
        share = 100 * (last.cpu - first.cpu) / (time.monotonic() - began)
        if process.wait(timeout=600):
            raise RuntimeError(_log(evening)[-2000:])
        check = evening.difference()
    what = "2,000 cameras, a turn every 60 s, 5 events/s, the page on"
    return [
        Figure(f"{what}: of one core", f"{share:.1f} %", "< 15 %", share < 15),
        Figure("… memory, its highest", f"{peak:.0f} MiB", "< 150 MB", peak < 150),
        truthful("… all tables against the truth, after the close", [check]),
    ]


def memory() -> tuple[list[Figure], list[tuple[int, float]]]:
    """Two million events caught up: memory by the number of events that are stored."""
    seen: list[tuple[int, float]] = []
    with stage(timedelta(hours=4), timedelta(hours=-1), "--events", str(_MANY), latency_ms=0) as evening:
        process = start(evening.program("backfill", str(evening.day)), evening.folder, evening.environment())
        while process.poll() is None:
            time.sleep(0.1)
            try:
                look = (stored(evening.database), sample(process.pid).rss_mib)
            except (OSError, IndexError, sqlite3.Error):  # not there yet, or just gone
                continue
            if look[1]:  # who has ended has none, until it is waited for
                seen.append(look)
        if process.returncode:
            raise RuntimeError((evening.folder / "stderr.log").read_text()[-2000:])
        check = evening.difference()
        rows = stored(evening.database)
    events = [(round(_MANY * count / rows), mib) for count, mib in seen]
    few = max(mib for count, mib in events if count <= _FEW)
    many = max(mib for _, mib in events)
    figures = [
        Figure(f"memory after {_FEW:,} events", f"{few:.0f} MiB"),
        Figure(f"… after {_MANY:,}, its highest", f"{many:.0f} MiB", "≤ 1.2 ×", many <= 1.2 * few),
        truthful("… all tables against the truth", [check]),
    ]
    return figures, events


def last_turn(runs: int) -> list[Figure]:
    """The same turns into an empty database and into one that holds a million movements, by turns."""
    events = str(int(_MOVEMENTS * 1.1))  # some are of no zone, and the last are still to come
    with stage(timedelta(hours=9, minutes=50), timedelta(minutes=10), "--events", events) as evening:
        (evening.folder / "aforo.toml").write_text(_EVERYTHING_MOVES, encoding="utf-8")
        process = start(evening.program("run"), evening.folder, evening.environment(AFORO_MONITOR__INTERVAL="5"))
        _until(lambda: "Vuelta hasta" in _log(evening) and _caught_up(evening), process)
        process.terminate()
        process.wait(timeout=60)
        with closing(sqlite3.connect(evening.database)) as connection:
            movements = connection.execute("SELECT sum(entries + exits) FROM aforo_minutes").fetchone()[0]
        empty: list[Timed] = []
        full: list[Timed] = []
        for number in range(runs):
            empty += turns(evening, 8, AFORO_DATABASE__URL=f"sqlite:///empty{number}.db")[0][1:]
            full += turns(evening, 8)[0][1:]
    over = statistics.median(one.wall for one in full) / statistics.median(one.wall for one in empty)
    return [
        Figure("a turn at an event's start", spread([one.wall * 1000 for one in empty], "ms", 0)),
        Figure(
            f"… the same turn after {movements:,} movements", spread([one.wall * 1000 for one in full], "ms", 0),
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


def _caught_up(evening: Stage) -> bool:
    """Every camera's answers are stored, up to moments ago."""
    with closing(sqlite3.connect(f"file:{evening.database}?mode=ro", uri=True)) as connection:
        number, least = connection.execute("SELECT count(*), min(until_ms) FROM aforo_checkpoints").fetchone()
    return bool(number == len(evening.site["cameras"]) and time.time() - least / 1000 < 30)


def _until(done: Callable[[], bool], process: "Popen[bytes]", seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not done():
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"not done, exit code {process.returncode}")
        time.sleep(0.2)


def _log(evening: Stage) -> str:
    log = evening.folder / "stderr.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
