"""Which cameras sent something lately, and which of them count, over the simulator."""

from datetime import timedelta

import pytest
from tests.contract.avigilon.sites import Simulated

from aforo.avigilon import (
    AvigilonClient,
    Camera,
    Server,
    cameras_that_count,
    home_servers,
    recent_sources,
    site_cameras,
)
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.models import Rule

SERVERS = [Server("one", "ACC-1"), Server("two", "ACC-2")]


@pytest.mark.parametrize(
    ("named", "expected"), [("two", ["two", "one"]), ("gone", ["one", "two"]), ("", ["one", "two"])]
)
def test_the_own_server_of_a_camera_comes_first_and_it_may_be_on_any(named: str, expected: list[str]) -> None:
    assert home_servers(Camera("camera", "Puerta", "CONNECTED", True, named), SERVERS) == expected


async def test_names_are_counted_over_the_days_before(simulated: Simulated) -> None:
    until = simulated.window.until + timedelta(days=2)
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        nothing, complete = await recent_sources(acc, simulated.camera, [simulated.server_id], until, 1)
        assert (nothing.total(), complete) == (0, True)
        assert acc.requests == 2, "a login and a search"
        names, complete = await recent_sources(acc, simulated.camera, [simulated.server_id], until, 3)
        assert names.total() >= len(simulated.instants)
        assert complete


async def test_only_cameras_with_an_event_that_a_rule_counts(simulated: Simulated) -> None:
    until = simulated.window.until
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        servers, cameras = await acc.servers(), await acc.cameras()
        sent = {
            camera.id: (await recent_sources(acc, camera.id, [camera.server_id], until, 1))[0] for camera in cameras
        }
        some_name = next(iter(sent[simulated.camera])).name
        expected = {camera for camera, sources in sent.items() if some_name in {source.name for source in sources}}
        assert simulated.camera in expected
        assert len(expected) < len(cameras)
        rules = Rules([Rule.of(f"equals:{some_name}")], ())
        counting = await cameras_that_count(acc, cameras, servers, rules=rules, until=until, days=1)
        assert {camera.id for camera in counting} == expected


async def test_a_camera_that_no_list_has_is_known_by_its_events(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list may be of one server only."""
    until = simulated.window.until
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        servers, cameras = await acc.servers(), await acc.cameras()
        sending = {camera.id for camera in cameras
                   if (await recent_sources(acc, camera.id, [simulated.server_id], until, 1))[0]}  # fmt: skip
        assert simulated.camera in sending

        async def part() -> list[Camera]:
            return [camera for camera in cameras if camera.id not in sending]

        monkeypatch.setattr(acc, "cameras", part)
        found = await site_cameras(acc, servers, until, 1)
        assert {camera.id for camera in found} == {camera.id for camera in cameras}
        assert {camera.connected for camera in found if camera.id in sending} == {None}


async def test_a_server_that_does_not_know_a_camera_is_normal(simulated: Simulated) -> None:
    until = simulated.window.until
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        names, _ = await recent_sources(acc, simulated.camera, ["gone", simulated.server_id], until, 1)
        assert names.total() > 0
        nothing, complete = await recent_sources(acc, "nobody", [simulated.server_id], until, 1)
        assert (nothing.total(), complete) == (0, True)
