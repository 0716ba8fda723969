"""A live evening with every fault on, both ways at once against the same server, both killed at the same instants."""

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from bench.process import start
from bench.results import Figure
from bench.stage import Difference, Stage, stage
from bench.today import DATABASE

_SECONDS = 90  # the event's
_KILLS = 4
_INTERVAL = 5  # seconds between two turns, for both
_OPTIONS = ("--events", "6000", "--servers", "1", "--faults", "all")
# An event may be later than its own timestamp by less than the grace: later than that only a backfill can see it.
_LATE = {"set": {"late": {"probability": 0.05, "seconds": 15}}}
_SETTINGS = {
    "AFORO_MONITOR__INTERVAL": str(_INTERVAL),
    "AFORO_MONITOR__OVERLAP": "30",
    "AFORO_MONITOR__GRACE": "20",
    "AFORO_ACC__TIMEOUT": "3",
}
_TODAY = [sys.executable, "-m", "bench.today", "--live", str(_INTERVAL), "--timeout", "3", "--commit", "row"]


def measure() -> list[Figure]:
    """What is lost, doubled and miscounted by the program, and by today's way beside it."""
    with stage(timedelta(seconds=-5), timedelta(seconds=5 + _SECONDS), *_OPTIONS, settings=_SETTINGS) as evening:
        evening.control("faults", _LATE)
        _both(evening)
        ours, theirs = evening.difference(), evening.difference(evening.folder / DATABASE)
    what = f"{_SECONDS} s live with every fault on, killed {_KILLS} times"
    return [
        Figure(what, _told(ours), "0, 0, 0", ours.exact),
        Figure("… today's way, the same faults, killed at the same instants", _told(theirs)),
    ]


def _both(evening: Stage) -> None:
    """Run both to the event's end. Whoever is killed is started again at once."""
    chance = random.Random(20260307)
    ends = time.monotonic() + (evening.until - datetime.now(UTC)).total_seconds()
    commands = [evening.program("run"), _TODAY]
    for left in range(_KILLS, -1, -1):
        running = [start(command, evening.folder, evening.environment()) for command in commands]
        if left:
            time.sleep((ends - time.monotonic()) / (left + 1) * chance.uniform(0.7, 1.1))
            for process in running:
                process.kill()
                process.wait()
    for process in running:
        _finished(process, evening)


def _finished(process: "subprocess.Popen[bytes]", evening: Stage) -> None:
    if process.wait(timeout=300):
        raise RuntimeError((evening.folder / "stderr.log").read_text(encoding="utf-8")[-2000:])


def _told(difference: Difference) -> str:
    share = 100 * difference.lost / difference.rows
    return (
        f"of {difference.rows:,} rows {difference.lost:,} lost ({share:.1f} %), {difference.doubled:,} doubled;"
        f" aforo off by {difference.aforo_off:,}"
    )
