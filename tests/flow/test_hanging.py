"""Searches that are never answered: everything is counted, on time, and nobody is given up."""

import asyncio
import logging
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.flow.harness import DOORS, PLAN, simulated_event

from aforo.simulator import Fault, Faults, Scenario, ServerProfile, Tokens

TEN_MINUTES = replace(PLAN, end=DOORS + timedelta(minutes=10), events=600, burst=0)
BURST_AT = DOORS + timedelta(seconds=200)
SEARCHES = frozenset({"events/search"})


def record_burst(scenario: Scenario) -> None:
    """2,300 events of one camera within two seconds."""
    chance = random.Random(1)
    for _ in range(2_300):
        scenario.add(scenario.allowed[9], "PUERTA 99", BURST_AT + timedelta(milliseconds=chance.randrange(2_000)))


@pytest.mark.parametrize("tokens", [Tokens.NEVER, Tokens.ALWAYS])
@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_an_event_whose_searches_hang_is_counted_and_closed_in_time(
    tmp_path: Path, share: float, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    faults = Faults(3, {"hang": Fault(share, paths=SEARCHES)})
    profile = ServerProfile(tokens=tokens)
    async with simulated_event(tmp_path, TEN_MINUTES, behaviour=profile, faults=faults, interval=60.0) as (
        simulated,
        scenario,
    ):
        record_burst(scenario)
        assert await simulated.run() == 0
        simulated.check(scenario, TEN_MINUTES.start, TEN_MINUTES.end)
        closed: datetime = simulated.clock.now()
    if share <= 0.1:
        assert closed - TEN_MINUTES.end < timedelta(seconds=60 + 60), "hora_fin, the grace and a minute"
        assert not [line for line in caplog.messages if "no se pudo leer" in line or "Sin servidor" in line]


async def test_everything_hangs_at_times_and_a_kill_comes_between(tmp_path: Path) -> None:
    """Logins and lists hang as well, and the program is stopped in the middle and started again."""
    faults = Faults(5, {"hang": Fault(0.15)})
    async with simulated_event(
        tmp_path, TEN_MINUTES, behaviour=ServerProfile(tokens=Tokens.NEVER), faults=faults, interval=60.0
    ) as (simulated, scenario):
        record_burst(scenario)
        stopping = asyncio.Event()
        running = asyncio.create_task(simulated.monitor(stopping).run())
        await simulated.clock.sleep((BURST_AT - simulated.clock.now()).total_seconds() + 45)  # its window is being read
        running.cancel()
        await asyncio.wait([running])
        assert await simulated.run() == 0
        simulated.check(scenario, TEN_MINUTES.start, TEN_MINUTES.end)
