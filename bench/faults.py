"""A live event with every fault on: the program and the baseline at once on one server, killed at the same instants."""

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from bench.baseline import DATABASE
from bench.process import start
from bench.results import Figure
from bench.testbed import Difference, Testbed, prepared

_SECONDS = 90  # the event's
_KILLS = 4
_INTERVAL = 5  # seconds between two poll cycles, for both
_OPTIONS = ("--events", "6000", "--servers", "1", "--faults", "all")
# An event may be later than its own timestamp by less than the grace: later than that only a backfill can see it.
_LATE = {"set": {"late": {"probability": 0.05, "seconds": 15}}}
_SETTINGS = {
    "AFORO_MONITOR__INTERVAL": str(_INTERVAL),
    "AFORO_MONITOR__OVERLAP": "30",
    "AFORO_MONITOR__GRACE": "20",
    "AFORO_ACC__TIMEOUT": "3",
}
_BASELINE = [sys.executable, "-m", "bench.baseline", "--live", str(_INTERVAL), "--timeout", "3", "--commit", "row"]


def measure() -> list[Figure]:
    """What is lost, doubled and miscounted by the program, and by the baseline beside it."""
    with prepared(timedelta(seconds=-5), timedelta(seconds=5 + _SECONDS), *_OPTIONS, settings=_SETTINGS) as testbed:
        testbed.control("faults", _LATE)
        _both(testbed)
        ours, theirs = testbed.difference(), testbed.difference(testbed.folder / DATABASE)
    what = f"{_SECONDS} s live with every fault on, killed {_KILLS} times"
    return [
        Figure(what, _described(ours), "0, 0, 0", ours.exact),
        Figure("… the baseline, the same faults, killed at the same instants", _described(theirs)),
    ]


def _both(testbed: Testbed) -> None:
    """Run both to the event's end. Each is started again as soon as it is killed."""
    chance = random.Random(20260307)
    ends = time.monotonic() + (testbed.until - datetime.now(UTC)).total_seconds()
    commands = [testbed.program("run"), _BASELINE]
    for left in range(_KILLS, -1, -1):
        running = [start(command, testbed.folder, testbed.environment()) for command in commands]
        if left:
            time.sleep((ends - time.monotonic()) / (left + 1) * chance.uniform(0.7, 1.1))
            for process in running:
                process.kill()
                process.wait()
    for process in running:
        _finished(process, testbed)


def _finished(process: "subprocess.Popen[bytes]", testbed: Testbed) -> None:
    if process.wait(timeout=300):
        raise RuntimeError((testbed.folder / "stderr.log").read_text(encoding="utf-8")[-2000:])


def _described(difference: Difference) -> str:
    share = 100 * difference.lost / difference.rows
    return (
        f"of {difference.rows:,} rows {difference.lost:,} lost ({share:.1f} %), {difference.doubled:,} doubled;"
        f" aforo off by {difference.aforo_off:,}"
    )
