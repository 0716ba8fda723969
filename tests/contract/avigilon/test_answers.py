"""Every answer that a real site may give, by real HTTPS: what the client makes of it, and what it never prints."""

import asyncio
import json
import logging
from datetime import datetime, timedelta

import aiohttp
import pytest
from pydantic import SecretStr
from tests.contract.avigilon.recorded_client import (
    HTML,
    NO_RETRY,
    QUICK,
    SEARCH,
    assert_no_secret,
    client,
    error,
    events,
    pages,
)
from tests.contract.avigilon.sites import API, SESSION, Recorded, Reply, Simulated, recording
from tests.fake_clock import FakeClock

from aforo.avigilon import AvigilonClient, Lane
from aforo.clock import SystemClock
from aforo.errors import AccBadRequest, AccError, AccRejectedLogin, AccUnknownCamera, AccUnreachable
from aforo.models import Page
from aforo.simulator import DeviceIds, Faults, Order, ServerProfile, Tokens

EMPTY = Reply(headers={"Content-Type": "application/json"})
CUT_JSON = Reply(body=recording("events_first")[:500], headers={"Content-Type": "application/json"})
CUT = Reply(body=recording("events_first")[:500], cut=True)
OTHER_JSON = Reply(body=b'{"hello": "world"}')
OTHER_SHAPE = Reply(body=b'{"status": "success", "result": {"events": "?"}}')
ARRAY = Reply(body=b"[]")
BAD_HTTP = Reply(close=True)


async def test_what_is_sent(recorded: Recorded) -> None:
    async with client(recorded) as acc:
        got = await pages(acc, recorded, [recorded.camera, "otra"])
        await acc.cameras()
    login, first, second, third, cameras, logout = recorded.got
    assert (login.method, login.path) == ("POST", "/login")
    body = json.loads(login.body)
    assert list(body) == ["username", "password", "clientName", "authorizationToken"]
    assert body["username"] == "monitor"
    assert body["clientName"] == "aforo"
    assert first.raw == (
        f"{API}/events/search?queryType=TIME_RANGE&from=2026-01-17T21%3A35%3A00.000Z&to=2026-01-17T21%3A37%3A00.000Z"
        f"&serverId={recorded.server_id}&eventTopics=DEVICE_ANALYTICS_STOP"
        f"&deviceIds={recorded.camera}&deviceIds=otra&limit=1000"
    )
    assert second.raw == f"{API}/events/search?queryType=CONTINUE&token=WTJ%2Bb250aW51YQ%2F%2B%3D%3D"
    assert third.raw.endswith("%3D2")
    assert cameras.raw == f"{API}/cameras?verbosity=HIGH"
    assert json.loads(logout.body) == {"session": SESSION}
    for one in (first, second, third, cameras):
        assert one.headers["x-avg-session"] == SESSION
        assert SESSION not in one.raw
    assert [[one.reason for one in page.malformed] for page in got[:2]] == [[], ["sin timestamp", "otro tipo"]]
    assert [page.read_until for page in got] == [None, None, recorded.window.until]
    assert [event.this_id for event in got[0].events[:2]] == ["32732", "32733"]
    assert got[0].events[2].this_id.startswith("~")
    assert got[0].events[2].this_id.endswith(".0")
    assert [event.server_id for page in got for event in page.events] == [recorded.server_id] * 4


