"""The simulator's webhooks and pushes, over real HTTP and HTTPS, on a virtual clock."""

import asyncio
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.fake_clock import FakeClock

from aforo.simulator import Delay, Fault, Scenario, ScenarioPlan, ServerProfile, Simulator, Webhooks
from aforo.simulator.certificate import self_signed
from aforo.simulator.server import BASE

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
PLAN = ScenarioPlan(START, START + timedelta(hours=1), events=40, cameras=3, strangers=0, edges=False)
TOKEN = b64encode(bytes(range(16))).decode()
STOP = "DEVICE_ANALYTICS_STOP"


@dataclass
class Push:
    """One push as it arrived."""

    raw: bytes
    headers: Mapping[str, str]
    connection: object
    body: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw)

    @property
    def numbers(self) -> list[str]:
        return [one["event"]["thisId"] for one in self.body.get("notifications", ())]


class Receiver:
    """Takes pushes over HTTP, or HTTPS with ``tls``."""

    def __init__(self, *, tls: bool) -> None:
        self.pushes: list[Push] = []
        self.arrived = asyncio.Condition()
        self._tls = tls

    async def __aenter__(self) -> "Receiver":
        context = (await asyncio.to_thread(self_signed)).context if self._tls else None
        self._runner = web.AppRunner(self._application(), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}/avisos"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/avisos", self._take)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        push = Push(await request.read(), request.headers, request.transport)
        async with self.arrived:
            self.pushes.append(push)
            self.arrived.notify_all()
        return web.Response()

    async def wait(self, kind: str, number: int = 1) -> list[Push]:
        """Wait for so many pushes of a kind, and return all of them."""

        def found() -> list[Push]:
            return [push for push in self.pushes if push.body["type"] == kind]

        async with self.arrived:
            await self.arrived.wait_for(lambda: len(found()) >= number)
        return found()

    async def numbers(self, count: int) -> list[str]:
        """Wait for so many events, and return the ``thisId`` of all, in the order in which they arrived."""

        def found() -> list[str]:
            return [number for push in self.pushes for number in push.numbers]

        async with self.arrived:
            await self.arrived.wait_for(lambda: len(found()) >= count)
        return found()


