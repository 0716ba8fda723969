"""Searches that are never answered: is everything counted, how far behind is it live, when is the close complete?

``python -m bench.hanging 0 0.03 0.1 0.3`` plays an event of three minutes for each share of hanging searches, with the
factory settings: 17 cameras, 150 ms of latency, no page tokens, and 2,300 events of one camera within two seconds.
``--database URL`` plays into a database server, and **drops all tables** of that database before each run.
"""

import argparse
import random
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from bench.chaos import drop_tables, engine
from bench.process import start
from bench.results import Figure, table
from bench.testbed import BOGOTA, EVENT, Difference, Testbed, prepared

_SECONDS = 180  # the event's
_BURST, _BURST_AT, _BURST_LASTS = 2_300, 70, 2.0  # events; seconds
_GRACE, _INTERVAL = 60, 60  # seconds, the factory settings
_OPTIONS = ("--events", "2000")
_SAMPLE_EVERY = 5.0  # seconds
_CLOSED_WITHIN = 60.0  # seconds after hora_fin and the grace
_HEDGES = "se pide otra vez a la par"  # in the log


@dataclass(frozen=True, slots=True)
class Run:
    """``behind``: the most seconds that an event was old before it was stored; ``closed``: after hora_fin and grace."""

    share: float
    difference: Difference
    exit_code: int
    behind: float
    closed: float
    searches: int
    hedges: int


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.hanging")
    parser.add_argument("shares", nargs="*", type=float, default=[0.0, 0.03, 0.1, 0.3])
    parser.add_argument("--database", default="", help="SQLAlchemy URL; all its tables are dropped")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--cameras", type=int, default=17)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--latency-ms", type=int, default=150)
    parser.add_argument("--behaviour", default="tokens=never", help="of the simulator")
    arguments = parser.parse_args()
    figures = []
    for share in arguments.shares:
        figures.append(figure(play(share, arguments)))
        print(figures[-1].row, flush=True)
    print(table(figures))


def figure(run: Run) -> Figure:
    """A row of the results."""
    reached = run.difference.exact and run.exit_code == 0
    if run.share <= 0.1:
        reached &= run.behind <= 2 * _INTERVAL and run.closed <= _CLOSED_WITHIN
    return Figure(
        f"{100 * run.share:g} % of the searches hang",
        f"{run.difference.rows:,} rows, {run.difference.lost} lost, {run.difference.doubled} doubled, aforo off by"
        f" {run.difference.aforo_off}; exit {run.exit_code}; live {run.behind:.0f} s behind at most; closed after"
        f" {run.closed:.0f} s; {run.hedges} of {run.searches} searches sent beside another",
        "0, 0, 0; exit 0" + ("; 120 s; 60 s" if run.share <= 0.1 else ""),
        reached,
    )


def play(share: float, arguments: argparse.Namespace) -> Run:
    """Play one event."""
    database = arguments.database
    settings = {"AFORO_LOG__LEVEL": "DEBUG", "AFORO_ACC__CONCURRENCY": str(arguments.concurrency)}
    options = [*_OPTIONS, "--behaviour", arguments.behaviour]
    options += ["--cameras", str(arguments.cameras), "--servers", str(arguments.servers)]
    if database:
        drop_tables(database)
        settings["AFORO_DATABASE__URL"] = database
    before, after = timedelta(seconds=-5), timedelta(seconds=5 + _SECONDS)
    with prepared(before, after, *options, latency_ms=arguments.latency_ms, settings=settings) as testbed:
        testbed.control("events", _burst(testbed))
        hang = {"probability": share, "paths": ["events/search"]}
        testbed.control("faults", {"set": {"hang": hang} if share else {}})
        tables = engine(database) if database else create_engine(f"sqlite:///{testbed.database}")
        process = start(testbed.program("run"), testbed.folder, testbed.environment())
        samples = _watch(process, tables)
        if process.returncode not in {0, 5, 6}:
            raise RuntimeError((testbed.folder / "stderr.log").read_text(encoding="utf-8")[-2000:])
        closed = datetime.now(UTC) - testbed.until - timedelta(seconds=_GRACE)
        log = (testbed.folder / "stderr.log").read_text(encoding="utf-8")
        with tables.connect() as connection:
            difference = testbed.compared(lambda sql: connection.exec_driver_sql(sql).fetchall())
        return Run(
            share,
            difference,
            process.returncode,
            _behind(testbed, samples),
            closed.total_seconds(),
            testbed.control("state")["tally"]["events/search"],
            log.count(_HEDGES),
        )


def _burst(testbed: Testbed) -> list[dict[str, str]]:
    chance = random.Random(1)
    begins = testbed.since + timedelta(seconds=_BURST_AT)
    camera = testbed.site["cameras"][9]
    instants = [begins + timedelta(milliseconds=chance.randrange(int(1000 * _BURST_LASTS))) for _ in range(_BURST)]
    return [{"camera": camera, "name": "PUERTA 99", "at": instant.isoformat()} for instant in instants]


def _watch(process: "subprocess.Popen[bytes]", tables: Engine) -> list[tuple[datetime, int]]:
    """Return how many history rows there were at each instant until the process ended."""
    over, samples = threading.Event(), []

    def sample() -> None:
        while not over.wait(_SAMPLE_EVERY):
            now = datetime.now(UTC)
            try:
                with tables.connect() as connection:
                    count = connection.execute(
                        text('SELECT COUNT(*) FROM "eventos_Analisis" WHERE nombre_evento = :event'), {"event": EVENT}
                    ).scalar_one()
            except DBAPIError:
                continue  # the table is not there yet, or locked for a moment
            samples.append((now, count))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        process.wait(timeout=_SECONDS + 1_500)
    finally:
        over.set()
        sampler.join()
    return samples


def _behind(testbed: Testbed, samples: list[tuple[datetime, int]]) -> float:
    """Return the most seconds by which the rows of a sample were behind the events that had happened by then.

    While an event is watched its rows come nearly in the order of time: as many as there are, so far have been stored.
    """
    happened = sorted(datetime.fromisoformat(row[4]).replace(tzinfo=BOGOTA) for row in testbed.truth()["history"])
    return max((now - happened[stored]).total_seconds() for now, stored in samples if stored < len(happened))


if __name__ == "__main__":
    main()
