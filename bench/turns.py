"""Turns by the program's own rooms, timed one by one: from the first question until the last answer is committed.

``python -m bench.turns --turns 20`` in a working folder with the program's environment. The cameras are followed from
now on, as by a program that has been there all evening, whatever the database already holds. Prints one line of JSON:
the seconds of each turn, and of the processor; the first turn asks each camera alone, the later ones as was proven.
"""

import argparse
import asyncio
import json
import os
import time
from datetime import timedelta
from typing import NamedTuple

from aforo.avigilon import AvigilonClient
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.ingestion.context import RunContext
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.poller import PollCycle
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.live.state import LiveState
from aforo.models import Matcher
from aforo.settings import Settings, load, zones_from
from aforo.storage import Database, Store

_BEHIND = timedelta(seconds=60)  # a turn's worth of events


class Timed(NamedTuple):
    """One turn."""

    wall: float
    cpu: float
    requests: int


def _rooms(settings: Settings, acc: AvigilonClient, database: Database) -> RunContext:
    return RunContext(
        settings=settings.monitor,
        clock=SystemClock(),
        stopping=asyncio.Event(),
        timezone=settings.monitor.timezone,
        schedule=ScheduleFile(settings.monitor.schedule_file, settings.monitor.timezone),
        cameras=CamerasFile(settings.monitor.cameras_file),
        acc=acc,
        rules=Rules(map(Matcher.parse, settings.events.stored), zones_from(settings.zones)),
        database=database,
        board=LiveState(settings.zones),
        seen=True,
    )


async def timed_turns(settings: Settings, turns: int, pause: float) -> list[Timed]:
    """Log in, open the event, turn so often."""
    clock = SystemClock()
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    async with AvigilonClient(settings.acc, clock) as acc, Database(store, clock) as database:
        rooms = _rooms(settings, acc, database)
        database.on_stored = rooms.stored
        await database.open()
        await acc.login()
        [event] = rooms.schedule.schedule.events
        show = await rooms.show(event)
        await rooms.discover()
        feeds = rooms.feeds()
        coverage = FetchPlanner(event.window, timedelta(seconds=settings.monitor.overlap))
        coverage.follow(feeds, dict.fromkeys(feeds, clock.now() - _BEHIND))
        rooms.board.open(show, coverage, clock.now())
        timed = []
        async with rooms.turns() as asker:
            for _ in range(turns):
                before = time.perf_counter(), time.process_time(), acc.requests
                coverage.begin_cycle()
                errand = PollCycle(event, rooms.allowed, coverage, clock.now())
                if not await asker.turn(errand, clock.monotonic() + settings.monitor.interval):
                    raise RuntimeError("a turn was not answered in time")
                await database.drain()
                wall, cpu = time.perf_counter() - before[0], time.process_time() - before[1]
                timed.append(Timed(wall, cpu, acc.requests - before[2]))
                rooms.tally.cleared()
                await clock.sleep(pause)
        return timed


def main() -> None:
    """Turn in the working folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.turns")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two turns")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(timed_turns(load(os.environ), arguments.turns, arguments.pause))))


if __name__ == "__main__":
    main()
