"""Random events that go wrong in every way, against the simulator's truth.

``python -m bench.chaos --runs 200 --seed 1 --at-once 6`` plays each run as an event of about a minute: the simulator in
one process, ``aforo run`` in another, and a random schedule of faults, hanging requests, late events, copies, wrong
clocks, kills and locked databases; half of the runs with live reads, half with pushes. A run is exact where no row of
the history is lost or doubled and every aforo is right. It fails where it is not exact although the program ended with
exit code 0 ("conciliado"), and also where it is not exact at all: nothing in a schedule keeps the server from giving
everything within the time that the program waits.

``--database URL …`` plays into database servers instead of SQLite, one run at a time for each URL, and **drops all
tables** of these databases before each run. ``--only K`` plays run K alone, with its log. Linux only.
"""

import argparse
import queue
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.process import start
from bench.scale import free_port
from bench.testbed import Difference, Testbed, prepared

if TYPE_CHECKING:
    from sqlalchemy import Engine

_FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
_SETTINGS = {
    "AFORO_MONITOR__INTERVAL": "4",
    "AFORO_MONITOR__OVERLAP": "20",
    "AFORO_MONITOR__GRACE": "15",
    "AFORO_ACC__TIMEOUT": "10",
}
_ENDS_WITHIN = 420.0  # seconds after the event's end: grace, the wait for late events, and the close under faults
_RARE = ("error_500", "error_503", "error_504", "empty_body", "cut_json", "cut_connection", "expire_session", "stall")
_GREEN, _RESERVED, _INCOMPLETE = 0, 6, 5  # exit codes


