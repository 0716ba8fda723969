"""Pushes from the simulator to the receiver: hints, the webhook, forged pushes, and silence."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.contract.push.sites import START, Hints, Process, PushSite, push_site
from tests.private_ca import issue

from aforo.background import cancel_and_wait
from aforo.models import PushState
from aforo.push.inbox import Inbox
from aforo.settings import PushSettings
from aforo.simulator import Fault, Webhooks
from aforo.simulator.event_log import instant_of

OTHER_TOKEN = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PushSite]:
    async with push_site(tmp_path) as site:
        yield site


async def live(site: PushSite) -> Process:
    process = await site.start()
    await site.until(lambda: process.state is PushState.LIVE)
    return process


def event(site: PushSite, **other: Any) -> dict[str, Any]:
    camera = site.simulator.scenario.cameras[0]
    return {
        "type": "DEVICE_ANALYTICS_STOP",
        "timestamp": site.clock.now().isoformat(),
        "analyticEventName": "PUERTA 1",
        "cameraId": camera.id,
        "originatingServerId": camera.server_id,
    } | other


def notification(*events: dict[str, Any]) -> bytes:
    notifications = [{"type": "EVENT", "event": one} for one in events]
    return json.dumps({"type": "NOTIFICATION", "notifications": notifications}).encode()


async def test_every_event_becomes_a_hint_and_the_webhook_goes_at_the_end(site: PushSite) -> None:
    process = await live(site)
    (webhook,) = site.simulator.webhooks()
    assert webhook["url"] == site.settings.url
    await site.until(lambda: len(process.hints.seen) >= 30, 3700)
    scenario = site.simulator.scenario
    cameras = [camera.id for camera in scenario.cameras]
    span = (int(START.timestamp() * 1000), int((START + timedelta(hours=1)).timestamp() * 1000))
    crossings = scenario.event_log.crossings(*span, cameras)
    expected = {(one.kind.server_id, one.kind.camera_id, instant_of(one.at)) for one in crossings}
    assert set(process.hints.seen) == expected
    await process.end()
    assert site.simulator.webhooks() == []


async def test_pushes_come_over_https_with_the_token_inside(site: PushSite, tmp_path: Path) -> None:
    issued, files = issue("receptor"), (tmp_path / "certificado.pem", tmp_path / "clave.pem")
    for file, content in zip(files, (issued.certificate, issued.key), strict=True):
        await asyncio.to_thread(file.write_bytes, content)
    site.settings = PushSettings(
        url=site.settings.url.replace("http:", "https:"),
        host="127.0.0.1",
        port=site.settings.port,
        certificate_file=files[0],
        key_file=files[1],
    )
    process = await live(site)
    await site.until(lambda: process.hints.seen, 3700)
    body = json.dumps({"authenticationToken": site.token(), "type": "HELLO"}).encode()
    assert await site.post(body, "") == 200
    assert await site.post(body.replace(site.token().encode(), OTHER_TOKEN.encode()), "") == 403
    await process.end()


async def test_what_does_not_prove_itself_changes_nothing(site: PushSite, caplog: pytest.LogCaptureFixture) -> None:
    process = await live(site)
    before = (list(process.hints.seen), list(process.hints.missed))
    body = notification(event(site))
    assert await site.post(body, "") == 403
    assert await site.post(body, "AAAA") == 403
    assert await site.post(json.dumps({"authenticationToken": site.token(), "type": "HELLO"}).encode(), "") == 403
    assert await site.post(b"[" * 100_000, "x") == 403
    assert await site.post(bytes(1024 * 1024 + 1), "x") == 413
    assert await site.post(b"", method="GET") == 405
    assert (process.hints.seen, process.hints.missed) == before
    forged = [record for record in caplog.records if "no demuestra ser de ACC" in record.message]
    assert len(forged) == 1
    assert process.status.refused == 5
    assert site.token() not in caplog.text
    await process.end()


async def test_authentic_but_odd_pushes_do_no_harm(site: PushSite) -> None:
    process = await live(site)
    process.hints.missed.clear()
    camera, now = site.simulator.scenario.cameras[0], site.clock.now()
    far = [event(site, timestamp=(now + timedelta(hours=step)).isoformat()) for step in (-2, 2, -24 * 365 * 300)]
    odd = [event(site, type="DEVICE_ANALYTICS_START"), event(site, cameraId=None), event(site, timestamp=7)]
    assert await site.post(notification(*far, *odd)) == 200
    again = notification(event(site))
    for _ in range(3):
        assert await site.post(again) == 200
    await site.until(lambda: len(process.hints.seen) >= 3)
    assert set(process.hints.seen) == {(camera.server_id, camera.id, now)}
    assert process.hints.missed == []
    assert await site.post(b"[" * 100_000) == 200
    assert await site.post(notification(event(site, originatingServerId=None))) == 200
    await site.until(lambda: len(process.hints.missed) == 2)
    assert len(process.hints.seen) == 3
    await process.end()


async def test_slow_connections_and_a_flood_from_elsewhere_hold_up_no_push(site: PushSite) -> None:
    process, elsewhere = await live(site), ("127.0.0.2", 0)
    forged = b"POST /avisos HTTP/1.1\r\nHost: x\r\nAuthorization: AAAA\r\nContent-Length: 2\r\n\r\n{}"
    slow = []
    for half in (b"", b"POST /avi", forged[:-1]):
        for _ in range(30):
            _, writer = await asyncio.open_connection("127.0.0.1", site.settings.port, local_addr=elsewhere)
            writer.write(half)
            slow.append(writer)
    for _ in range(300):
        _, writer = await asyncio.open_connection("127.0.0.1", site.settings.port, local_addr=elsewhere)
        writer.write(forged)
        slow.append(writer)
    before = process.status.refused
    await site.until(lambda: len(process.hints.seen) >= 30, 3700)
    assert process.status.refused >= before > 0
    assert process.state is PushState.LIVE
    for writer in slow:
        writer.close()
    await process.end()


async def test_pushes_that_are_too_many_to_be_read_ask_for_everything_once(site: PushSite) -> None:
    hints = Hints()
    inbox = Inbox(hints, site.clock)
    body = notification(event(site), {"filler": "x" * 1_000_000})
    for _ in range(20):
        inbox.put(body)
    reading = asyncio.create_task(inbox.run())
    await site.until(lambda: hints.missed)
    assert hints.missed == ["llegaron más notificaciones de las que se pueden leer"]
    assert len(hints.seen) == 8, "what fitted is read"
    inbox.put(body)
    await site.until(lambda: len(hints.seen) == 9)
    assert len(hints.missed) == 1
    await cancel_and_wait(reading)


async def test_silence_means_that_something_may_be_missed(site: PushSite, caplog: pytest.LogCaptureFixture) -> None:
    process = await live(site)
    process.hints.missed.clear()
    site.simulator.forget_webhooks()
    silent_since = site.clock.now()
    await site.until(lambda: process.hints.missed)
    assert 60 <= (site.clock.now() - silent_since).total_seconds() <= 100
    await site.until(lambda: process.state is PushState.LIVE)
    assert len(site.simulator.webhooks()) == 1
    assert len([record for record in caplog.records if "no llegó ninguna notificación" in record.message]) == 1
    await process.end()


async def test_a_restart_of_the_server_says_hello_and_everything_is_asked(site: PushSite) -> None:
    process = await live(site)
    process.hints.missed.clear()
    site.simulator.restart()
    await site.until(lambda: process.hints.missed)
    await site.clock.sleep(1_200)
    assert process.state is PushState.LIVE
    assert len(site.simulator.webhooks()) == 1
    await process.end()


@pytest.mark.parametrize(
    ("kind", "words"), [(Webhooks.FORBIDDEN, "no deja que este usuario"), (Webhooks.ABSENT, "no tiene webhooks")]
)
async def test_a_server_that_does_not_push_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Webhooks, words: str
) -> None:
    async with push_site(tmp_path, webhooks=kind) as site:
        process = await site.start()
        await site.until(lambda: process.state is PushState.FAILING)
        await site.clock.sleep(4 * 3600)
        assert words in process.status.reason
        assert len([record for record in caplog.records if words in record.message]) == 1
        assert site.simulator.request_counts["webhooks"] < 40
        assert site.simulator.request_counts["login"] == 1
        await process.end()


async def test_an_address_that_the_server_does_not_reach_is_logged_once(
    site: PushSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.settings = PushSettings(url="http://127.0.0.1:9/avisos", host="127.0.0.1", port=site.settings.port)
    process = await site.start()
    await site.until(lambda: process.state is PushState.FAILING)
    await site.clock.sleep(4 * 3600)
    assert process.state is PushState.FAILING
    assert len([record for record in caplog.records if "no llegó ninguna notificación" in record.message]) == 1
    assert site.simulator.request_counts["webhooks"] < 100
    await process.end()
    assert site.simulator.webhooks() == []


async def test_a_failing_server_is_asked_again(site: PushSite) -> None:
    site.simulator.faults.set("error_503", Fault(1.0, times=3, paths=frozenset({"webhooks"})))
    process = await site.start()
    await site.until(lambda: process.state is PushState.LIVE, 1200)
    await process.end()


async def test_the_webhook_of_a_killed_process_is_taken_over(site: PushSite) -> None:
    killed = await live(site)
    await killed.kill()
    (left,) = site.simulator.webhooks()
    process = await live(site)
    assert [one["id"] for one in site.simulator.webhooks()] == [left["id"]]
    await process.end()
    assert site.simulator.webhooks() == []


async def test_two_processes_share_a_webhook_until_the_last_one_ends(site: PushSite) -> None:
    first = await live(site)
    second = await site.start()
    await site.clock.sleep(30)
    assert len(site.simulator.webhooks()) == 1
    await first.end()
    assert len(site.simulator.webhooks()) == 1
    await site.until(lambda: second.state is PushState.LIVE)
    await second.end()
    assert site.simulator.webhooks() == []


@pytest.mark.parametrize("seed", range(3))
async def test_processes_that_come_go_and_die_never_leave_two_webhooks(site: PushSite, seed: int) -> None:
    chance, running = Random(seed), list[Process]()
    for _ in range(12):
        action = chance.choice(["start", "start", "end", "kill", "wait"])
        if action == "start" and len(running) < 3:
            running.append(await site.start())
        elif action in {"end", "kill"} and running:
            process = running.pop(chance.randrange(len(running)))
            await (process.end() if action == "end" else process.kill())
        else:
            await site.clock.sleep(chance.choice([1, 20, 200]))
        assert len(site.simulator.webhooks()) <= 1
    for process in running:
        await process.end()
    last = await site.start()
    await site.clock.sleep(400)
    assert len(site.simulator.webhooks()) == 1
    await last.end()
    assert site.simulator.webhooks() == []
