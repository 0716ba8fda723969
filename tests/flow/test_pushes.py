"""A whole event with pushes, some of them lost, doubled or late: each passage counted once, and most at once."""

import asyncio
import socket
from pathlib import Path
from statistics import median

from tests.flow.harness import SHORT, SimulatedEvent, simulated_event

from aforo.settings import PushSettings
from aforo.simulator import Delay, Fault, Faults


def use_pushes(event: SimulatedEvent) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    event.push = PushSettings(url=f"http://127.0.0.1:{port}/", host="127.0.0.1", port=port)


async def test_lost_doubled_and_late_pushes_lose_and_double_nothing(tmp_path: Path) -> None:
    unreliable = {"push_lost": Fault(0.2), "push_doubled": Fault(0.2), "push_late": Fault(0.1, seconds=20.0)}
    faults = Faults(7, unreliable)
    async with simulated_event(tmp_path, SHORT, faults=faults, interval=60.0, live_interval=60.0) as (event, scenario):
        use_pushes(event)
        monitor = await asyncio.to_thread(event.monitor)
        assert await monitor.run() == 0
        event.check(scenario, SHORT.start, SHORT.end)
        assert median(sample.seconds for sample in monitor.live.lateness) < 1.0  # without pushes about 30
        assert event.site.push_counts["events"] > 500
        assert event.site.webhooks() == []


async def test_pushes_of_events_that_no_search_finds_yet_are_waited_for(tmp_path: Path) -> None:
    faults = Faults(7, {"push_early": Fault(), "late": Fault(1.0, seconds=2.0, delay=Delay.FIXED)})
    async with simulated_event(tmp_path, SHORT, faults=faults, interval=60.0, live_interval=60.0) as (event, scenario):
        use_pushes(event)
        monitor = await asyncio.to_thread(event.monitor)
        assert await monitor.run() == 0
        event.check(scenario, SHORT.start, SHORT.end)
        assert median(sample.seconds for sample in monitor.live.lateness) < 5.0