@pytest.mark.parametrize(
    "reply",
    [
        HTML, EMPTY, CUT_JSON, CUT, OTHER_JSON, OTHER_SHAPE, ARRAY, BAD_HTTP, Reply(503), Reply(500), error(500),
        error(507), error(503, http=200), Reply(404, b"<html>"), Reply(429), error(408),
    ],
)  # fmt: skip
class TestTrouble:
    async def test_it_is_repeated(self, recorded: Recorded, reply: Reply) -> None:
        recorded.script[SEARCH] = [reply, reply]
        async with client(recorded) as acc:
            assert len(await events(acc, recorded)) == 4
            assert acc.retries == 2

    async def test_it_is_raised_after_the_last_attempt(self, recorded: Recorded, reply: Reply) -> None:
        recorded.script[SEARCH] = [reply] * 9
        async with client(recorded) as acc:
            with pytest.raises(AccUnreachable) as raised:
                await pages(acc, recorded)
            assert acc.retries == 2
        assert_no_secret(raised.value)

    async def test_it_is_raised_at_once_without_repetitions(self, recorded: Recorded, reply: Reply) -> None:
        recorded.script[SEARCH] = [reply] * 9
        async with client(recorded, NO_RETRY) as acc:
            with pytest.raises(AccUnreachable):
                await pages(acc, recorded)
            assert acc.retries == 0

    async def test_at_a_login(self, recorded: Recorded, reply: Reply) -> None:
        recorded.script["/login"] = [reply] * 3
        async with AvigilonClient(recorded.settings(), SystemClock(), QUICK) as acc:
            with pytest.raises(AccUnreachable) as raised:
                await acc.login()
            await acc.login()
        assert_no_secret(raised.value)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400), AccBadRequest),
        (error(409), AccBadRequest),
        (error(413), AccBadRequest),
        (error(415), AccBadRequest),
        (error(405), AccBadRequest),
        (error(400, http=200), AccBadRequest),
        (Reply(400, b"<html>"), AccBadRequest),
        (error(404, "camera not found."), AccUnknownCamera),
        (error(404, http=200), AccUnknownCamera),
    ],
)
async def test_what_repeating_would_not_help_is_sent_once(
    recorded: Recorded, reply: Reply, kind: type[AccError]
) -> None:
    recorded.script[SEARCH] = [reply] * 3
    async with client(recorded) as acc:
        with pytest.raises(kind) as raised:
            await pages(acc, recorded)
        assert acc.retries == 0
        assert len(recorded.script[SEARCH]) == 2
    assert_no_secret(raised.value)


async def test_the_servers_message_is_quoted_without_our_secrets(recorded: Recorded) -> None:
    words = f"bad\nsession {SESSION} clave-inventada llave-inventada nonce-inventado {'x' * 500}"
    recorded.script[SEARCH] = [error(400, words)]
    async with client(recorded) as acc:
        with pytest.raises(AccBadRequest, match=r"\(400: «bad session \*\*\* ") as raised:
            await pages(acc, recorded)
    assert_no_secret(raised.value)
    assert len(str(raised.value)) < 400


async def test_a_redirect_is_not_followed(recorded: Recorded) -> None:
    target = f"https://elsewhere.example:8443/x?session={SESSION}"
    recorded.script[SEARCH] = [Reply(302, headers={"Location": target})]
    recorded.script["/login"] = [Reply(307, headers={"Location": f"{recorded.url}{API}/otra"})]
    async with AvigilonClient(recorded.settings(), SystemClock(), QUICK) as acc:
        with pytest.raises(AccBadRequest, match=r"307, hacia 127\.0\.0\.1"):
            await acc.login()
        await acc.login()
        with pytest.raises(AccBadRequest, match=r"302, hacia elsewhere\.example") as raised:
            await pages(acc, recorded)
    assert {one.path for one in recorded.got} == {"/login", SEARCH, "/logout"}
    assert_no_secret(raised.value)


async def test_a_body_without_end_is_cut(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(body=b" " * (65 * 1024 * 1024))]
    async with client(recorded, NO_RETRY) as acc:
        with pytest.raises(AccUnreachable, match="64 MB"):
            await pages(acc, recorded)


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(trickle=True, body=b'{"status": "success", ')])
async def test_an_answer_that_never_comes_whole_is_asked_for_again(recorded: Recorded, reply: Reply) -> None:
    recorded.script[SEARCH] = [reply]
    async with client(recorded) as acc:
        assert sum(len(page.events) for page in await pages(acc, recorded)) == len(recorded.instants)
        assert acc.retries == 0
    first, again, *_ = (one for one in recorded.got if one.path == SEARCH)
    assert first.raw == again.raw


async def test_a_mark_before_every_answer_is_skipped(recorded: Recorded) -> None:
    mark = b"\xef\xbb\xbf"
    recorded.answers = {path: mark + body for path, body in recorded.answers.items()}
    plain = recorded.first, recorded.next, recorded.last
    recorded.first, recorded.next, recorded.last = (mark + page for page in plain)
    async with client(recorded) as acc:
        marked = await pages(acc, recorded)
        assert await acc.cameras()
        recorded.first, recorded.next, recorded.last = plain
        assert marked == await pages(acc, recorded)
    assert sum(len(page.events) for page in marked) > 0


async def test_an_answer_without_events_is_an_empty_one(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(body=b'{"status": "success", "result": {}}')]
    async with client(recorded) as acc:
        assert await pages(acc, recorded) == [Page([], [], recorded.window.until)]