class Site:
    """A simulator on a virtual clock, with a session."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self._http = http
        self.session = ""

    async def login(self) -> None:
        who, stamp = self.simulator.credentials, str(int(self.simulator.clock.now().timestamp()))
        token = f"{who.user_nonce}:{stamp}:{sha256((stamp + who.user_key).encode()).hexdigest()}"
        body = {"username": who.username, "password": who.password, "clientName": "x", "authorizationToken": token}
        _, answer = await self._send("POST", "login", body)
        self.session = answer["result"]["session"]

    async def webhooks(self, method: str, **body: Any) -> tuple[int, dict[str, Any]]:
        return await self._send(method, "webhooks", {"session": self.session, **body} if method != "GET" else None)

    async def create(self, url: str, *, topics: str = "whitelist", **other: Any) -> tuple[int, dict[str, Any]]:
        webhook: dict[str, Any] = {
            "url": url,
            "authenticationToken": TOKEN,
            "heartbeat": {"enable": True, "frequencyMs": 30_000},
            "eventTopics": {topics: [STOP]},
        }
        return await self.webhooks("POST", webhook=webhook | other)

    async def _send(self, method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        url, headers = self.simulator.url + BASE + path, {"x-avg-session": self.session}
        async with self._http.request(method, url, json=body, headers=headers, ssl=False) as answer:
            return answer.status, json.loads(await answer.read())


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def entered(stack: AsyncExitStack, **profile: Any) -> tuple[Site, FakeClock]:
    clock = await stack.enter_async_context(FakeClock(START))
    simulator = Simulator(Scenario(PLAN), clock=clock, profile=ServerProfile(**profile))
    await stack.enter_async_context(simulator)
    site = Site(simulator, await stack.enter_async_context(aiohttp.ClientSession()))
    await site.login()
    return site, clock


def stops(site: Site) -> list[str]:
    plan, log = site.simulator.scenario.plan, site.simulator.scenario.event_log
    cameras = [camera.id for camera in site.simulator.scenario.cameras]
    until = int(plan.end.timestamp() * 1000)
    crossings = log.crossings(int(plan.start.timestamp() * 1000), until, cameras)
    return [str(one.number) for one in sorted(crossings)]


@pytest.mark.parametrize("tls", [True, False])
async def test_every_event_is_pushed_once_with_its_proof(stack: AsyncExitStack, tls: bool) -> None:
    site, _ = await entered(stack)
    receiver = await stack.enter_async_context(Receiver(tls=tls))
    assert (await site.create(receiver.url))[0] == 200
    assert sorted(await receiver.numbers(40)) == sorted(stops(site))
    assert len({id(push.connection) for push in receiver.pushes}) == len(receiver.pushes)
    for push in receiver.pushes:
        if tls:
            assert push.body["authenticationToken"] == TOKEN
            assert "authorization" not in push.headers
        else:
            proof = b64encode(hmac.digest(b64decode(TOKEN), push.raw, sha256)).decode()
            assert push.headers["authorization"] == proof
            assert push.headers["Content-Type"] == "plain/text"
            assert "authenticationToken" not in push.body


async def test_a_heartbeat_comes_when_there_is_nothing_to_say(stack: AsyncExitStack) -> None:
    site, clock = await entered(stack)
    receiver = await stack.enter_async_context(Receiver(tls=False))
    await site.create(receiver.url, eventTopics={"whitelist": ["NONE_OF_THESE"]})
    await receiver.wait("HEARTBEAT", 4)
    assert (clock.now() - START).total_seconds() == pytest.approx(120, abs=2)
    assert not await receiver.wait("NOTIFICATION", 0)


async def test_faults_lose_double_and_delay_pushes(stack: AsyncExitStack) -> None:
    site, clock = await entered(stack)
    faults = site.simulator.faults
    faults.set("push_lost", Fault(0.3))
    faults.set("push_doubled", Fault(0.3))
    faults.set("push_late", Fault(0.5, seconds=600.0))
    receiver = await stack.enter_async_context(Receiver(tls=False))
    await site.create(receiver.url)
    await clock.sleep(3600 + 601)
    await receiver.wait("HEARTBEAT")
    arrived = await receiver.numbers(1)
    assert 0 < len(set(arrived)) < 40
    assert len(arrived) > len(set(arrived))
    assert arrived != sorted(arrived, key=int)
    assert len(set(arrived)) + site.simulator.push_counts["events_lost"] == 40


async def test_a_late_event_is_pushed_when_it_can_be_searched_or_before(stack: AsyncExitStack) -> None:
    site, clock = await entered(stack)
    site.simulator.faults.set("late", Fault(1.0, seconds=20.0, delay=Delay.FIXED))
    receiver = await stack.enter_async_context(Receiver(tls=False))
    await site.create(receiver.url)
    camera = site.simulator.scenario.allowed[0]
    add = site.simulator.scenario.add
    late = str(add(camera, "PUERTA 1", START).number)
    while late not in await receiver.numbers(0):
        await clock.sleep(1)
    assert (clock.now() - START).total_seconds() == pytest.approx(20, abs=2)
    site.simulator.faults.set("push_early")
    added_at = clock.now()
    early = str(add(camera, "PUERTA 1", added_at).number)
    while early not in await receiver.numbers(0):
        await clock.sleep(0.1)
    assert (clock.now() - added_at).total_seconds() < 1


async def test_a_restart_keeps_the_webhooks_and_says_hello(stack: AsyncExitStack) -> None:
    site, _ = await entered(stack, says_hello=False)
    receiver = await stack.enter_async_context(Receiver(tls=False))
    await site.create(receiver.url)
    site.simulator.restart()
    await receiver.wait("HELLO")
    assert len(site.simulator.webhooks()) == 1
    assert (await site.webhooks("GET"))[0] == 401


async def test_webhooks_are_listed_changed_and_deleted(stack: AsyncExitStack) -> None:
    site, _ = await entered(stack)
    _, made = await site.create("http://127.0.0.1:9/uno")
    _, listed = await site.webhooks("GET")
    (webhook,) = listed["result"]["webhooks"]
    assert (webhook["id"], webhook["url"]) == (made["result"]["id"], "http://127.0.0.1:9/uno")
    assert TOKEN not in json.dumps(listed)
    other = {"id": webhook["id"], "url": "http://127.0.0.1:9/dos", "authenticationToken": TOKEN}
    assert (await site.webhooks("PUT", webhook=other))[0] == 200
    assert [one["url"] for one in site.simulator.webhooks()] == ["http://127.0.0.1:9/dos"]
    assert (await site.webhooks("DELETE", ids=[webhook["id"]]))[0] == 200
    assert (await site.webhooks("DELETE", ids=[webhook["id"]]))[0] == 404
    assert site.simulator.webhooks() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"authenticationToken": b64encode(bytes(15)).decode()},
        {"authenticationToken": "ñ"},
        {"heartbeat": {"enable": True, "frequencyMs": 29_999}},
        {"eventTopics": {"include": [STOP]}},
        {"url": "ftp://127.0.0.1/"},
    ],
    ids=str,
)
async def test_a_wrong_webhook_is_rejected(stack: AsyncExitStack, wrong: dict[str, Any]) -> None:
    site, _ = await entered(stack)
    assert (await site.create(**{"url": "http://127.0.0.1:9/", **wrong}))[0] == 400
    assert site.simulator.webhooks() == []


async def test_other_versions_name_the_topics_otherwise_or_have_no_webhooks(stack: AsyncExitStack) -> None:
    url = "http://127.0.0.1:9/"
    for kind, topics, status in (
        (Webhooks.INCLUDE, "include", 200),
        (Webhooks.INCLUDE, "whitelist", 400),
        (Webhooks.FORBIDDEN, "whitelist", 403),
        (Webhooks.ABSENT, "whitelist", 404),
    ):
        async with AsyncExitStack() as inner:
            site, _ = await entered(inner, webhooks=kind)
            assert (await site.create(url, topics=topics))[0] == status
