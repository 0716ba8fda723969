"""What the client learns of cameras' health from simulated servers, those that treat topics oddly among them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, hours

from aforo.avigilon import AvigilonClient
from aforo.errors import AccBadRequest, AccDenied, AccError, AccUnknownCamera, AccUnreachable
from aforo.models import CameraFault, HealthEvent, Window
from aforo.settings import AccSettings
from aforo.simulator import Fault, Faults, Scenario, ScenarioPlan, ServerProfile, Simulator, Topics

PLAN = ScenarioPlan(DOORS, DOORS + hours(1), seed=3, cameras=12, events=200)
SCENARIO = Scenario(PLAN)
CAMERA = SCENARIO.allowed[0]
LOST, BACK = DOORS + timedelta(minutes=5), DOORS + timedelta(minutes=9)
WINDOW = Window(DOORS, DOORS + timedelta(minutes=30))


@asynccontextmanager
async def session(topics: Topics, **faults: Fault) -> AsyncIterator[tuple[AvigilonClient, Simulator]]:
    profile = ServerProfile(topics=topics)
    async with (
        FakeClock(WINDOW.until) as clock,
        Simulator(SCENARIO, clock=clock, profile=profile, faults=Faults(3, faults)) as site,
    ):
        credentials = site.credentials
        settings = AccSettings(
            url=site.url,
            fingerprint=site.fingerprint,
            username=credentials.username,
            password=SecretStr(credentials.password),
            user_nonce=SecretStr(credentials.user_nonce),
            user_key=SecretStr(credentials.user_key),
        )
        async with AvigilonClient(settings, clock) as client:
            await client.login()
            yield client, site


async def read(client: AvigilonClient) -> list[HealthEvent]:
    return await client.health_events(SCENARIO.servers[0].id, await client.health_topics(), WINDOW)


async def test_faults_are_read_with_their_begin_and_their_end() -> None:
    fault = Fault(since=LOST, until=BACK, cameras=frozenset({CAMERA}))
    async with session(Topics.HONOURED, camera_no_video=fault) as (client, _):
        found = await read(client)
    assert HealthEvent(CAMERA, CameraFault.NO_VIDEO, LOST, on=True) in found
    assert HealthEvent(CAMERA, CameraFault.NO_VIDEO, BACK, on=False) in found


async def test_the_states_of_cameras_are_read() -> None:
    async with session(Topics.HONOURED, camera_disconnected=Fault(cameras=frozenset({CAMERA}))) as (client, _):
        states = {camera.id: camera.connected for camera in await client.connection_states()}
    assert [camera for camera, connected in states.items() if not connected] == [CAMERA]


@pytest.mark.parametrize("topics", [Topics.IGNORED, Topics.REFUSED])
async def test_a_server_that_does_not_take_several_topics_is_found_out(topics: Topics) -> None:
    async with session(topics) as (client, _):
        with pytest.raises(AccBadRequest):
            await read(client)


async def test_a_server_that_has_no_list_of_topics_is_found_out() -> None:
    async with session(Topics.UNKNOWN) as (client, _):
        with pytest.raises(AccUnknownCamera):
            await client.health_topics()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("error_500", AccUnreachable), ("expire_session", AccDenied), ("cut_connection", AccUnreachable)],
)
async def test_a_failure_is_sent_once_and_shows_nothing_of_the_server(fault: str, expected: type[AccError]) -> None:
    async with session(Topics.HONOURED) as (client, site):
        sent, logins = client.requests, client.relogins
        for _ in range(8):
            site.faults.set(fault, Fault(paths=frozenset({"cameras", "event-subtopics", "events/search"})))
            with pytest.raises(expected):
                await client.health_topics()
        assert (client.requests - sent, client.relogins - logins, client.link_down_since) == (8, 0, None)
