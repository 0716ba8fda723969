"""What the client promises over any site: run over recorded answers and over the simulator, both real HTTPS."""

import asyncio
import logging
import ssl
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.contract.avigilon.sites import Recorded, Simulated, Site

from aforo.avigilon import AvigilonClient, fingerprint
from aforo.avigilon.tls import untrusted_certificate
from aforo.background import Backoff
from aforo.clock import SystemClock
from aforo.errors import AccRejectedLogin, AccUnreachable, AccUntrusted, BadSetting
from aforo.models import CameraEvent, Window
from aforo.reference_clock import ReferenceClock
from aforo.simulator import Fault, Faults
from aforo.simulator.shifted_clock import ShiftedClock

NO_RETRY = Backoff(first=0.5, longest=8.0, attempts=1)


async def read(acc: AvigilonClient, site: Site, window: Window | None = None) -> list[CameraEvent]:
    pages = acc.events(site.server_id, [site.camera], window or site.window)
    return [event async for page in pages for event in page.events]


def identities(events: list[CameraEvent]) -> set[tuple[str, str, datetime]]:
    return {(one.server_id, one.this_id, one.occurred_at) for one in events}


async def test_login_and_reads(site: Site) -> None:
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        await acc.login()
        servers = await acc.servers()
        cameras = await acc.cameras()
        assert site.server_id in {server.id for server in servers}
        assert site.camera in {camera.id for camera in cameras}
        assert all(camera.id for camera in cameras)
        assert acc.clock_skew == timedelta(0)
        assert (acc.requests, acc.retries, acc.relogins) == (3, 0, 0)
        assert acc.link_down_since is None
    assert site.logins == 1


async def test_a_single_server_needs_no_request(site: Site) -> None:
    async with AvigilonClient(site.settings(server_id="solo"), SystemClock()) as acc:
        assert [server.id for server in await acc.servers()] == ["solo"]
        assert acc.requests == 0


async def test_every_event_of_the_window(site: Site) -> None:
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        events = await read(acc, site)
        assert sorted(one.occurred_at for one in events) == site.instants
        assert {one.camera_id for one in events} == {site.camera}
        assert len(identities(events)) == len(site.instants)


async def test_halves_give_the_same_identities(site: Site) -> None:
    middle = site.window.since + (site.window.until - site.window.since) / 2
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        whole = await read(acc, site)
        first = await read(acc, site, Window(site.window.since, middle))
        second = await read(acc, site, Window(middle, site.window.until))
    assert identities(whole) == identities(first) | identities(second)
    assert not identities(first) & identities(second)


async def test_an_expired_session_costs_one_login_for_all_who_wait(site: Site) -> None:
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        await acc.login()
        site.expire()
        answers = await asyncio.gather(*(acc.cameras() for _ in range(20)))
        assert all(answer == answers[0] for answer in answers)
        assert site.logins == 2
        assert acc.relogins == 1


async def test_a_session_that_expires_between_two_pages(site: Site) -> None:
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        events: list[CameraEvent] = []
        async for page in acc.events(site.server_id, [site.camera], site.window):
            if not events:
                site.expire()
            events += page.events
    assert sorted(instant for _, _, instant in identities(events)) == site.instants


async def test_no_login_is_needed_first(site: Site) -> None:
    async with AvigilonClient(site.settings(), SystemClock()) as acc:
        await asyncio.gather(acc.cameras(), acc.servers())
    assert site.logins == 1