@pytest.mark.parametrize("lost", [CUT, BAD_HTTP])
async def test_a_lost_continuation_is_not_repeated_but_its_window_is(recorded: Recorded, lost: Reply) -> None:
    recorded.script[SEARCH] = [Reply(body=recording("events_first")), lost]
    async with client(recorded) as acc:
        got = {(one.this_id, one.occurred_at) for one in await events(acc, recorded)}
        assert len(got) == 4
        assert acc.retries == 0
    kinds = ["CONTINUE" in one.raw for one in recorded.got if one.path == SEARCH]
    assert kinds == [False, True, False, True, True]


async def test_a_continuation_that_was_not_begun_with_is_repeated(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(body=recording("events_first")), Reply(503)]
    async with client(recorded) as acc:
        assert len(await events(acc, recorded)) == 4
        assert acc.retries == 1


async def test_a_token_that_expires_does_not_fail_the_camera(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(body=recording("events_first")), error(404, "token")]
    async with client(recorded) as acc:
        assert len({(one.this_id, one.occurred_at) for one in await events(acc, recorded)}) == 4


async def test_no_more_requests_at_once_than_allowed(recorded: Recorded) -> None:
    async with client(recorded, concurrency=3) as acc:
        recorded.pause = 0.01
        await asyncio.gather(*(acc.cameras() for _ in range(12)))
    assert recorded.most_at_once == 3


async def test_hanging_suspects_do_not_hold_up_others(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(hang=True)] * 20
    async with client(recorded, concurrency=2) as acc:
        suspects = [asyncio.create_task(pages(acc, recorded, lane=Lane.SUSPECT)) for _ in range(10)]
        await recorded.requests(SEARCH, 2)
        assert await asyncio.wait_for(acc.cameras(), 2)
        assert len([one for one in recorded.got if one.path == SEARCH]) == 2
        for task in suspects:
            task.cancel()
        await asyncio.gather(*suspects, return_exceptions=True)


async def test_timeouts_and_pauses_follow_the_clock(recorded: Recorded, fake_clock: FakeClock) -> None:
    async with AvigilonClient(recorded.settings(timeout=300), fake_clock) as acc:
        await acc.login()
        recorded.script[SEARCH] = [Reply(hang=True)] * 2
        with pytest.raises(AccUnreachable, match="no contestó en 300 s"):
            await pages(acc, recorded)
        assert fake_clock.monotonic() == 300
        assert acc.retries == 0
        recorded.script[SEARCH] = [Reply(503)] * 2
        assert len(await events(acc, recorded)) == 4
        assert 300 < fake_clock.monotonic() < 301.5


async def test_a_lost_server_is_logged_once_and_its_return_too(
    recorded: Recorded, caplog: pytest.LogCaptureFixture, fake_clock: FakeClock
) -> None:
    async with AvigilonClient(recorded.settings(), fake_clock) as acc:
        await acc.login()
        lost_at = fake_clock.now()
        await recorded.unplug()
        recorded.script["/cameras"] = [BAD_HTTP] * 9
        for _ in range(3):
            results = await asyncio.gather(*(acc.cameras() for _ in range(8)), return_exceptions=True)
            assert {type(one) for one in results} == {type(results[0])}
            assert isinstance(results[0], AccUnreachable)
        assert acc.link_down_since is not None
        assert acc.link_down_since - lost_at < timedelta(seconds=5)
        fake_clock.advance(200)
        recorded.script.clear()
        await recorded.plug_in()
        assert await acc.cameras()
        assert acc.link_down_since is None
    messages = of_connectivity(caplog)
    assert len(messages) == 2
    assert messages[0].startswith("Sin servidor de cámaras 127.0.0.1")
    assert "vuelve a contestar, tras 3 min 2" in messages[1]


def of_connectivity(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.INFO and record.name == "aforo.avigilon.connectivity"
    ]


