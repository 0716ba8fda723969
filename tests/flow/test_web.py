"""The page over real HTTP, with a real database and live state; only the cameras' events are handed in."""

import asyncio
import json
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar, TCPConnector, web
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from tests.page_harness import PASSWORD, Stage, capped_zones, operators, staged

from aforo.models import EventPhase, FeedStatus, ScheduledEvent, Window
from aforo.settings import AlertsSettings, WebSettings

UUID = "11111111-2222-4333-8444-{:012d}"
TOKEN = "clave-de-lectura-1938"
OPEN = WebSettings(host="0.0.0.0", operators=operators("Ana Ruiz"), read_token=SecretStr(TOKEN))


@asynccontextmanager
async def browser(stage: Stage) -> AsyncIterator[ClientSession]:
    async with ClientSession(base_url=local(stage.url), cookie_jar=CookieJar(unsafe=True)) as client:
        yield client


def local(url: str) -> str:
    """The same port by the address of this machine."""
    return f"http://127.0.0.1:{url.rstrip('/').rpartition(':')[2]}/"


async def login(client: ClientSession, name: str = "Ana Ruiz", password: str = PASSWORD) -> dict[str, str]:
    """Log in; return the headers that a change needs."""
    async with client.post("/api/v1/session", json={"name": name, "password": password}) as answer:
        assert answer.status == 200, await answer.text()
        return {"X-CSRF-Token": (await answer.json())["csrf"]}


async def get(client: ClientSession, path: str, **more: Any) -> Any:
    async with client.get(path, **more) as answer:
        assert answer.status == 200, (path, answer.status, await answer.text())
        return await answer.json()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that is seen from outside only, ten seconds at most."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 -- what is waited for is on the other side of a socket
            await asyncio.sleep(0.02)


