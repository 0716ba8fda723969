"""The simulator over real HTTPS, read by a plain HTTP client: certificate, sessions, faults, the control API."""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aforo.clock import SystemClock
from aforo.errors import BadCommand
from aforo.simulator import CrowdOptions, Fault, Scenario, ScenarioPlan, ServerProfile, Simulator
from aforo.simulator.server import BASE

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
END = START + timedelta(hours=4)
SCENARIO = Scenario(ScenarioPlan(START, END, events=2_000))
CAMERA = SCENARIO.allowed[0]


class HeldClock(SystemClock):
    """The machine's clock, but the test sets the instant."""

    instant = END + timedelta(hours=1)

    def now(self) -> datetime:
        return self.instant


class Client:
    """Just enough of a client, sharing no code with the program's."""

    def __init__(self, site: Simulator, http: aiohttp.ClientSession) -> None:
        self.site = site
        self.http = http
        self.headers: dict[str, str] = {}

    async def login(self) -> str:
        who, stamp = self.site.credentials, str(int(self.site.clock.now().timestamp()))
        token = f"{who.user_nonce}:{stamp}:{sha256((stamp + who.user_key).encode()).hexdigest()}"
        body = {"username": who.username, "password": who.password, "clientName": "x", "authorizationToken": token}
        async with self.http.post(self.site.url + BASE + "login", json=body) as answer:
            session = str((await answer.json())["result"]["session"])
        self.headers = {"x-avg-session": session}
        return session

    async def get(self, path: str, **query: str) -> tuple[int, bytes]:
        async with self.http.get(self.site.url + BASE + path, params=query, headers=self.headers) as answer:
            return answer.status, await answer.read()

    async def search(self, camera: str = CAMERA) -> tuple[int, bytes]:
        return await self.get(
            "events/search",
            queryType="TIME_RANGE",
            serverId=SCENARIO.servers[0].id,
            deviceIds=camera,
            **{"from": START.isoformat().replace("+00:00", "Z"), "to": END.isoformat().replace("+00:00", "Z")},
        )

    async def control(self, path: str, body: object = None, **query: str) -> Any:
        url = f"{self.site.url}/simulator/{path}"
        asking = self.http.get(url, params=query) if body is None else self.http.post(url, json=body)
        async with asking as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


def trusting(pem: str) -> aiohttp.TCPConnector:
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as newer Pythons do by themselves
    return aiohttp.TCPConnector(ssl=context)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with (
        Simulator(SCENARIO, clock=HeldClock(), profile=ServerProfile(session_seconds=60)) as site,
        aiohttp.ClientSession(connector=trusting(site.ca_pem)) as http,
    ):
        client = Client(site, http)
        await client.login()
        yield client


async def test_the_fingerprint_is_the_certificate_s(client: Client) -> None:
    pinned = aiohttp.Fingerprint(bytes.fromhex(client.site.fingerprint))
    wrong = aiohttp.Fingerprint(bytes(32))
    async with aiohttp.ClientSession() as http:
        async with http.get(client.site.url + BASE + "health", ssl=pinned) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ServerFingerprintMismatch):
            await http.get(client.site.url + BASE + "health", ssl=wrong)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(client.site.url + BASE + "health")


async def test_every_answer_has_the_servers_clock_in_its_date(client: Client) -> None:
    for path in ("health", "cameras", "nowhere"):
        async with client.http.get(client.site.url + BASE + path) as answer:
            assert answer.headers["Date"] == "Sat, 21 Nov 2026 04:00:00 GMT"


async def test_the_session_travels_in_the_header_or_the_query_and_ends(client: Client) -> None:
    session = client.headers.pop("x-avg-session")
    assert (await client.get("sites"))[0] == 401
    assert (await client.get("sites", session=session))[0] == 200
    client.headers["x-avg-session"] = session
    assert (await client.get("server/ids"))[0] == 200
    async with client.http.post(client.site.url + BASE + "logout", json={"session": session}) as answer:
        assert answer.status == 200
    status, body = await client.get("sites")
    assert (status, json.loads(body)["meta"]["name"]) == (401, "UNAUTHORIZED")


async def test_sessions_expire_and_die_with_a_restart(client: Client) -> None:
    client.site.clock.shift(60)
    assert (await client.get("sites"))[0] == 401
    await client.login()
    assert (await client.get("sites"))[0] == 200
    await client.control("restart", {})
    assert (await client.get("sites"))[0] == 401


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [("nowhere", {}, 404), ("cameras", {"verbosity": "LOUD"}, 400), ("login", {}, 405)],
)
async def test_errors_have_their_shape(client: Client, path: str, query: dict[str, str], status: int) -> None:
    answered, body = await client.get(path, **query)
    error = json.loads(body)
    assert answered == status == error["statusCode"]
    assert error["status"] == "error"
    assert error["meta"].keys() == {"code", "name"}


