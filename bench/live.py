"""How soon a camera event is stored and on the screen: with pushes, and with live reads alone.

``python -m bench.live --rate 10 --seconds 120`` plays an event of 17 cameras with so many events per second, evenly
spread, 20 ms of latency and the factory settings; ``--push`` lets the simulator push, with ``--lost`` and ``--doubled``
shares of the pushes, and the program killed ``--kills`` times. "Stored" is the ledger's own time of each event, taken
where its transaction begins; "on the screen" is when a client of the event stream has the frame that counts it.
"""

import argparse
import json
import random
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from bisect import bisect_left
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from bench.process import sample, start
from bench.results import Figure, table
from bench.scale import free_port
from bench.testbed import Difference, Testbed, prepared

_BEFORE = 12  # seconds before the event begins at which the program is started
_SETTLES = 20  # seconds at the event's begin whose events are not measured
_NAMES = ("PUERTA 1", "PUERTA 2", "AFORO ENTRADA PARQUEADERO NORTE", "AFORO SALIDA PARQUEADERO NORTE")
_GRACE = "5"


@dataclass
class Seen:
    """What a client of the event stream received: how many events were stored, and when (epoch seconds)."""

    instants: list[float] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from the events to their storing and to the screen; what it cost."""

    stored: list[float]
    shown: list[float]
    difference: Difference
    exit_code: int
    searches_per_minute: float
    cpu_share: float


def play(arguments: argparse.Namespace) -> Run:
    """Play one event."""
    port = free_port()
    settings = {
        "AFORO_WEB__PORT": str(port),
        "AFORO_MONITOR__GRACE": _GRACE,
        "AFORO_MONITOR__LIVE_INTERVAL": str(arguments.live_interval),
    }
    if arguments.push:
        receiver = free_port()
        settings |= {"AFORO_PUSH__URL": f"http://127.0.0.1:{receiver}/avisos", "AFORO_PUSH__PORT": str(receiver)}
    options = ["--events", "0", "--cameras", str(arguments.cameras), "--behaviour", arguments.behaviour]
    before, after = timedelta(seconds=-_BEFORE), timedelta(seconds=_BEFORE + arguments.seconds)
    with prepared(before, after, *options, latency_ms=arguments.latency_ms, settings=settings) as testbed:
        testbed.control("events", _events(testbed, arguments.rate * arguments.seconds))
        faults = {"push_lost": arguments.lost, "push_doubled": arguments.doubled}
        testbed.control("faults", {"set": {name: {"probability": share} for name, share in faults.items() if share}})
        return _run(testbed, port, arguments)


def _run(testbed: Testbed, port: int, arguments: argparse.Namespace) -> Run:
    seen, over = Seen(), threading.Event()
    follower = threading.Thread(target=_follow, args=(port, seen, over))
    kills = [arguments.seconds * (number + 1) / (arguments.kills + 1) for number in range(arguments.kills)]
    process, searched, used = start(testbed.program("run"), testbed.folder, testbed.environment()), 0, 0.0
    follower.start()
    try:
        for instant in kills:
            _sleep_until(testbed.since + timedelta(seconds=instant))
            used += sample(process.pid).cpu
            process.kill()
            process.wait()
            process = start(testbed.program("run"), testbed.folder, testbed.environment())
        _sleep_until(testbed.until)
        searched = testbed.control("state")["tally"]["events/search"]
        used += sample(process.pid).cpu
        exit_code = process.wait(timeout=300)
    finally:
        over.set()
        process.kill()
        follower.join()
    measured = testbed.since + timedelta(seconds=_SETTLES)
    with closing(sqlite3.connect(testbed.database)) as database:
        rows = database.execute(
            "SELECT occurred_ms, seen_ms FROM aforo_events WHERE occurred_ms >= ? ORDER BY seen_ms",
            (int(measured.timestamp() * 1000),),
        ).fetchall()
        [[before]] = database.execute(
            "SELECT count(*) FROM aforo_events WHERE occurred_ms < ?", (int(measured.timestamp() * 1000),)
        ).fetchall()
    stored = sorted((at - occurred) / 1000 for occurred, at in rows)
    shown = [] if kills else _shown(seen, before, [(occurred / 1000, at / 1000) for occurred, at in rows])
    minutes = arguments.seconds / 60
    return Run(stored, shown, testbed.difference(), exit_code, searched / minutes, used / arguments.seconds)


def _shown(seen: Seen, before: int, rows: list[tuple[float, float]]) -> list[float]:
    """How old each event was in the first frame that counts it. Rows are in the order of their storing."""
    shown = []
    for number, (occurred, _) in enumerate(rows, before + 1):
        place = bisect_left(seen.stored, number)
        if place < len(seen.stored):
            shown.append(seen.instants[place] - occurred)
    return sorted(shown)


def _follow(port: int, seen: Seen, over: threading.Event) -> None:
    """Follow the event stream; connect again where the program was killed."""
    while not over.is_set():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/stream", timeout=5) as stream:
                for line in stream:
                    if over.is_set():
                        return
                    received = time.time()
                    if line.startswith(b"data: ") and (trust := json.loads(line[6:]).get("trust")):
                        seen.instants.append(received)
                        seen.stored.append(max(trust["stored"], seen.stored[-1] if seen.stored else 0))
        except (OSError, urllib.error.URLError):
            over.wait(0.2)


def _events(testbed: Testbed, number: int) -> list[dict[str, str]]:
    """So many events, evenly spread over the event and at random over cameras and names."""
    chance = random.Random(1)
    milliseconds = int((testbed.until - testbed.since).total_seconds() * 1000)
    instants = sorted(chance.sample(range(milliseconds), number))
    cameras = testbed.site["cameras"]
    return [
        {
            "camera": chance.choice(cameras),
            "name": chance.choice(_NAMES),
            "at": (testbed.since + timedelta(milliseconds=instant)).isoformat(),
        }
        for instant in instants
    ]


def _sleep_until(instant: datetime) -> None:
    time.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))


def percentile(seconds: list[float], share: float) -> float:
    """The value that so large a share does not exceed; infinity without any."""
    return seconds[ceil(share * len(seconds)) - 1] if seconds else float("inf")


def figure(run: Run, arguments: argparse.Namespace) -> Figure:
    """A row of the results."""
    how = "push on" if arguments.push else f"push off, live reads every {arguments.live_interval} s"
    faults = f", {arguments.lost:.0%} lost, {arguments.doubled:.0%} doubled, killed {arguments.kills} times"
    faulty = arguments.lost or arguments.doubled or arguments.kills
    stored, shown = percentile(run.stored, 0.95), percentile(run.shown, 0.95)
    with_push = (1.5, 1.5) if arguments.rate > 10 else (0.7, 1.0)
    most = with_push if arguments.push else (6.0, 6.0)
    exact = run.difference.exact and run.exit_code == 0
    reached = exact and (bool(faulty) or (stored <= most[0] and shown <= most[1]))
    on_screen = f", on the screen {percentile(run.shown, 0.5):.2f} and {shown:.2f} s" if run.shown else ""
    return Figure(
        f"{arguments.rate} events/s for {arguments.seconds} s, {how}{faults if faulty else ''}",
        f"median and p95: stored {percentile(run.stored, 0.5):.2f} and {stored:.2f} s{on_screen};"
        f" {run.searches_per_minute:.0f} searches a minute; {run.cpu_share:.1%} of a core;"
        f" of {run.difference.rows:,} rows {run.difference.lost} lost, {run.difference.doubled} doubled; aforo off by"
        f" {run.difference.aforo_off}",
        "0, 0, 0" if faulty else f"p95 ≤ {most[0]} s stored, ≤ {most[1]} s on the screen; 0, 0, 0",
        reached,
    )


def main() -> None:
    """Measure, and print a row for each rate."""
    parser = argparse.ArgumentParser(prog="python -m bench.live")
    parser.add_argument("--rate", type=int, nargs="+", default=[10], help="events per second")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--cameras", type=int, default=17)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--live-interval", type=float, default=5)
    parser.add_argument("--behaviour", default="tokens=always", help="of the simulator")
    parser.add_argument("--push", action="store_true")
    parser.add_argument("--lost", type=float, default=0.0, help="share of the pushes")
    parser.add_argument("--doubled", type=float, default=0.0, help="share of the pushes")
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    figures = []
    for rate in arguments.rate:
        arguments.rate = rate
        figures.append(figure(play(arguments), arguments))
        print(figures[-1].row, flush=True)
    print(table(figures))


if __name__ == "__main__":
    main()
