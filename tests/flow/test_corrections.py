"""A correction made on the page of a running program can be followed in its log, like every other change of a zone."""

import asyncio
import logging
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar
from tests.flow.harness import DOORS, SHORT, simulated_event
from tests.page_harness import PASSWORD, operators

from aforo.settings import WebSettings


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_the_log_gives_the_zone_as_it_is_after_a_correction(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (simulated, _):
        simulated.allow(["a camera that counts nobody"])
        simulated.web = WebSettings(port=free_port(), operators=operators("Ana Ruiz"))
        stopping = asyncio.Event()
        monitor = await asyncio.to_thread(simulated.monitor, stopping)
        running = asyncio.create_task(monitor.run())
        await simulated.clock.sleep(timedelta(minutes=10).total_seconds())
        async with ClientSession(
            f"http://127.0.0.1:{simulated.web.port}/", cookie_jar=CookieJar(unsafe=True)
        ) as client:
            async with client.post("/api/v1/session", json={"name": "Ana Ruiz", "password": PASSWORD}) as answer:
                headers = {"X-CSRF-Token": (await answer.json())["csrf"]}
            order = {"id": "11111111-2222-4333-8444-000000000001", "zone": "Zona Sur", "reason": "conteo", "delta": 12}
            async with client.post("/api/v1/corrections", json=order, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
        assert monitor.live.occupancies["Zona Sur"].count == 12
        await simulated.clock.sleep(timedelta(minutes=3).total_seconds())
        stopping.set()
        await running
        assert simulated.clock.now() < DOORS + timedelta(minutes=42), "the event goes on"
    assert "Zona Sur: aforo 12 (entradas 0, salidas 0, salidas con la zona en cero 0)." in caplog.messages
