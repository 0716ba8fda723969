"""Poll cycles with the program's own parts, timed one by one: from the first request until the last commit.

``python -m bench.cycle_timing --cycles 20`` in a working folder with its environment. The cameras are followed
from now on, as by a program that has run from the start, whatever the database already holds. Prints one line of JSON:
the seconds of each poll cycle, and of the processor. The first one reads each camera alone, the later ones as proven.
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
from aforo.ingestion.close_lane import CloseLane
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_log import CycleLogs
from aforo.ingestion.fetch import PollCycle
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.health_watch import HealthWatch
from aforo.ingestion.site import SiteDirectory
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.live.observer import LiveObserver
from aforo.live.state import LiveState
from aforo.models import Rule
from aforo.reference_clock import ReferenceClock
from aforo.settings import Settings, load, zones_from
from aforo.storage import Database, Store

_BEHIND = timedelta(seconds=60)  # a poll cycle's worth of events


class Timed(NamedTuple):
    """One poll cycle."""

    wall: float
    cpu: float
    requests: int


def _context(settings: Settings, client: AvigilonClient, database: Database, live: LiveState) -> RunContext:
    clock, timezone = SystemClock(), settings.monitor.timezone
    rules = Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))
    observer = LiveObserver(live, database, clock)
    site = SiteDirectory(client, clock, observer)
    cameras = CamerasFile(settings.monitor.cameras_file)
    return RunContext(
        settings=settings.monitor,
        clock=ReferenceClock(clock),
        stopping=asyncio.Event(),
        schedule=ScheduleFile(settings.monitor.schedule_file, timezone),
        cameras=cameras,
        client=client,
        database=database,
        rules=rules,
        observer=observer,
        site=site,
        health=HealthWatch(client, site, lambda: cameras.cameras, clock),
        logs=CycleLogs(site, rules, timezone),
        close_lane=CloseLane(settings.acc.concurrency),
    )


async def timed_cycles(settings: Settings, cycles: int, pause: float) -> list[Timed]:
    """Log in, open the event, run so many poll cycles."""
    clock = SystemClock()
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    async with AvigilonClient(settings.acc, clock) as client, Database(store, clock) as database:
        live = LiveState(settings.zones)
        context = _context(settings, client, database, live)
        database.on_stored = context.committed
        await database.open()
        await client.login()
        [event] = context.schedule.schedule.events
        record = await context.open_record(event)
        await context.site.refresh()
        feeds = context.feeds()
        planner = FetchPlanner(event.window, timedelta(seconds=settings.monitor.overlap))
        planner.follow(feeds, dict.fromkeys(feeds, clock.now() - _BEHIND))
        live.open(record, clock.now())
        live.follow(planner.statuses())
        timed = []
        async with context.poller() as poller:
            for _ in range(cycles):
                before = time.perf_counter(), time.process_time(), client.requests
                planner.begin_cycle()
                cycle = PollCycle(record, context.cameras.cameras, planner, clock.now())
                if not await poller.run_cycle(cycle, clock.monotonic() + settings.monitor.interval):
                    raise RuntimeError("a poll cycle was not read in time")
                await database.drain()
                wall, cpu = time.perf_counter() - before[0], time.process_time() - before[1]
                timed.append(Timed(wall, cpu, client.requests - before[2]))
                await clock.sleep(pause)
        return timed


def main() -> None:
    """Run poll cycles in the working folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.cycle_timing")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two poll cycles")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(timed_cycles(load(os.environ), arguments.cycles, arguments.pause))))


if __name__ == "__main__":
    main()