async def test_one_camera_that_fails_is_not_a_lost_server(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    async with client(recorded) as acc:
        for _ in range(5):
            recorded.script[SEARCH] = [error(500)] * 3
            bad, good = await asyncio.gather(pages(acc, recorded), acc.cameras(), return_exceptions=True)
            assert isinstance(bad, AccUnreachable)
            assert isinstance(good, list)
            assert acc.link_down_since is None
    assert not of_connectivity(caplog)


@pytest.mark.parametrize("living", [True, False])
async def test_a_slow_server_is_not_lost_while_one_camera_fails(
    recorded: Recorded, fake_clock: FakeClock, living: bool
) -> None:
    recorded.clock = fake_clock
    slow = Reply(body=b'{"status": "success", "result": {}}', seconds=25)
    beside = slow
    recorded.script[SEARCH] = [slow, beside, error(500), error(500), error(500), slow if living else Reply(hang=True)]
    async with AvigilonClient(recorded.settings(), fake_clock, NO_RETRY) as acc:
        assert await pages(acc, recorded, ["otra"]) == [Page([], [], recorded.window.until)]
        for _ in range(3):
            with pytest.raises(AccUnreachable):
                await pages(acc, recorded)
        assert (acc.link_down_since is None) is living
        assert fake_clock.monotonic() <= 25 + 50


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("tokens", list(Tokens))
@pytest.mark.parametrize("inclusive", [False, True])
async def test_every_kind_of_paging(order: Order, tokens: Tokens, inclusive: bool) -> None:
    behaviour = ServerProfile(order=order, tokens=tokens, to_inclusive=inclusive, this_id=inclusive)
    async with Simulated(behaviour) as site, AvigilonClient(site.settings(), SystemClock()) as acc:
        for camera in site.scenario.allowed:
            found = acc.events(site.server_id, [camera], site.window)
            seen = {(one.this_id, one.occurred_at) async for page in found for one in page.events}
            assert sorted(instant for _, instant in seen) == site.instants_of(camera)


@pytest.mark.parametrize("device_ids", list(DeviceIds))
async def test_only_answers_prove_joint_queries(device_ids: DeviceIds) -> None:
    async with (
        Simulated(ServerProfile(device_ids=device_ids)) as site,
        AvigilonClient(site.settings(), SystemClock()) as acc,
    ):
        answers = {}
        for camera in site.scenario.allowed:
            found = acc.events(site.server_id, [camera], site.window)
            answers[camera] = {(one.this_id, one.occurred_at) async for page in found for one in page.events}
            assert sorted(instant for _, instant in answers[camera]) == site.instants_of(camera)
        proven = await acc.batch_limits.prove(acc.events, site.server_id, answers, site.window)
        assert proven is (device_ids in {DeviceIds.HONOURED, DeviceIds.IGNORED})
        assert acc.batch_limits.max_cameras(site.server_id) == (40 if proven else 1)


async def test_one_camera_alone_proves_nothing(simulated: Simulated) -> None:
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        alone: dict[str, set[tuple[str, datetime]]] = {simulated.camera: {("1", simulated.window.since)}, "otra": set()}
        assert not await acc.batch_limits.prove(acc.events, simulated.server_id, alone, simulated.window)
        assert acc.requests == 0


async def test_all_faults_at_once_lose_nothing() -> None:
    async with Simulated(faults=Faults.all(7)) as site:
        for name in ("hang", "late", "malformed"):
            site.site.faults.clear(name)
        async with AvigilonClient(site.settings(timeout=2), SystemClock(), QUICK) as acc:
            for camera in site.scenario.allowed:
                seen = await patiently(acc, site, camera)
                assert sorted(instant for _, instant in seen) == site.instants_of(camera)


async def patiently(acc: AvigilonClient, site: Simulated, camera: str) -> set[tuple[str, datetime]]:
    for _ in range(50):
        found = acc.events(site.server_id, [camera], site.window)
        try:
            return {(one.this_id, one.occurred_at) async for page in found for one in page.events}
        except (AccUnreachable, AccRejectedLogin):
            continue
    raise AssertionError("never answered")


async def test_aiohttps_own_exceptions_hold_no_session(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(raw=b"HTTP/9 what\r\n\r\n")]
    async with client(recorded, NO_RETRY) as acc:
        with pytest.raises(AccUnreachable) as raised:
            await pages(acc, recorded)
    cause = raised.value.__cause__
    assert isinstance(cause, aiohttp.ClientResponseError)
    assert_no_secret(raised.value)


def test_a_client_prints_no_secret(recorded: Recorded) -> None:
    acc = AvigilonClient(recorded.settings(password=SecretStr("clave-inventada")), SystemClock())
    assert repr(acc) == f"<AvigilonClient {recorded.url.removeprefix('https://')}>"
