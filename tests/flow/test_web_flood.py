"""A flood from another process: the counting goes on and stays right, and the page is there again afterwards."""

import asyncio
import multiprocessing
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from bench.web_load import count_for, flood
from tests.page_harness import staged


@pytest.mark.e2e
@pytest.mark.parametrize("attack", ["requests", "connections", "slow_screens"])
async def test_a_flood_does_not_disturb_the_counting(tmp_path: Path, attack: str) -> None:
    async with staged(tmp_path) as stage:
        port = int(stage.url.rstrip("/").rpartition(":")[2])
        await stage.play(stage.at(90))
        process = multiprocessing.get_context("spawn").Process(target=flood, args=(attack, port), daemon=True)
        process.start()
        try:
            await asyncio.sleep(1.5)  # the other process starts
            batches, _ = await count_for(stage, 2.0)
        finally:
            process.kill()
            process.join()
        assert batches > 0
        truth = stage.scenario.truth().between(stage.at(0), stage.played, stage.scenario.allowed)
        counted = {name: zone.count for name, zone in stage.live.occupancies.items()}
        assert counted == {name: zone.aforo for name, zone in truth.zones.items()}
        async with asyncio.timeout(15):
            while not await answers(f"{stage.url}api/v1/zones"):  # noqa: ASYNC110 -- what is waited for is on the other side of a socket
                await asyncio.sleep(0.5)


async def answers(url: str) -> bool:
    """Return whether the page answers this machine again, from which the flood came."""
    try:
        async with ClientSession() as client, client.get(url) as answer:
            return answer.status == 200
    except ClientError:
        return False