@dataclass
class Schedule:
    """What happens in one run. Instants are seconds since the event's start, a clock's seconds how far it is off."""

    seed: int
    lasts: int
    options: list[str]
    faults: dict[str, dict[str, Any]]
    timed_faults: list[tuple[float, float, str, dict[str, Any]]] = field(default_factory=list)
    server_clock: float = 0.0
    machine_clock: list[tuple[float, float]] = field(default_factory=list)
    kills: list[tuple[float, float]] = field(default_factory=list)  # (instant, seconds until it is started again)
    restarts: list[float] = field(default_factory=list)  # of the cameras' server
    locks: list[tuple[float, float]] = field(default_factory=list)  # of the SQLite file: (instant, seconds)
    live_interval: float = 0.0  # seconds between two live reads; 0: none
    load: float = 0.0  # acc.load, where there are live reads
    push: bool = False

    @classmethod
    def draw(cls, seed: int) -> "Schedule":
        """Draw a schedule. The same seed gives the same one."""
        chance = random.Random(seed)
        lasts = chance.randint(40, 75)
        schedule = cls(seed, lasts, _options(chance, seed), _lasting_faults(chance))

        def instant() -> float:
            return round(chance.uniform(2, lasts), 1)

        for _ in range(chance.choice((0, 0, 1, 2))):
            since = instant()
            away = {"probability": 1.0} if chance.random() < 0.5 else {"probability": 0.9}
            name = chance.choice(("away", "error_503", "hang"))
            schedule.timed_faults.append((since, since + chance.randint(2, 12), name, away))
        schedule.kills = sorted((instant(), round(chance.choice((0.0, 0.3, 6.0)), 1)) for _ in range(_few(chance)))
        schedule.restarts = sorted(instant() for _ in range(_few(chance) // 2))
        schedule.locks = sorted((instant(), round(chance.uniform(0.5, 8), 1)) for _ in range(_few(chance) // 2))
        schedule.server_clock = chance.choice((0, 0, 0, -120, 45, 120, 200))
        if _FAKETIME and chance.random() < 0.4:
            schedule.machine_clock = _clock_steps(chance, lasts)
        if chance.random() < 0.15:
            since = instant()
            schedule.timed_faults.append((since, since + 8, "date", {"seconds": chance.choice((-3600, 7200, 86400))}))
        if chance.random() < 0.5:
            schedule.live_interval, schedule.load = chance.choice((1.0, 1.5, 2.5)), chance.choice((5, 20, 100))
        schedule.push = chance.random() < 0.5
        if schedule.push:
            for name in ("push_lost", "push_doubled", "push_late", "push_early"):
                if chance.random() < 0.5:
                    schedule.faults[name] = {"probability": chance.choice((0.02, 0.2, 1.0)), "seconds": 10.0}
        return schedule

    def settings(self) -> dict[str, str]:
        """The settings of the program, as environment variables."""
        settings = dict(_SETTINGS)
        if self.live_interval:
            settings |= {"AFORO_MONITOR__LIVE_INTERVAL": str(self.live_interval), "AFORO_ACC__LOAD": str(self.load)}
        if self.push:
            port = str(free_port())
            settings |= {"AFORO_PUSH__URL": f"http://127.0.0.1:{port}/acc", "AFORO_PUSH__PORT": port}
        return settings

    def __str__(self) -> str:
        shown = {name: value for name, value in asdict(self).items() if value not in ([], {}, 0.0)}
        return " ".join(f"{name}={value}" for name, value in shown.items())


def _few(chance: random.Random) -> int:
    return chance.choices((0, 1, 2, 3, 5), (4, 3, 2, 2, 1))[0]


def _options(chance: random.Random, seed: int) -> list[str]:
    behaviour = {
        "tokens": chance.choice(("always", "full_pages", "never")),
        "order": chance.choice(("oldest", "oldest", "newest", "shuffled")),
        "to_inclusive": chance.choice(("true", "false")),
        "device_ids": chance.choice(("honoured", "honoured", "first_only", "ignored", "refused")),
    }
    numbers = {
        "--events": chance.choice((300, 2_000, 8_000)),
        "--cameras": chance.choice((4, 17, 30)),
        "--servers": chance.choice((1, 1, 2)),
        "--burst": chance.choice((0, 0, 2_300)),
        "--seed": seed,
    }
    listed = [part for name, value in numbers.items() for part in (name, str(value))]
    return [*listed, "--behaviour", ",".join(f"{name}={value}" for name, value in behaviour.items())]


def _lasting_faults(chance: random.Random) -> dict[str, dict[str, Any]]:
    faults: dict[str, dict[str, Any]] = {}
    for name in _RARE:
        if chance.random() < 0.4:
            faults[name] = {"probability": round(chance.uniform(0.005, 0.06), 3)}
    if chance.random() < 0.5:
        faults["hang"] = {"probability": chance.choice((0.01, 0.03, 0.1)), "paths": ["events/search"]}
    if chance.random() < 0.5:
        faults["repeated"] = {"probability": 0.05}
    if chance.random() < 0.3:
        faults["malformed"] = {"probability": 0.01}
    if chance.random() < 0.6:
        seconds, delay = chance.choice((3, 12, 25, 40)), chance.choice(("uniform", "fixed", "tail"))
        faults["late"] = {"probability": chance.choice((0.02, 0.1, 0.5)), "seconds": seconds, "delay": delay}
    return faults


def _clock_steps(chance: random.Random, lasts: int) -> list[tuple[float, float]]:
    """Return how far the machine's clock is off from which instant on."""
    off = chance.choice((-3600, -120, 90, 18_000, 86_400))
    if chance.random() < 0.4:
        return [(-10, off), (round(chance.uniform(3, lasts), 1), 0)]  # wrong at the start, mended late
    since = round(chance.uniform(3, lasts - 5), 1)
    return [(since, off), (round(since + chance.uniform(3, 20), 1), 0)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``exit_code`` None: it had not ended in time."""

    schedule: Schedule
    exit_code: int | None
    difference: Difference
    seconds: float  # from the event's end to the program's
    log: str

    @property
    def falsely_green(self) -> bool:
        """The program said that all is right, and it is not."""
        return self.exit_code == _GREEN and not self.difference.exact

    @property
    def passed(self) -> bool:
        """Exact, and ended as it should."""
        return self.difference.exact and self.exit_code in {_GREEN, _RESERVED}

    def __str__(self) -> str:
        lost, doubled, off = self.difference[1:]
        found = "exact" if self.difference.exact else f"LOST {lost} DOUBLED {doubled} AFORO OFF {off}"
        green = " FALSELY GREEN" if self.falsely_green else ""
        return f"{found}{green}; exit {self.exit_code}; {self.seconds:.0f} s after the end"


class Run:
    """One run: the program against the simulator, with what the schedule has for it."""

    def __init__(self, schedule: Schedule, testbed: Testbed, url: str) -> None:
        self._schedule = schedule
        self._testbed = testbed
        self._url = url
        self._began = time.monotonic() + (testbed.since - datetime.now(UTC)).total_seconds() - schedule.server_clock
        self._clock_file = testbed.folder / "clock"
        self._over = threading.Event()

    def play(self) -> Outcome:
        """Play it to its end."""
        schedule = self._schedule
        if schedule.faults:
            self._testbed.control("faults", {"set": schedule.faults})
        self._clock_file.write_text("+0\n")
        timeline = threading.Thread(target=self._follow_timeline)
        timeline.start()
        try:
            exit_code = self._run_and_kill()
        finally:
            self._over.set()
            timeline.join()
        seconds = self._elapsed() - schedule.lasts
        self._testbed.control("faults", {"clear": []})
        log = (self._testbed.folder / "stderr.log").read_text(encoding="utf-8", errors="replace")
        return Outcome(schedule, exit_code, self._difference(), seconds, log)

    def _difference(self) -> Difference:
        if not self._url:
            return self._testbed.difference()
        with engine(self._url).connect() as connection:
            return self._testbed.compared(lambda sql: connection.exec_driver_sql(sql).fetchall())

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _run_and_kill(self) -> int | None:
        ends = self._schedule.lasts + _ENDS_WITHIN
        for instant, pause in self._schedule.kills:
            process = self._start()
            try:
                return process.wait(max(0.05, instant - self._elapsed()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._over.wait(pause)
        process = self._start()
        try:
            return process.wait(max(1.0, ends - self._elapsed()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def _start(self) -> "subprocess.Popen[bytes]":
        return start(self._testbed.program("run"), self._testbed.folder, self._testbed.environment(**self._fake_time()))

    def _fake_time(self) -> dict[str, str]:
        if not self._schedule.machine_clock or _FAKETIME is None:
            return {}
        return {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock_file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def _follow_timeline(self) -> None:
        """Do at each instant what the schedule has for it, until the run is over."""
        schedule = self._schedule
        steps: list[tuple[float, int, Any]] = []
        for since, until, name, fault in schedule.timed_faults:
            lasting = schedule.faults.get(name)
            after = {"set": {name: lasting}} if lasting else {"clear": [name]}
            steps += [(since, 0, {"set": {name: fault}}), (until, 0, after)]
        steps += [(instant, 1, seconds) for instant, seconds in schedule.machine_clock]
        steps += [(instant, 2, None) for instant in schedule.restarts]
        steps += [(instant, 3, seconds) for instant, seconds in schedule.locks]
        for instant, kind, value in sorted(steps, key=lambda step: step[:2]):
            if self._over.wait(max(0.0, instant - self._elapsed())):
                return
            match kind:
                case 0:
                    self._testbed.control("faults", value)
                case 1:
                    self._clock_file.write_text(f"{value:+d}\n")
                case 2:
                    self._testbed.control("restart", {})
                case _:
                    self._lock_database(value)

    def _lock_database(self, seconds: float) -> None:
        """Hold the write lock of the SQLite file for so long, as a backup or a careless tool does."""
        if not self._testbed.database.exists():
            return
        with closing(sqlite3.connect(self._testbed.database, isolation_level=None, timeout=5)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:  # the program holds it longer than that: then it is locked as well
                return
            self._over.wait(seconds)
            connection.execute("ROLLBACK")


def play(schedule: Schedule, url: str = "", keep: Path | None = None) -> Outcome:
    """Play one run; ``url``: of the database server, "" for SQLite. ``keep``: a folder for what a failed run left."""
    offset = timedelta(seconds=schedule.server_clock)
    before, after = timedelta(seconds=-6) - offset, timedelta(seconds=6 + schedule.lasts) + offset
    settings = schedule.settings()
    if url:
        settings["AFORO_DATABASE__URL"] = url
        drop_tables(url)
        schedule.locks.clear()
    options = [*schedule.options, "--clock-offset", str(schedule.server_clock)]
    latency = random.Random(schedule.seed).choice((5, 20, 150))
    with prepared(before, after, *options, latency_ms=latency, settings=settings) as testbed:
        outcome = Run(schedule, testbed, url).play()
        if keep is not None and not outcome.passed:
            shutil.copytree(testbed.folder, keep / f"run-{schedule.seed}", dirs_exist_ok=True)
    return outcome


def engine(url: str) -> "Engine":
    """An engine of a database server, by the driver that the program takes."""
    from sqlalchemy import create_engine, make_url  # noqa: PLC0415 -- SQLite needs none of it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from aforo.storage.backends.drivers import choose_driver  # noqa: PLC0415

    to_server = choose_driver(make_url(url))
    return create_engine(f"{to_server.dialect}://", creator=to_server.connect, poolclass=NullPool)


def drop_tables(url: str) -> None:
    """Drop all views and tables of a server's database."""
    from sqlalchemy import inspect, text  # noqa: PLC0415

    with engine(url).begin() as connection:
        for view in inspect(connection).get_view_names():
            connection.execute(text(f'DROP VIEW "{view}"'))
        for name in inspect(connection).get_table_names():
            connection.execute(text(f'DROP TABLE "{name}"'))


def summary(outcomes: Sequence[Outcome]) -> str:
    """The figures of all runs."""
    differences = [outcome.difference for outcome in outcomes]
    rows, lost, doubled, off = (sum(figures) for figures in zip(*differences, strict=True))
    kills = sum(len(outcome.schedule.kills) for outcome in outcomes)
    green = sum(outcome.falsely_green for outcome in outcomes)
    codes = dict(Counter(outcome.exit_code for outcome in outcomes))
    ended = sorted(outcome.seconds for outcome in outcomes)
    return (
        f"{len(outcomes)} runs, {rows:,} rows, {kills} kills: {lost} lost, {doubled} doubled, aforo off by {off};"
        f" falsely green {green}; exit codes {codes};"
        f" ended {ended[len(ended) // 2]:.0f} s (median) and {ended[-1]:.0f} s (worst) after the event"
    )


def main() -> None:
    """Play the runs; exit code 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--only", type=int, metavar="K", help="play run K alone and print its log")
    parser.add_argument("--database", nargs="*", default=[], metavar="URL", help="database servers; tables are dropped")
    parser.add_argument("--keep", type=Path, help="folder for what failed runs left")
    arguments = parser.parse_args()
    numbers = [arguments.only] if arguments.only is not None else range(arguments.runs)
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for url in arguments.database or [""] * arguments.at_once:
        free.put(url)

    def one(number: int) -> Outcome:
        url = free.get()
        try:
            outcome = play(Schedule.draw(1_000 * arguments.seed + number), url, arguments.keep)
        finally:
            free.put(url)
        print(f"run {number}: {outcome}", flush=True)
        if not outcome.passed:
            print(f"    {outcome.schedule}", flush=True)
        if arguments.only is not None:
            print(outcome.log)
        return outcome

    with ThreadPoolExecutor(free.qsize()) as pool:
        outcomes = list(pool.map(one, numbers))
    print(summary(outcomes))
    raise SystemExit(not all(outcome.passed for outcome in outcomes))


if __name__ == "__main__":
    main()
