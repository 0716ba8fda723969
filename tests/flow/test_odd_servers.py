"""Whole events with servers that behave as none should: slow ones, endless ones, ones that come late or come twice."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, END, SHORT, arranged, hours

from aforo.avigilon import pagination
from aforo.simulator import Fault, Faults, Scenario, Simulator
from aforo.simulator.serialization import AnswerError


class _Counting(Simulator):
    """How many searches there were in each minute."""

    searches: Counter[datetime]

    async def _search(self, request: web.Request) -> web.Response:
        self.searches[self.clock.now().replace(second=0, microsecond=0)] += 1
        return await super()._search(request)


async def test_after_an_outage_cameras_are_queried_together_as_before(tmp_path: Path) -> None:
    """Some common questions that fail at once, or one probe after the other, are no sign that it takes none."""
    away, back = DOORS + hours(0.3), DOORS + hours(0.5)
    scenario = Scenario(replace(SHORT, cameras=200))
    faults = Faults(9, {"away": Fault(since=away, until=back)})
    async with (
        FakeClock(DOORS - timedelta(minutes=3)) as clock,
        _Counting(scenario, clock=clock, faults=faults) as site,
    ):
        site.searches = Counter()
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        assert await simulated.run() == 6  # cameras without events, and disconnected ones
        simulated.check(scenario, SHORT.start, SHORT.end)
        minutes = {minute: site.searches[minute] for minute in sorted(site.searches)}
        before = [count for minute, count in minutes.items() if DOORS + hours(0.2) <= minute < away - hours(0.05)]
        after = [count for minute, count in minutes.items() if back + hours(0.05) <= minute < SHORT.end - hours(0.05)]
        # A tenth of the cameras' number, and at most as many again by the sweep: alone they would be 200.
        assert max(before) <= 40
        assert max(after) <= 40


class _Slow(Simulator):
    """Each search takes a second; from an instant on none is answered."""

    hangs_at = END

    async def _search(self, request: web.Request) -> web.Response:
        await self.clock.sleep(4000.0 if self.clock.now() >= self.hangs_at else 1.0)
        return await super()._search(request)


async def test_a_server_that_hangs_is_reported_soon_however_many_cameras_are_due(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = Scenario(replace(SHORT, cameras=800))
    async with FakeClock(SHORT.end - timedelta(minutes=10)) as clock, _Slow(scenario, clock=clock) as site:
        site.hangs_at = clock.now() + timedelta(seconds=150)
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        stopping = asyncio.Event()
        monitor = await asyncio.to_thread(simulated.monitor, stopping)
        running = asyncio.create_task(monitor.run())
        await clock.sleep(150.0 + 120.0)
        lost = [record for record in caplog.records if record.getMessage().startswith("Sin servidor de cámaras")]
        stopping.set()
        assert await running == 0
        assert len(lost) == 1


class _Endless(Simulator):
    """Until half past four, the pages of one camera never end, and none of them is of the window."""

    endless = 0

    async def _search(self, request: web.Request) -> web.Response:
        ours = self.scenario.allowed[3] in request.query.getall("deviceIds", [])
        if self.clock.now() >= DOORS + hours(0.5) or not (ours or request.query.get("token", "").startswith("más")):
            return await super()._search(request)
        self.endless += 1
        event = {
            "timestamp": "2020-01-01T00:00:00.000Z", "cameraId": self.scenario.allowed[3], "thisId": str(self.endless),
            "analyticEventName": "PUERTA 1",
        }  # fmt: skip
        return web.json_response({"status": "success", "result": {"events": [event], "token": f"más{self.endless}"}})


async def test_a_window_without_end_stays_open_and_is_not_queried_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_REQUESTS", 40)
    scenario = Scenario(SHORT)
    async with FakeClock(DOORS - timedelta(minutes=3)) as clock, _Endless(scenario, clock=clock) as site:
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        monitor = await asyncio.to_thread(simulated.monitor)
        running = asyncio.create_task(monitor.run())
        await clock.sleep((DOORS + hours(0.5) - clock.now()).total_seconds())
        answered = {status.feed.camera_id: status.read_until for status in monitor.live.feeds.values()}
        assert answered.pop(scenario.allowed[3]) == DOORS
        assert min(answered.values()) > DOORS + hours(0.45)
        assert site.endless <= 8 * 40
        assert await running == 0
        simulated.check(scenario, SHORT.start, SHORT.end)
    assert len([record for record in caplog.records if "no termina de dar" in record.getMessage()]) == 1


class _Beyond(Simulator):
    """What one camera has in a window comes first, and then pages without end of another camera, or of another time."""

    beyond = 0
    latency = 0.0
    at = "2020-01-01T00:00:00.000Z"  # "": of the time that is queried

    async def _search(self, request: web.Request) -> web.Response:
        token = request.query.get("token", "")
        if token.startswith("más"):
            await self.clock.sleep(self.latency)
            self.beyond += 1
            since = token.partition(" ")[2]
            event = {
                "timestamp": self.at or since, "cameraId": "4xIxOther", "thisId": str(self.beyond),
                "analyticEventName": "PUERTA 1",
            }  # fmt: skip
            result: dict[str, object] = {"events": [event]}
        else:
            response = await super()._search(request)
            if request.query.getall("deviceIds", []) != [self.scenario.allowed[3]]:
                return response
            since = request.query["from"]
            assert isinstance(response.body, bytes)
            result = json.loads(response.body)["result"]
        return web.json_response({"status": "success", "result": {**result, "token": f"más{self.beyond} {since}"}})


async def test_pages_without_end_of_another_time_cost_no_event(tmp_path: Path) -> None:
    scenario = Scenario(SHORT)
    async with FakeClock(DOORS - timedelta(minutes=3)) as clock, _Beyond(scenario, clock=clock) as site:
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        assert await simulated.run() == 0
        simulated.check(scenario, SHORT.start, SHORT.end)
        assert site.beyond < 400


@pytest.mark.parametrize("latency", [0.0, 2.0], ids=["at once", "slowly"])
async def test_of_a_window_without_end_all_counts_that_was_given_and_the_close_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latency: float
) -> None:
    """However long its requests take: one camera fails, which is no reason to close again and again."""
    monkeypatch.setattr(pagination, "MAX_REQUESTS", 40)
    scenario = Scenario(SHORT)
    given = scenario.truth().between(DOORS, DOORS + hours(0.25), scenario.allowed).zones["Campinsito"]
    async with FakeClock(SHORT.end - timedelta(minutes=10)) as clock, _Beyond(scenario, clock=clock) as site:
        site.latency, site.at = latency, ""
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0, close_patience=60.0)
        monitor = await asyncio.to_thread(simulated.monitor)
        assert await monitor.run() == 5
        assert monitor.live.occupancies["Campinsito"].entries >= given.entries > 0


class _NoTokens(Simulator):
    """Every answer carries a token, and following it is forbidden."""

    logins = 0

    async def _search(self, request: web.Request) -> web.Response:
        if request.query.get("queryType") == "CONTINUE":
            raise AnswerError(403, "not permitted.", "FORBIDDEN")
        return await super()._search(request)

    async def _login(self, request: web.Request) -> web.Response:
        self.logins += 1
        return await super()._login(request)


async def test_tokens_that_may_not_be_followed_cost_no_event_and_few_sessions(tmp_path: Path) -> None:
    scenario = Scenario(SHORT)
    async with FakeClock(DOORS - timedelta(minutes=3)) as clock, _NoTokens(scenario, clock=clock) as site:
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        assert await simulated.run() == 0
        simulated.check(scenario, SHORT.start, SHORT.end)
        assert site.logins < 40


class _HalfUp(Simulator):
    """One server of the site is still starting when the doors open: the others do not list it."""

    async def _server_ids(self, request: web.Request) -> web.Response:
        known = self.scenario.servers[: 1 if self.clock.now() < DOORS + hours(0.2) else None]
        return web.json_response({"status": "success", "result": {"servers": [one._asdict() for one in known]}})


async def test_a_server_that_appears_while_it_runs_is_queried_from_then_on(tmp_path: Path) -> None:
    scenario = Scenario(replace(SHORT, servers=2))
    async with FakeClock(DOORS - timedelta(minutes=3)) as clock, _HalfUp(scenario, clock=clock) as site:
        simulated = arranged(tmp_path, site, clock, SHORT, interval=60.0)
        monitor = await asyncio.to_thread(simulated.monitor)

        def queried() -> set[str]:
            known = monitor.live.feeds.values()
            return {status.feed.server_id for status in known if status.read_until > DOORS + hours(0.1)}

        running = asyncio.create_task(monitor.run())
        await clock.sleep(hours(0.25).total_seconds())
        assert queried() == {scenario.servers[0].id}
        await clock.sleep(hours(0.25).total_seconds())
        assert queried() == {server.id for server in scenario.servers}
        assert await running == 0
        simulated.check(scenario, SHORT.start, SHORT.end)


class _Twin(Simulator):
    """A second server that passes on what the first one has."""

    async def _server_ids(self, _: web.Request) -> web.Response:
        twins = [self.scenario.servers[0], self.scenario.servers[0]._replace(id="twin")]
        return web.json_response({"status": "success", "result": {"servers": [one._asdict() for one in twins]}})

    async def _search(self, request: web.Request) -> web.Response:
        if request.query.get("serverId") == "twin":
            url = request.rel_url.update_query(serverId=self.scenario.servers[0].id)
            return await super()._search(request.clone(rel_url=url))
        return await super()._search(request)


async def test_what_two_servers_give_is_stored_once_and_compared_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = Scenario(SHORT)
    async with FakeClock(DOORS - timedelta(minutes=3)) as clock, _Twin(scenario, clock=clock) as site:
        simulated = arranged(tmp_path, site, clock, SHORT)
        with caplog.at_level("INFO"):
            assert await simulated.run() == 0
        simulated.check(scenario, SHORT.start, SHORT.end)
    [line] = [record.getMessage() for record in caplog.records if "eventos válidos" in record.getMessage()]
    assert line.count("(diferencia 0)") == 2