def correction(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": UUID.format(number), "zone": "Zona Sur", "reason": "segundo contador averiado", **more}


async def test_the_state_holds_what_is_stored_and_the_series_add_up(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(90))

        async def levels_known() -> bool:
            return all(zone["level"] != "unknown" for zone in await get(client, "/api/v1/zones"))

        await until(levels_known)
        state, series = await get(client, "/api/v1/state"), await get(client, "/api/v1/series")
        truth = stage.scenario.truth().between(stage.at(0), stage.at(90), stage.scenario.allowed)
        for zone in state["zones"]:
            true = truth.zones[zone["name"]]
            assert (zone["count"], zone["entries"], zone["exits"], zone["swallowed"]) == (
                true.aforo, true.entries, true.exits, true.swallowed,
            )  # fmt: skip
            assert series["zones"][zone["name"]]["count"][-1] == true.aforo
        assert sum(door["total"] for door in state["doors"]) == len(truth.history)
        assert state["trust"]["age"] == 0
        assert state["event"]["name"] == "Millonarios – Santa Fe"
        assert await get(client, "/api/v1/zones") == state["zones"]
        assert await get(client, "/api/v1/doors") == state["doors"]


async def test_the_next_event_is_in_the_state_and_the_close_takes_nothing_back(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        assert (await get(client, "/api/v1/state"))["next"] is None
        await stage.play(stage.at(420))
        late = ScheduledEvent(stage.event.day, "Concierto", Window(stage.at(450), stage.at(600)))
        stage.live.connect(replace(stage.live.probes, upcoming=lambda: late))
        stage.live.follow([FeedStatus(feed, stage.event.window.since) for feed in stage.live.feeds])
        stage.live.enter(stage.record, EventPhase.CLOSING)
        stage.live.notify()
        await asyncio.sleep(0.3)  # a state is made anew four times a second
        state = await get(client, "/api/v1/state")
        assert (state["next"]["name"], state["next"]["since"]) == ("Concierto", "2026-11-25T04:30:00Z")
        assert {camera["behind"] for camera in state["trust"]["cameras"]} == {0}
        assert state["trust"]["age"] == 0


async def test_the_curves_are_there_again_after_a_restart(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(60))
        before = await get(client, "/api/v1/series")
    async with staged(tmp_path) as stage, browser(stage) as client:
        after = await get(client, "/api/v1/series")
    assert (after["zones"], after["doors"]) == (before["zones"], before["doors"])


async def test_stored_events_come_page_by_page(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(40))
        seen, after = [], ""
        while after is not None:
            page = await get(client, "/api/v1/events", params={"limit": 100, "after": after})
            seen += page["events"]
            after = page["next"]
        with closing(sqlite3.connect(stage.path)) as database:
            (stored,) = database.execute("SELECT count(*) FROM aforo_events").fetchone()
        assert len(seen) == len({event["this_id"] for event in seen}) == stored > 200
        assert seen == sorted(seen, key=lambda event: event["occurred_at"])
        async with client.get("/api/v1/events", params={"after": "zzz"}) as answer:
            assert answer.status == 422


async def frames(answer: ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    kind = ""
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            kind = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield kind, json.loads(text.removeprefix("data: "))


async def test_the_stream_begins_with_everything_and_sends_changes_within_a_second(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client, client.get("/api/v1/stream") as answer:
        assert answer.content_type == "text/event-stream"
        stream = frames(answer)
        kind, state = await anext(stream)
        assert (kind, len(state["zones"])) == ("state", 4)
        await stage.play(stage.at(30))
        loop = asyncio.get_running_loop()
        stored_at = loop.time()
        series: dict[str, dict[str, list[int]]] = {}
        async with asyncio.timeout(5):
            async for kind, change in stream:
                assert kind == "change"
                state.update(change)
                for zone, minutes in change.get("patch", {}).get("zones", {}).items():
                    series.setdefault(zone, {}).update(minutes)
                if state["zones"][0]["entries"] > 0:
                    break
        assert loop.time() - stored_at < 1
        whole = await get(client, "/api/v1/series")
        for name, zone in whole["zones"].items():
            rows = zip(zone["entries"], zone["exits"], zone["net"], zone["floor"], strict=True)
            assert series[name] == {str(at): list(row) for at, row in zip(zone["minutes"], rows, strict=True)}
        async with asyncio.timeout(4):
            quiet = [(await anext(stream))[1] for _ in range(2)]
        assert all(set(change) == {"now"} for change in quiet[1:]), "a heartbeat holds the time alone"


async def test_one_address_cannot_take_every_place_on_the_stream(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, AsyncExitStack() as screens:
        client = await screens.enter_async_context(ClientSession(local(stage.url), connector=TCPConnector(limit=0)))
        answers = [await screens.enter_async_context(client.get("/api/v1/stream")) for _ in range(61)]
        assert [answer.status for answer in answers] == [200] * 60 + [503]
        assert int(answers[-1].headers["Retry-After"]) > 0


async def test_a_correction_is_applied_once_and_is_part_of_the_table(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(90))
        before = stage.live.occupancies["Zona Sur"]
        headers = await login(client)
        order = correction(delta=12)
        answers = await asyncio.gather(
            *(client.post("/api/v1/corrections", json=order, headers=headers) for _ in range(4))
        )
        assert [answer.status for answer in answers] == [200] * 4
        (stored,) = await get(client, "/api/v1/corrections")
        assert (stored["delta"], stored["author"], stored["reason"]) == (12, "Ana Ruiz", "segundo contador averiado")
        assert stage.live.occupancies["Zona Sur"] == replace(before, count=before.count + 12)
        assert aforo(stage) == before.count + 12
        undo = f"/api/v1/corrections/{order['id']}/undo"
        async with client.post(undo, json={"reason": "era otro"}, headers=headers) as answer:
            assert answer.status == 200
            assert [(one["undone"], one["delta"]) for one in await answer.json()] == [(True, 12), (False, -12)]
        async with client.post(undo, json={"reason": "era otro"}, headers=headers) as answer:
            assert answer.status == 409
        assert aforo(stage) == before.count


async def test_more_cannot_be_taken_than_is_there_and_taking_it_back_is_exact(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(60))
        before = stage.live.occupancies["Zona Sur"]
        headers = await login(client)
        order = correction(delta=-before.count - 50)
        async with client.post("/api/v1/corrections", json=order, headers=headers) as answer:
            assert [one["delta"] for one in await answer.json()] == [-before.count]
        assert stage.live.occupancies["Zona Sur"] == replace(before, count=0), (
            "no exit of a camera is unmatched by that"
        )
        async with client.post("/api/v1/corrections", json=order, headers=headers) as answer:
            assert (answer.status, len(await answer.json())) == (200, 1), "a repeated order changes nothing"
        undo = f"/api/v1/corrections/{order['id']}/undo"
        async with client.post(undo, json={"reason": "era otra zona"}, headers=headers) as answer:
            assert answer.status == 200
        assert stage.live.occupancies["Zona Sur"] == before
        assert aforo(stage) == before.count


async def test_a_zone_can_be_set_to_what_was_counted_by_hand(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(60))
        headers = await login(client)
        async with client.post("/api/v1/corrections", json=correction(count=250), headers=headers) as answer:
            assert answer.status == 200
        assert aforo(stage) == stage.live.occupancies["Zona Sur"].count == 250
        for wrong in (
            correction(2), correction(2, count=3, delta=3), correction(2, delta=3, zone="Otra"),
            correction(2, delta=3, reason=" "), {**correction(2, delta=3), "id": "x"},
        ):  # fmt: skip
            async with client.post("/api/v1/corrections", json=wrong, headers=headers) as answer:
                assert answer.status in {409, 422}
                assert "error" in await answer.json()
        assert len(stage.live.corrections) == 1


def aforo(stage: Stage) -> int:
    with closing(sqlite3.connect(stage.path)) as database:
        (count,) = database.execute("SELECT aforo FROM Aforo_parqueadero_SUR").fetchone()
    return int(count)


async def provisional(client: ClientSession, *, expected: bool) -> bool:
    state = await get(client, "/api/v1/state")
    return bool(state["zones"][0]["provisional"]) is expected and state["trust"]["database"]["up"] is not expected


async def test_while_the_database_is_away_the_count_goes_on_and_nothing_is_corrected(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(60))
        headers = await login(client)
        with closing(sqlite3.connect(stage.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await stage.play(stage.at(80), stored=False)
            await until(lambda: provisional(client, expected=True))
            state = await get(client, "/api/v1/state")
            truth = stage.scenario.truth().between(stage.at(0), stage.at(80), stage.scenario.allowed)
            assert {zone["name"]: zone["count"] for zone in state["zones"]} == {
                name: zone.aforo for name, zone in truth.zones.items()
            }
            assert state["zones"][0]["stored"] < state["zones"][0]["count"]
            assert sum(door["total"] for door in state["doors"]) == len(truth.history)
            assert (state["trust"]["database"]["up"], state["trust"]["pending"] > 0) == (False, True)
            async with client.post("/api/v1/corrections", json=correction(delta=5), headers=headers) as answer:
                assert answer.status == 503
                assert "no se ha corregido nada" in (await answer.json())["error"]
            async with client.get("/ready") as answer:
                assert answer.status == 503
            other.execute("ROLLBACK")
        await stage.database.drain()
        await until(lambda: provisional(client, expected=False))
        state = await get(client, "/api/v1/state")
        assert {zone["name"]: zone["stored"] for zone in state["zones"]} == {
            name: zone.aforo for name, zone in truth.zones.items()
        }
        assert await get(client, "/api/v1/corrections") == []


async def test_who_may_see_and_who_may_correct(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=OPEN) as stage, browser(stage) as client:
        for path in ("state", "zones", "series", "doors", "events", "alerts", "corrections", "stream"):
            async with client.get(f"/api/v1/{path}") as answer:
                assert answer.status == 401, path
        for path in ("/metrics", "/openapi.json"):
            async with client.get(path) as answer:
                assert answer.status == 401
        await get(client, "/health")
        await get(client, "/api/v1/zones", headers={"Authorization": f"Bearer {TOKEN}"})
        async with client.get("/api/v1/zones", headers={"Authorization": "Bearer otra"}) as answer:
            assert answer.status == 401
        headers = await login(client, name="", password=TOKEN)
        assert len(await get(client, "/api/v1/zones")) == 4
        async with client.post("/api/v1/corrections", json=correction(delta=1), headers=headers) as answer:
            assert answer.status == 403
        async with client.delete("/api/v1/session", headers=headers) as answer:
            assert answer.status == 200
        async with client.get("/api/v1/zones") as answer:
            assert answer.status == 401


async def test_on_this_machine_all_may_read_but_not_through_a_proxy_nor_by_another_name(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        assert len(await get(client, "/api/v1/zones")) == 4
        for headers in ({"X-Forwarded-For": "10.0.0.9"}, {"Host": "evil.example"}, {"Forwarded": "for=10.0.0.9"}):
            async with client.get("/api/v1/zones", headers=headers) as answer:
                assert answer.status == 401, headers
        async with client.post("/api/v1/corrections", json=correction(delta=1)) as answer:
            assert answer.status == 403


async def test_another_site_cannot_make_a_browser_correct(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        headers = await login(client)
        order = correction(delta=1)
        for wrong in ({}, {"X-CSRF-Token": "x"}, {**headers, "Origin": "http://evil.example"}):
            async with client.post("/api/v1/corrections", json=order, headers=wrong) as answer:
                assert answer.status == 403
        form = {**headers, "Content-Type": "text/plain"}
        async with client.post("/api/v1/corrections", data=json.dumps(order), headers=form) as answer:
            assert answer.status == 415
        async with client.post("/api/v1/corrections", data="x" * 50_000, headers=headers) as answer:
            assert answer.status == 413
        assert not stage.live.corrections


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://["}, {"Origin": "null"}, {"Cookie": "aforo_session=é.é"}, {"Host": "[::1"}]
)
async def test_a_malformed_header_is_rejected_without_a_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        wrong = b'{"name": "\\ud800", "password": "\\ud800"}'
        headers = {"Content-Type": "application/json", **headers}
        async with client.post("/api/v1/session", data=wrong, headers=headers) as answer:
            assert 400 <= answer.status < 500
            assert "Content-Security-Policy" in answer.headers
    assert [record for record in caplog.records if record.exc_info] == []


async def test_passwords_are_not_guessed_at_speed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        statuses = []
        for number in range(10):
            async with client.post("/api/v1/session", json={"name": "Ana Ruiz", "password": str(number)}) as answer:
                statuses.append(answer.status)
        assert statuses[:6] == [401] * 6
        assert statuses[6:] == [429] * 4
        assert int(answer.headers["Retry-After"]) > 0


async def test_every_answer_keeps_browsers_safe(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        for path in ("/", "/docs", "/static/main.js", "/api/v1/state", "/nada", "/metrics"):
            async with client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "script-src 'self'" in policy
                assert "unsafe-eval" not in policy
                assert "script-src 'self' 'unsafe-inline'" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert "server" not in answer.headers


async def test_what_machines_read(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(60))
        feed = next(iter(stage.live.feeds))
        stage.change_feed(feed, failing_since=stage.at(59), error="no contesta")
        async with client.get("/metrics") as answer:
            text = await answer.text()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        zones = {sample.labels["zone"]: sample.value for sample in families["aforo_zone_occupancy"].samples}
        assert zones == {name: float(zone.count) for name, zone in stage.live.occupancies.items()}
        up = {sample.labels["camera"]: sample.value for sample in families["aforo_camera_up"].samples}
        assert up.pop(feed.camera_id) == 0
        assert set(up.values()) == {1.0}
        assert families["aforo_events_stored"].samples[0].value == stage.live.stored
        async with client.get("/ready") as answer:
            assert answer.status == 200
        stage.clock.instant += timedelta(hours=1)
        async with client.get("/ready") as answer:
            assert (answer.status, (await answer.json())["fresh"]) == (503, False)
        assert families["aforo_zone_swallowed_exits"].type == "gauge", "a late entry takes one away"
        assert families["aforo_last_stored_timestamp_seconds"].samples[0].value == stage.at(60).timestamp()
        assert {"aforo_build_info", "process_start_time_seconds"} <= set(families)
        assert faults_of(families.values()) == []
        paths = (await get(client, "/openapi.json"))["paths"]
        assert {"/api/v1/state", "/api/v1/stream", "/api/v1/corrections", "/ready"} <= set(paths)
        assert paths["/api/v1/zones"]["get"]["summary"] == "Las zonas, ahora."


def faults_of(families: Iterable[Metric]) -> list[str]:
    """Return what ``promtool check metrics`` would report of names, units, help and labels."""
    found = []
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels}
        counter = family.type == "counter"
        for wrong, why in (
            (not family.documentation, "no help"),
            (family.type == "unknown", "no type"),
            (counter and any(not sample.name.endswith("_total") for sample in family.samples), "no _total"),
            (not counter and family.name.endswith("_total"), "_total and no counter"),
            ("quantile" in labels and family.type != "summary", "quantile and no summary"),
            (re.search(r"_(ms|millis|milliseconds|minutes|hours|percent|kb)(_|$)", family.name), "no base unit"),
            (re.search(r"(counter|gauge|summary|histogram)", family.name), "its type in its name"),
        ):
            if wrong:
                found.append(f"{family.name}: {why}")
    return found


async def test_the_grafana_dashboard_uses_metrics_that_are_exported(tmp_path: Path) -> None:
    dashboard = json.loads((Path(__file__).parents[2] / "docs" / "grafana" / "aforo.json").read_text("utf-8"))
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", []))
    used = {
        word
        for word in queries.replace("(", " ").replace("{", " ").replace("[", " ").split()
        if word.startswith("aforo_")
    }
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(30))
        async with client.get("/metrics") as answer:
            samples = {
                line.split("{")[0].split(" ")[0] for line in (await answer.text()).splitlines() if line[0] != "#"
            }
            kinds = {line.split(" ")[2] for line in (await answer.text()).splitlines() if line.startswith("# TYPE")}
    assert used
    assert used <= samples | kinds
    assert {"aforo_zone_occupancy", "aforo_age_seconds", "aforo_camera_up"} <= used


class Receiver:
    """Receives webhooks: it fails the first ``failures`` times, then keeps what it is sent."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.got: list[dict[str, Any]] = []
        self._more = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        self.got.append(await request.json())
        self._more.set()
        return web.Response(status=200)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/aviso", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/aviso"
        finally:
            await runner.cleanup()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()


async def test_an_alert_goes_out_once_and_its_end_too_across_a_restart(tmp_path: Path) -> None:
    receiver = Receiver(failures=1)
    zones = capped_zones((100_000, 100_000, 50))
    async with receiver.listening() as url:
        alerts = AlertsSettings(webhook_url=SecretStr(url), minimum=0, silent_door=0)
        async with staged(tmp_path, alerts=alerts, zones=zones) as stage, browser(stage) as client:
            await stage.play(stage.at(100))
            await receiver.wait_for(2)
            shown = await get(client, "/api/v1/alerts")
            assert {(one["kind"], one["subject"]) for one in shown} == {
                ("zone_warning", "Zona Sur"), ("zone_full", "Zona Sur"),
            }  # fmt: skip
        assert [(one["type"], one["kind"]) for one in receiver.got] == [
            ("begin", "zone_warning"),
            ("begin", "zone_full"),
        ]
        async with staged(tmp_path, alerts=alerts, zones=zones) as stage, browser(stage) as client:
            stage.clock.instant = stage.played = stage.at(100)
            await stage.play(stage.at(101))
            headers = await login(client)
            async with client.post("/api/v1/corrections", json=correction(count=3), headers=headers) as answer:
                assert answer.status == 200
            await receiver.wait_for(4)
    ends = receiver.got[2:]
    assert [(one["type"], one["kind"]) for one in ends] == [("end", "zone_warning"), ("end", "zone_full")]
    assert {one["id"] for one in ends} == {one["id"] for one in receiver.got[:2]}


@pytest.mark.parametrize(("shape", "key"), [("teams", "attachments"), ("slack", "text")])
async def test_a_message_has_the_shape_that_its_receiver_wants(tmp_path: Path, shape: Any, key: str) -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        alerts = AlertsSettings(webhook_url=SecretStr(url), webhook_format=shape, silent_door=0, stale=86_400)
        async with staged(tmp_path, alerts=alerts, zones=capped_zones((100_000, 100_000, 50))) as stage:
            await stage.play(stage.at(100))
            await receiver.wait_for(1)
    assert key in receiver.got[0]
    assert "Zona Sur está" in json.dumps(receiver.got[0], ensure_ascii=False)


async def test_a_port_in_use_is_logged_once_and_nothing_else_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with staged(tmp_path, port=taken.getsockname()[1], wait_ready=False) as stage:
            await stage.play(stage.at(30))
            truth = stage.scenario.truth().between(stage.at(0), stage.at(30), stage.scenario.allowed)
            assert stage.live.occupancies["Zona Sur"].count == truth.zones["Zona Sur"].aforo
    logged = [record.getMessage() for record in caplog.records if "La página no se puede abrir" in record.getMessage()]
    assert len(logged) == 1
    assert "web.port" in logged[0]
