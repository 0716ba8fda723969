"""Between what and what the people inside lie: beside the count of a running program, and in the event report."""

import asyncio
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar
from tests.flow.harness import BOGOTA, SHORT, SimulatedEvent, simulated_event
from tests.page_harness import PASSWORD, operators

from aforo.cli.count import CountOrder
from aforo.cli.count import main as count
from aforo.models import EventPhase
from aforo.settings import WebSettings, zones_from
from aforo.storage import JournalKind, Store

PEOPLE = "Personas en el estadio"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def estimated(client: ClientSession, expected: int) -> dict[str, Any]:
    """The zone of people, once its interval holds what is expected: it is estimated every few seconds."""
    zone: dict[str, Any] = {}
    for _ in range(200):
        async with client.get("/api/v1/state") as answer:
            state = await answer.json()
        (zone,) = [one for one in state["zones"] if one["name"] == PEOPLE]
        if zone["interval"] is not None and abs(zone["interval"]["mode"] - expected) < 25:
            async with client.get("/api/v1/series") as answer:
                band = (await answer.json())["bands"][PEOPLE]
            assert len(band["minutes"]) == len(band["low"]) == len(band["high"]) >= 2
            return zone
        await asyncio.sleep(0.1)
    raise AssertionError(zone)


def learned(simulated: SimulatedEvent) -> list[str]:
    store = Store(simulated.settings.database.address(), zones_from(simulated.settings.zones), BOGOTA)
    try:
        return [one.detail for one in store.entries(kind=JournalKind.LEARNED) if one.subject == PEOPLE]
    finally:
        store.close()


async def test_counts_made_by_hand_narrow_the_interval_and_change_no_count(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, SHORT, interval=60.0) as (simulated, _):
        simulated.web = WebSettings(port=free_port(), operators=operators("Ana Ruiz"))
        simulated.reports = tmp_path / "informes"
        stopping = asyncio.Event()
        monitor = await asyncio.to_thread(simulated.monitor, stopping)
        running = asyncio.create_task(monitor.run())
        await simulated.clock.sleep(timedelta(minutes=25).total_seconds())
        simulated.clock.busy = lambda: True  # time stands still
        stored = monitor.live.occupancies[PEOPLE].count
        now = simulated.clock.now()
        order = CountOrder(PEOPLE, people=stored + 400, error=20)
        (line,) = await asyncio.to_thread(count, simulated.settings, order, now)  # as from another process
        assert "Anotado" in line
        async with ClientSession(
            f"http://127.0.0.1:{simulated.web.port}/", cookie_jar=CookieJar(unsafe=True)
        ) as client:
            zone = await estimated(client, stored + 400)
            assert zone["count"] == monitor.live.occupancies[PEOPLE].count < zone["interval"]["low"]
            async with client.get("/metrics") as answer:
                assert f'aforo_estimate_high{{zone="{PEOPLE}"}} {zone["interval"]["high"]}.0' in await answer.text()
            async with client.post("/api/v1/session", json={"name": "Ana Ruiz", "password": PASSWORD}) as answer:
                headers = {"X-CSRF-Token": (await answer.json())["csrf"]}
            order_of = {"zone": PEOPLE, "reason": "conteo", "counted": True, "error": 10}
            wrong = {"id": "11111111-2222-4333-8444-000000000001", **order_of, "delta": 5}
            async with client.post("/api/v1/corrections", json=wrong, headers=headers) as answer:
                assert answer.status == 422
            right = {"id": "11111111-2222-4333-8444-000000000002", **order_of, "count": 600}
            async with client.post("/api/v1/corrections", json=right, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            zone = await estimated(client, 600)
            assert zone["count"] == 600
        simulated.clock.busy = lambda: False
        await running
        assert monitor.live.phase is EventPhase.OVER
        (page,) = list(simulated.reports.glob("*.html"))
        report = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
        assert [one["value"] for one in report["counts"]] == [stored + 400, 600]
        (people,) = [one for one in report["zones"] if one["name"] == PEOPLE]
        assert people["estimate"]["end"]["low"] <= people["estimate"]["end"]["high"]
        assert people["count"] == monitor.live.occupancies[PEOPLE].count
        text = page.read_text(encoding="utf-8")
        assert "Conteos hechos aparte" in text
        assert "La franja: entre cuánto y cuánto estaba" in text
        assert len(await asyncio.to_thread(learned, simulated)) == 1  # what the event says to later ones
