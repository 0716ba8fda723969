"""An independent client, written against real servers, is content with the simulator."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from accapi.client import AccClientFactory

from aforo.simulator import Credentials, Scenario, ScenarioPlan, ServerProfile, Simulator, TokenHash

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
WHO = Credentials()

# accapi checks no certificate: its choice, not ours.
pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


@pytest.fixture
async def site() -> AsyncIterator[Simulator]:
    async with Simulator(Scenario(ScenarioPlan(START, START + timedelta(hours=4), events=500))) as simulator:
        yield simulator


async def test_accapi_logs_in_and_lists_the_cameras(site: Simulator) -> None:
    factory = AccClientFactory(WHO.user_nonce, WHO.user_key)
    client = await asyncio.to_thread(factory.create, site.url, WHO.username, WHO.password)
    cameras = await asyncio.to_thread(client.get_cameras, "HIGH")
    assert [camera["id"] for camera in cameras] == [camera.id for camera in site.scenario.cameras]
    assert {camera["connectionState"] for camera in cameras} == {"CONNECTED"}
    assert site.request_counts == {"login": 1, "cameras": 1, "200": 2}


@pytest.mark.parametrize(
    ("nonce", "key", "password", "status"),
    [
        ("otro", WHO.user_key, WHO.password, 403),
        (WHO.user_nonce, "otra", WHO.password, 403),
        (WHO.user_nonce, WHO.user_key, "otra", 401),
        (WHO.user_nonce, WHO.user_key, "", 400),
    ],
)
async def test_accapi_is_rejected_with_wrong_credentials(
    site: Simulator, nonce: str, key: str, password: str, status: int
) -> None:
    factory = AccClientFactory(nonce, key)
    with pytest.raises(requests.HTTPError) as refused:
        await asyncio.to_thread(factory.create, site.url, WHO.username, password)
    assert refused.value.response is not None
    assert refused.value.response.status_code == status


async def test_accapi_s_hash_is_the_default_one_and_not_the_other() -> None:
    scenario = Scenario(ScenarioPlan(START, START + timedelta(hours=4), events=0))
    async with Simulator(scenario, profile=ServerProfile(token_hash=TokenHash.NONCE_TIMESTAMP_KEY)) as other:
        factory = AccClientFactory(WHO.user_nonce, WHO.user_key)
        with pytest.raises(requests.HTTPError, match="403"):
            await asyncio.to_thread(factory.create, other.url, WHO.username, WHO.password)