async def test_an_unknown_certificate_is_rejected_with_its_fingerprint(site: Site) -> None:
    async with AvigilonClient(site.settings(fingerprint=""), SystemClock()) as acc:
        with pytest.raises(AccUntrusted) as raised:
            await acc.login()
    colons = ":".join(site.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    assert colons in str(raised.value)
    assert "acc.fingerprint" in str(raised.value)
    assert site.logins == 0
    assert await fingerprint(site.url) == colons


async def test_another_certificate_than_the_pinned_one_sends_nothing(site: Site) -> None:
    async with AvigilonClient(site.settings(fingerprint="ab" * 32), SystemClock()) as acc:
        with pytest.raises(AccUntrusted, match=r"no es el de acc\.fingerprint") as raised:
            await acc.login()
        with pytest.raises(AccUntrusted):
            await read(acc, site)
    assert site.fingerprint[:2].upper() + ":" in str(raised.value)
    assert site.logins == 0


@pytest.mark.parametrize("write", [str, str.upper, lambda text: ":".join(text[i : i + 2] for i in range(0, 64, 2))])
async def test_a_pinned_certificate(site: Site, write: "type[str]") -> None:
    async with AvigilonClient(site.settings(fingerprint=write(site.fingerprint)), SystemClock()) as acc:
        await acc.login()
    assert site.logins == 1


async def test_a_ca_file(site: Site, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(site.ca_pem)
    async with AvigilonClient(site.settings(fingerprint="", ca_file=ca_file), SystemClock()) as acc:
        await acc.login()
    assert site.logins == 1


async def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    async with Recorded(host="127.0.0.2") as site:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(site.ca_pem)
        async with AvigilonClient(site.settings(fingerprint="", ca_file=ca_file), SystemClock()) as acc:
            with pytest.raises(AccUntrusted, match="es de otra dirección IP"):
                await acc.login()
        assert site.logins == 0


async def test_a_certificate_is_ignored_only_with_a_warning(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async with AvigilonClient(site.settings(fingerprint="", verify=False), SystemClock()) as acc:
        await acc.login()
    assert ["acc.verify" in one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [True]


@pytest.mark.parametrize("content", [b"no es un certificado", None])
async def test_a_ca_file_that_cannot_be_used(site: Site, tmp_path: Path, content: bytes | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(AccUntrusted, match=r"ca\.pem"):
        async with AvigilonClient(site.settings(fingerprint="", ca_file=ca_file), SystemClock()):
            pass


async def test_missing_credentials_are_named(site: Site) -> None:
    async with AvigilonClient(site.settings(user_key=SecretStr(""), username=""), SystemClock()) as acc:
        with pytest.raises(BadSetting, match=r"acc\.username, acc\.user_key"):
            await acc.login()
    assert site.logins == 0


async def test_joint_queries_once_they_are_proven(simulated: Simulated) -> None:
    cameras = simulated.scenario.allowed
    async with AvigilonClient(simulated.settings(), SystemClock()) as acc:
        answers: dict[str, set[tuple[str, datetime]]] = {}
        for camera in cameras:
            pages = acc.events(simulated.server_id, [camera], simulated.window)
            answers[camera] = {(one.this_id, one.occurred_at) async for page in pages for one in page.events}
        assert acc.batch_limits.max_cameras(simulated.server_id) == 1
        assert await acc.batch_limits.prove(acc.events, simulated.server_id, answers, simulated.window)
        assert acc.batch_limits.max_cameras(simulated.server_id) == 40
        acc.batch_limits.disable(simulated.server_id)
        assert acc.batch_limits.max_cameras(simulated.server_id) == 1
        assert not await acc.batch_limits.prove(acc.events, simulated.server_id, answers, simulated.window)


async def test_one_camera_that_fails_is_no_lost_server_also_when_no_other_is_queried() -> None:
    faults = Faults()
    async with (
        Simulated(faults=faults) as simulated,
        AvigilonClient(simulated.settings(), SystemClock(), NO_RETRY) as acc,
    ):
        bad, *others = simulated.scenario.allowed

        async def read_all(camera: str) -> None:
            async for _ in acc.events(simulated.server_id, [camera], simulated.window):
                pass

        async def fail(times: int) -> None:
            for _ in range(times):
                with pytest.raises(AccUnreachable):
                    await read_all(bad)

        for camera in others:
            await read_all(camera)
        faults.set("camera_500", Fault(cameras=frozenset([bad])))
        await fail(6)
        assert acc.link_down_since is None
        faults.set("error_503", Fault())
        await read_in_vain(acc, simulated, others)
        assert acc.link_down_since is not None
        await fail(2)
        assert acc.link_down_since is not None
        faults.clear("error_503")
        await fail(1)
        assert acc.link_down_since is None


async def test_the_only_camera_fails_and_the_server_with_it() -> None:
    faults = Faults()
    async with (
        Simulated(faults=faults) as simulated,
        AvigilonClient(simulated.settings(), SystemClock(), NO_RETRY) as acc,
    ):
        await acc.servers()
        faults.set("error_503", Fault())
        await read_in_vain(acc, simulated, [simulated.camera] * 3)
        assert acc.link_down_since is not None


async def read_in_vain(acc: AvigilonClient, simulated: Simulated, cameras: list[str]) -> None:
    for camera in cameras:
        with pytest.raises(AccUnreachable):
            await anext(acc.events(simulated.server_id, [camera], simulated.window))


async def test_a_wrong_password_is_not_sent_again_at_once(simulated: Simulated) -> None:
    async with AvigilonClient(simulated.settings(password=SecretStr("otra")), SystemClock()) as acc:
        with pytest.raises(AccRejectedLogin, match=r"acc\.password"):
            await acc.login()
        results = await asyncio.gather(*(acc.cameras() for _ in range(10)), return_exceptions=True)
        assert {type(one) for one in results} == {AccRejectedLogin}
    assert simulated.logins == 1


async def test_a_login_that_is_rejected_for_its_timestamp_is_sent_with_the_servers_time(simulated: Simulated) -> None:
    clock = SystemClock(starts_at=SystemClock().now() + timedelta(days=1))
    async with AvigilonClient(simulated.settings(), clock) as acc:
        await acc.login()
        assert simulated.site.request_counts["login"] == 2
        assert acc.clock_skew is not None
        assert abs(acc.clock_skew + timedelta(days=1)) < timedelta(seconds=2)


async def test_clocks_that_are_apart_are_named(simulated: Simulated) -> None:
    clock = SystemClock(starts_at=SystemClock().now() + timedelta(minutes=20))
    settings = simulated.settings(user_key=SecretStr("otra"))
    async with AvigilonClient(settings, clock) as acc:
        with pytest.raises(AccRejectedLogin, match="atrasado 20 min") as raised:
            await acc.login()
    assert simulated.site.request_counts["login"] == 2, "servers lock accounts"
    assert "acc.user_nonce" in str(raised.value)
    assert "derecho del Web Endpoint" in str(raised.value)


@pytest.mark.parametrize(("days", "code"), [(-4_000, 9), (40_000, 10)])
async def test_a_certificate_that_a_wrong_clock_refuses_is_explained_by_the_clock(
    simulated: Simulated, days: int, code: int
) -> None:
    clock = ReferenceClock(ShiftedClock(SystemClock(), days * 86_400.0))
    refusal = ssl.SSLCertVerificationError()
    refusal.verify_code = code
    error = await untrusted_certificate(simulated.site.url, refusal, clock)
    assert f"para este equipo hoy es {clock.machine_time:%Y-%m-%d}" in error.what
    assert "NTP" in error.remedy
    right = await untrusted_certificate(simulated.site.url, refusal, ReferenceClock(SystemClock()))
    assert "acc.ca_file" in right.remedy, "then it is another certificate of the chain"


async def test_the_session_ends_with_the_client(recorded: Recorded) -> None:
    async with AvigilonClient(recorded.settings(), SystemClock()) as acc:
        await acc.login()
        await acc.logout()
    assert [one.path for one in recorded.got] == ["/login", "/logout"]
    async with AvigilonClient(recorded.settings(), SystemClock()) as acc:
        await acc.login()
    assert [one.path for one in recorded.got][2:] == ["/login", "/logout"]
