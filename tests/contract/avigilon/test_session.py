"""Sessions by real HTTPS: when another one is begun, and how few logins that takes."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.contract.avigilon.recorded_client import (
    HTML,
    NO_RETRY,
    SEARCH,
    assert_no_secret,
    client,
    error,
    events,
    pages,
)
from tests.contract.avigilon.sites import SESSION, Recorded, Reply
from tests.fake_clock import FakeClock

from aforo.avigilon import AvigilonClient
from aforo.clock import SystemClock
from aforo.errors import AccBadRequest, AccDenied, AccRejectedLogin, AccUnreachable


@pytest.mark.parametrize("status", [401, 403])
async def test_a_second_refusal_after_a_fresh_login_is_final(recorded: Recorded, status: int) -> None:
    recorded.script[SEARCH] = [error(status, SESSION)] * 2
    async with client(recorded) as acc:
        with pytest.raises(AccRejectedLogin, match="recién iniciada") as raised:
            await pages(acc, recorded)
        assert acc.relogins == 1
        assert len(await events(acc, recorded)) == 4
    assert_no_secret(raised.value)


@pytest.mark.parametrize("status", [401, 403])
async def test_what_is_denied_for_good_costs_no_login_each_time(
    recorded: Recorded, fake_clock: FakeClock, status: int
) -> None:
    recorded.script[SEARCH] = [error(status)] * 1000
    async with AvigilonClient(recorded.settings(), fake_clock, NO_RETRY) as acc:
        for _ in range(20):
            with pytest.raises(AccRejectedLogin):
                await pages(acc, recorded)
        assert recorded.logins == 2
        assert await acc.cameras(), "the session is fine for others"
        fake_clock.advance(301.0)
        for _ in range(20):
            with pytest.raises(AccRejectedLogin):
                await pages(acc, recorded)
        assert recorded.logins == 3


async def test_a_camera_that_was_denied_and_is_readable_again_may_renew_the_session(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [error(403)] * 2
    async with client(recorded) as acc:
        with pytest.raises(AccRejectedLogin):
            await pages(acc, recorded)
        assert len(await events(acc, recorded)) == 4
        recorded.expire()
        assert len(await events(acc, recorded)) == 4
        assert recorded.logins == 3


async def read_all(acc: AvigilonClient, site: Recorded, cameras: Sequence[str]) -> list[type[object]]:
    """Query each camera alone, all at once; return the type of each outcome."""
    answers = await asyncio.gather(*(pages(acc, site, [camera]) for camera in cameras), return_exceptions=True)
    return [type(answer) for answer in answers]


DOORS = [f"puerta-{number}" for number in range(40)]


async def test_cameras_that_may_not_be_read_cost_few_logins_however_many_they_are(
    recorded: Recorded, fake_clock: FakeClock
) -> None:
    async with AvigilonClient(recorded.settings(concurrency=2), fake_clock, NO_RETRY) as acc:
        recorded.denied.update(DOORS)
        for _ in range(20):
            assert await read_all(acc, recorded, DOORS) == [AccDenied] * len(DOORS)
            fake_clock.advance(30.0)
        assert recorded.logins <= 8
        recorded.denied.clear()
        assert await read_all(acc, recorded, DOORS) == [list] * len(DOORS), "at once"


async def test_rights_that_are_taken_from_all_at_once_cost_one_login(recorded: Recorded, fake_clock: FakeClock) -> None:
    async with AvigilonClient(recorded.settings(concurrency=2), fake_clock, NO_RETRY) as acc:
        assert await read_all(acc, recorded, DOORS) == [list] * len(DOORS)
        recorded.denied.update(DOORS)
        assert await read_all(acc, recorded, DOORS) == [AccDenied] * len(DOORS)
        assert recorded.logins == 2


async def test_a_session_that_expires_is_renewed_at_once_though_others_may_not_be_read(
    recorded: Recorded, fake_clock: FakeClock
) -> None:
    async with AvigilonClient(recorded.settings(concurrency=4), fake_clock, NO_RETRY) as acc:
        recorded.denied.update(DOORS[:20])
        expected = [AccDenied] * 20 + [list] * 20
        assert await read_all(acc, recorded, DOORS) == expected
        logins = recorded.logins
        for _ in range(5):
            recorded.expire()
            fake_clock.advance(1.0)
            assert await read_all(acc, recorded, DOORS[::-1]) == expected[::-1]
            logins += 1
            assert recorded.logins == logins
        recorded.expire()
        assert await pages(acc, recorded, DOORS[20:]), "several at once, and no other group was queried before"
        assert recorded.logins == logins + 1


async def test_a_server_that_drops_sessions_while_it_starts_up_is_soon_read_again(
    recorded: Recorded, fake_clock: FakeClock
) -> None:
    async with AvigilonClient(recorded.settings(), fake_clock, NO_RETRY) as acc:
        assert await read_all(acc, recorded, DOORS) == [list] * len(DOORS)
        recorded.expire()
        recorded.script[SEARCH] = [error(401)] * 2 * len(DOORS)
        assert AccDenied in await read_all(acc, recorded, DOORS)
        recorded.script.clear()
        recorded.expire()
        fake_clock.advance(5.0)
        assert await read_all(acc, recorded, DOORS) == [list] * len(DOORS)
        assert recorded.logins <= 4


async def test_a_joint_query_that_is_denied_is_not_sent_again(recorded: Recorded) -> None:
    async with client(recorded) as acc:
        alone = {camera: {(camera, recorded.window.since)} for camera in DOORS[:2]}
        recorded.script[SEARCH] = [error(403)] * 99
        for _ in range(5):
            assert not await acc.batch_limits.prove(acc.events, recorded.server_id, alone, recorded.window)
        assert recorded.logins == 2


async def test_a_rejected_renewal_is_raised_for_all_who_wait_after_one_login(recorded: Recorded) -> None:
    async with client(recorded) as acc:
        recorded.expire()
        recorded.pause = 0.01
        recorded.script["/login"] = [error(401, "locked")] * 50
        results = await asyncio.gather(*(acc.cameras() for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in results} == {AccRejectedLogin}
        assert recorded.logins == 2


async def test_a_renewal_that_fails_is_repeated(recorded: Recorded) -> None:
    async with client(recorded) as acc:
        recorded.expire()
        recorded.script["/login"] = [Reply(503), HTML]
        assert await acc.cameras()
        assert recorded.logins == 4


async def test_cancelling_one_who_waits_for_a_renewal_does_not_cancel_it_for_others(recorded: Recorded) -> None:
    async with client(recorded) as acc:
        recorded.expire()
        recorded.pause = 0.05
        impatient = asyncio.create_task(acc.cameras())
        patient = asyncio.create_task(acc.servers())
        await recorded.requests("/login", 2)
        impatient.cancel()
        assert len(await patient) == 2
        assert recorded.logins == 2


async def test_a_login_with_an_error_answer(recorded: Recorded) -> None:
    recorded.script["/login"] = [error(403), error(400), Reply(body=b'{"status":"success","result":{"session":""}}')]
    async with AvigilonClient(recorded.settings(), SystemClock(), NO_RETRY) as acc:
        with pytest.raises(AccRejectedLogin, match="Los relojes van bien"):
            await acc.login()
        with pytest.raises(AccBadRequest):
            await acc.login()
        with pytest.raises(AccUnreachable):
            await acc.login()