async def test_a_body_must_be_json(client: Client) -> None:
    url = client.site.url + BASE + "login"
    for sent, content_type, status in ((b"{", "application/json", 400), (b"{}", "text/plain", 415)):
        async with client.http.post(url, data=sent, headers={"Content-Type": content_type}) as answer:
            assert answer.status == status


@pytest.mark.parametrize("status", [500, 503, 504])
async def test_server_errors_come_as_json_and_as_a_page(client: Client, status: int) -> None:
    client.site.faults.set(f"error_{status}", Fault())
    answers = [await client.search() for _ in range(20)]
    client.site.faults.clear()
    assert {answered for answered, _ in answers} == {status}
    assert {body[:1] for _, body in answers} == {b"{", b"<"}


async def test_bodies_can_be_empty_or_cut_short(client: Client) -> None:
    _, whole = await client.search()
    client.site.faults.set("empty_body", Fault(times=1))
    assert await client.search() == (200, b"")
    client.site.faults.set("cut_json", Fault(times=1))
    status, cut = await client.search()
    assert (status, len(cut)) == (200, len(whole) // 2)
    assert (await client.search())[0] == 200


async def test_connections_can_be_cut_before_and_in_the_middle(client: Client) -> None:
    client.site.faults.set("cut_connection", Fault(times=1))
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.search()
    client.site.faults.set("away", Fault(until=END + timedelta(hours=2)))
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.search()
    client.site.clock.shift(3600)
    await client.login()
    assert (await client.search())[0] == 200


async def test_a_hanging_request_ends_with_its_client_and_blocks_no_other(client: Client) -> None:
    client.site.faults.set("camera_hang", Fault(cameras=frozenset({CAMERA})))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.search()
    assert (await client.search(SCENARIO.allowed[1]))[0] == 200


async def test_the_simulator_ends_although_somebody_hangs() -> None:
    async with Simulator(SCENARIO, clock=HeldClock()) as site:
        http = aiohttp.ClientSession(connector=trusting(site.ca_pem))
        client = Client(site, http)
        await client.login()
        site.faults.set("hang", Fault())
        hanging = asyncio.create_task(client.search())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(hanging)
    with pytest.raises(aiohttp.ClientError):
        await hanging
    await http.close()


@pytest.mark.parametrize(("name", "status"), [("camera_400", 400), ("camera_404", 404), ("camera_500", 500)])
async def test_one_camera_can_fail(client: Client, name: str, status: int) -> None:
    client.site.faults.set(name, Fault(cameras=frozenset({CAMERA})))
    assert (await client.search())[0] == status
    assert (await client.search(SCENARIO.allowed[1]))[0] == 200


async def test_one_camera_can_send_garbage(client: Client) -> None:
    client.site.faults.set("camera_garbage", Fault(cameras=frozenset({CAMERA})))
    bodies = {(await client.search())[1] for _ in range(30)}
    assert len(bodies) > 2
    assert not any(b'"events":[' in body for body in bodies)


async def test_sessions_can_expire_at_random(client: Client) -> None:
    client.site.faults.set("expire_session", Fault(times=1))
    assert [(await client.search())[0] for _ in range(2)] == [401, 401]
    await client.login()
    assert (await client.search())[0] == 200


async def test_latency_is_real_time(client: Client) -> None:
    client.site.faults.set("latency", Fault(seconds=0.05))
    clock = SystemClock()
    await client.search()
    assert clock.monotonic() >= 0.05


async def test_unplugged_it_accepts_no_connection_and_returns_at_the_same_address(client: Client) -> None:
    await client.site.unplug()
    async with aiohttp.ClientSession(connector=trusting(client.site.ca_pem)) as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(client.site.url + BASE + "health")
        await client.site.plug_in()
        async with http.get(client.site.url + BASE + "health") as answer:
            assert answer.status == 200


async def test_a_stalled_answer_begins_and_does_not_end(client: Client) -> None:
    client.site.faults.set("stall", Fault(times=1, paths=frozenset({"events/search"})))
    stalled = asyncio.create_task(client.search())
    done, _ = await asyncio.wait({stalled}, timeout=0.3)
    assert not done
    stalled.cancel()
    assert (await client.search())[0] == 200


async def test_the_date_can_be_wrong_absent_or_the_clock_itself(client: Client) -> None:
    async def date() -> str:
        async with client.http.get(f"{client.site.url}{BASE}health") as answer:
            return answer.headers["Date"]

    right = parsedate_to_datetime(await date())
    client.site.faults.set("date", Fault(seconds=-3600))
    assert parsedate_to_datetime(await date()) == right - timedelta(hours=1)
    assert client.site.clock.now() >= right
    client.site.faults.set("no_date")
    assert await date() == ""
    client.site.faults.clear()
    shifted = await client.control("clock", {"seconds": 120})
    assert datetime.fromisoformat(shifted["now"]) == client.site.clock.now()
    assert parsedate_to_datetime(await date()) == right + timedelta(minutes=2)


async def test_cameras_can_be_reported_as_disconnected(client: Client) -> None:
    client.site.faults.set("camera_disconnected", Fault(cameras=frozenset({CAMERA})))
    _, body = await client.get("cameras")
    states = {camera["id"]: camera["connectionState"] for camera in json.loads(body)["result"]["cameras"]}
    assert states[CAMERA] == "DISCONNECTED"
    assert states[SCENARIO.allowed[1]] == "CONNECTED"


async def test_a_taken_port_is_an_error(client: Client) -> None:
    port = int(client.site.url.rpartition(":")[2])
    with pytest.raises(BadCommand, match=str(port)):
        async with Simulator(SCENARIO, port=port):
            raise AssertionError


async def test_the_control_api_has_the_truth_and_switches_faults(client: Client) -> None:
    truth = SCENARIO.truth().between(START, END, SCENARIO.allowed)
    answer = await client.control("truth", rows="1")
    assert answer["zones"] == {name: zone._asdict() for name, zone in truth.zones.items()}
    assert answer["accepted"] == truth.accepted
    assert answer["history_count"] == len(answer["history"]) == len(truth.history)
    assert answer["history"][0] == [*truth.history[0][:4], truth.history[0].timestamp.isoformat()]
    assert (await client.control("truth", until=START.isoformat()))["history_count"] == 0
    assert await client.control("faults", {"set": {"hang": {"probability": 0.5, "paths": ["x"]}, "late": None}}) == [
        "hang",
        "late",
    ]
    assert client.site.faults.get("hang") == Fault(0.5, paths=frozenset({"x"}))
    assert await client.control("faults", {"clear": ["hang"]}) == ["late"]
    assert await client.control("faults", {"clear": []}) == []
    for wrong in ({"set": {"no_such": None}}, {"set": {"hang": {"probability": 7}}}, {"on": 1}):
        async with client.http.post(f"{client.site.url}/simulator/faults", json=wrong) as response:
            assert response.status == 400
    assert (await client.control("state"))["faults"] == []
    async with client.http.get(f"{client.site.url}/simulator/crowd") as response:
        assert response.status == 404


async def test_the_control_api_has_the_truth_of_a_crowd() -> None:
    scenario = Scenario(ScenarioPlan(START, END, events=100, crowd=CrowdOptions(people=500, inside=20)))
    assert scenario.crowd is not None
    site = Simulator(scenario, clock=HeldClock())
    async with site, aiohttp.ClientSession(connector=trusting(site.ca_pem)) as http:
        client, door = Client(site, http), scenario.crowd.doors[0]
        half = START + (END - START) / 2
        assert (await client.control("crowd", at=START.isoformat()))["inside"] == 20
        at_half = await client.control("crowd", at=half.isoformat())
        assert at_half["inside"] == scenario.crowd.inside(half) > 400
        by_door = await client.control("crowd", at=half.isoformat(), camera=door)
        assert by_door["inside"] == scenario.crowd.inside(half, {door})
        assert (await client.control("crowd"))["inside"] == scenario.crowd.inside(HeldClock.instant)


async def test_crossings_added_through_the_control_api_are_served() -> None:
    scenario = Scenario(ScenarioPlan(START, END, events=0, edges=False))
    camera = scenario.allowed[0]
    async with (
        Simulator(scenario, clock=HeldClock()) as site,
        aiohttp.ClientSession(connector=trusting(site.ca_pem)) as http,
    ):
        client = Client(site, http)
        await client.login()
        added = {"camera": camera, "name": "PUERTA 1", "at": (START + timedelta(seconds=1)).isoformat()}
        numbers = await client.control("events", [added])
        truth = await client.control("truth")
        window = {"from": "2026-11-20T23:00:00Z", "to": "2026-11-20T23:00:02Z"}
        arguments = {**window, "eventTopics": "DEVICE_ANALYTICS_STOP"}
        _, body = await client.get(
            "events/search", queryType="TIME_RANGE", serverId=scenario.servers[0].id, deviceIds=camera, **arguments
        )
    assert [event["thisId"] for event in json.loads(body)["result"]["events"]] == numbers
    assert truth["history_count"] == 1


async def test_aforo_simulate_prints_its_address_and_ends_cleanly(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aforo", "simulate", "--events", "50", "--cameras", "3", "--ca-file", str(ca_file)),
        *("--start", START.isoformat(), "--now", END.isoformat(), "--speed", "10", "--faults", "late=0.5:90"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession(connector=trusting(ca_file.read_text())) as http:
        async with http.get(ready["url"] + BASE + "health") as answer:
            assert answer.status == 200
        async with http.get(ready["url"] + "/simulator/state") as answer:
            state = await answer.json()
    process.terminate()
    assert await process.wait() == 0
    assert not ca_file.exists()
    assert len(ready["cameras"]) == 3
    assert (ready["start"], ready["end"]) == ("2026-11-20T23:00:00Z", "2026-11-21T02:00:00Z")
    assert state["faults"] == ["late"]
    assert datetime.fromisoformat(state["now"]) >= END
