"""Endurance: 40 cameras at ten times a match's rate, every fault on, killed every minute.

``python -m bench.endurance`` (10 minutes; ``--minutes``, ``--hours``; ``--kill-every 0`` kills none). Every
few seconds it writes down memory, open files, threads, how far behind the answers are, and what is missing of all that
should be there by then; at the end it compares the tables with the truth, draws docs/bench-endurance.png and fails
unless nothing was lost and nothing doubled.
"""

import argparse
import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aforo.models import from_ms
from bench import plots
from bench.process import Sample, sample, start
from bench.testbed import BOGOTA, Testbed, prepared

_RATE = 100  # events a second: a full stadium lets some ten a second through its doors
_LATE = 25.0  # seconds that an event may be late: longer than that after its instant, it has to be there
_PAUSE = 5.0  # seconds between two observations
_SETTINGS = {"AFORO_MONITOR__INTERVAL": "5", "AFORO_MONITOR__OVERLAP": "60", "AFORO_ACC__TIMEOUT": "5"}


class Observation(NamedTuple):
    """The state at one instant. ``seconds`` since the event's start; ``lag`` in seconds; ``missing`` in rows."""

    seconds: float
    process: Sample
    lag: float
    missing: int


class Endurance:
    """One run of one event."""

    def __init__(self, testbed: Testbed, kill_every: float) -> None:
        self._testbed = testbed
        self._kill_every = kill_every
        self._chance = random.Random(7)
        self.observations: list[Observation] = []
        self.kills = 0

    def run(self) -> None:
        """Start, observe, kill, start again, until the event is closed. Raises RuntimeError if the program fails."""
        testbed = self._testbed
        while True:
            process = start(testbed.program("run"), testbed.folder, testbed.environment())
            if not self._killed(process):
                break
            self.kills += 1
        if process.returncode:
            raise RuntimeError((testbed.folder / "stderr.log").read_text(encoding="utf-8")[-3000:])

    def _killed(self, process: "subprocess.Popen[bytes]") -> bool:
        """Observe one process of the program. True when it was killed, False when it ended by itself."""
        dies = time.monotonic() + self._kill_every * self._chance.uniform(0.7, 1.3) if self._kill_every else None
        while True:
            wait = _PAUSE if dies is None else min(_PAUSE, dies - time.monotonic())
            try:
                process.wait(timeout=max(wait, 0.05))
            except subprocess.TimeoutExpired:
                pass
            else:
                return False
            if dies is not None and time.monotonic() >= dies and datetime.now(UTC) < self._testbed.until:
                process.kill()
                process.wait()
                return True
            self.observations += self._observed(process.pid)

    def _observed(self, pid: int) -> Iterator[Observation]:
        testbed, now = self._testbed, datetime.now(UTC)
        try:
            with closing(sqlite3.connect(f"file:{testbed.database}?mode=ro", uri=True, timeout=5)) as connection:
                [(answered,)] = connection.execute("SELECT min(until_ms) FROM aforo_checkpoints")
                if answered is None:
                    return
                until = from_ms(answered)
                # Rows of the last moments may be late; only what must be there by now is compared.
                settled = max(testbed.since, until - timedelta(seconds=_LATE + _PAUSE))
                wall = settled.astimezone(BOGOTA).replace(tzinfo=None).isoformat(" ", "milliseconds")
                rows = 'SELECT count(*) FROM "eventos_Analisis" WHERE "timestamp" < ?'
                [(there,)] = connection.execute(rows, (wall,))
            process = sample(pid)
        except (OSError, IndexError, sqlite3.OperationalError):  # not there yet, or just ended
            return
        due = testbed.truth(settled, rows=False)["history_count"]
        lag = (min(now, testbed.until) - until).total_seconds()
        yield Observation((now - testbed.since).total_seconds(), process, lag, due - there)


def draw(observations: list[Observation], kills: int) -> None:
    """Draw the observations."""
    minutes = [one.seconds / 60 for one in observations]
    lines = {
        "MiB": [one.process.rss_mib for one in observations],
        "open files": [float(one.process.files) for one in observations],
        "threads": [float(one.process.threads) for one in observations],
        "seconds behind": [one.lag for one in observations],
        "rows missing": [float(one.missing) for one in observations],
    }
    title = f"40 cameras, {_RATE} events/s, every fault on, killed {kills} times"
    with plots.picture("endurance", title, rows=len(lines), sharex=True) as axes:
        for axis, (label, values) in zip(axes, lines.items(), strict=True):
            axis.plot(minutes, values, ".-", color=plots.OURS, markersize=3, linewidth=1)
            axis.set(ylabel=label, ylim=(min(0, *values), max(1, *values) * 1.1))
        axes[-1].set_xlabel("minutes")


def main() -> None:
    """Run it; exit code 1 where something was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m bench.endurance")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--hours", type=float, default=0)
    parser.add_argument("--kill-every", type=float, default=60, metavar="SECONDS")
    arguments = parser.parse_args()
    lasts = timedelta(hours=arguments.hours) if arguments.hours else timedelta(minutes=arguments.minutes)
    options = ("--cameras", "40", "--events", str(int(lasts.total_seconds() * _RATE)), "--faults", "all")
    with prepared(timedelta(0), lasts, *options, settings=_SETTINGS) as testbed:
        testbed.control("faults", {"set": {"late": {"probability": 0.05, "seconds": _LATE}}})
        endurance = Endurance(testbed, arguments.kill_every)
        endurance.run()
        difference = testbed.difference()
    draw(endurance.observations, endurance.kills)
    print(f"{endurance.kills} kills; {difference.rows:,} rows, {difference.lost} lost, {difference.doubled} doubled,")
    most = max(one.missing for one in endurance.observations)
    print(f"aforo off by {difference.aforo_off}; most missing on the way {most}")
    raise SystemExit(not difference.exact)


if __name__ == "__main__":
    main()
