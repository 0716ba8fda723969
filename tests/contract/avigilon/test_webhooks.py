"""The client's webhooks, against the simulator."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.avigilon.sites import acc_settings

from aforo.avigilon import AvigilonClient
from aforo.clock import SystemClock
from aforo.errors import AccBadRequest, AccDenied, AccError
from aforo.redaction import Mask
from aforo.simulator import Fault, Scenario, ScenarioPlan, ServerProfile, Simulator, Webhooks

URL = "http://127.0.0.1:9/avisos"
TOKEN = b64encode(bytes(range(16))).decode()
PLAN = ScenarioPlan(datetime(2026, 1, 27, tzinfo=UTC), datetime(2026, 1, 27, tzinfo=UTC) + timedelta(hours=1), events=1)


@asynccontextmanager
async def site(mask: Mask | None = None, **profile: Any) -> AsyncIterator[tuple[AvigilonClient, Simulator]]:
    async with Simulator(Scenario(PLAN), profile=ServerProfile(**profile)) as simulator:
        settings = acc_settings(url=simulator.url, fingerprint=simulator.fingerprint)
        async with AvigilonClient(settings, SystemClock(), mask=mask) as client:
            await client.login()
            yield client, simulator


@pytest.mark.parametrize("kind", [Webhooks.WHITELIST, Webhooks.INCLUDE])
async def test_a_webhook_is_made_changed_and_deleted(kind: Webhooks) -> None:
    mask = Mask()
    async with site(mask, webhooks=kind) as (client, simulator):
        await client.webhooks.write(URL, TOKEN, 30)
        (webhook,) = await client.webhooks.listed()
        assert webhook.url == URL
        assert mask(f"x {TOKEN} y") == "x *** y"
        before = simulator.request_counts["400"]
        await client.webhooks.write(URL + "2", TOKEN, 60, webhook.id)
        assert simulator.request_counts["400"] == before  # it knows by now how this server names the topics
        assert [(one.id, one.url) for one in await client.webhooks.listed()] == [(webhook.id, URL + "2")]
        assert simulator.webhooks()[0]["heartbeat"] == {"enable": True, "frequencyMs": 60_000}
        assert list(simulator.webhooks()[0]["eventTopics"].values()) == [["DEVICE_ANALYTICS_STOP"]]  # type: ignore[attr-defined]
        await client.webhooks.delete([webhook.id])
        assert await client.webhooks.listed() == []


async def test_an_expired_session_is_renewed_once() -> None:
    async with site() as (client, simulator):
        await client.webhooks.listed()
        simulator.restart()
        assert await client.webhooks.listed() == []
        assert client.relogins == 1


@pytest.mark.parametrize(("kind", "error"), [(Webhooks.FORBIDDEN, AccDenied), (Webhooks.ABSENT, AccBadRequest)])
async def test_a_server_without_webhooks_or_rights_costs_no_login(kind: Webhooks, error: type[AccError]) -> None:
    async with site(webhooks=kind) as (client, _):
        with pytest.raises(error):
            await client.webhooks.listed()
        with pytest.raises(error):
            await client.webhooks.write(URL, TOKEN, 30)
        assert client.relogins == 0
        assert client.link_down_since is None
        assert await client.cameras()


@pytest.mark.parametrize("fault", ["error_500", "error_503", "empty_body", "cut_json", "cut_connection", "away"])
async def test_failures_of_the_server_are_acc_errors_and_say_nothing_of_the_connection(fault: str) -> None:
    async with site() as (client, simulator):
        simulator.faults.set(fault, Fault(1.0, paths=frozenset({"webhooks"})))
        with pytest.raises(AccError) as raised:
            await client.webhooks.listed()
        assert TOKEN not in str(raised.value)
        assert client.link_down_since is None
