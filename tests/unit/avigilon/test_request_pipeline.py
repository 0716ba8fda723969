"""A read from the first attempt to its answer: lanes, renewal, errors, repetitions and liveness, without a network."""

import asyncio
import logging
import random
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.unit.avigilon.fake_transport import HANG, FakeTransport, acc_settings, failure, success

from aforo.avigilon import Lane
from aforo.avigilon.errors import NoConnection, NotTakenUp, Overdue, TimedOut
from aforo.avigilon.payloads import Listing, Server, decode_servers, result_of
from aforo.avigilon.request_pipeline import SEARCH, Request, RequestPipeline
from aforo.avigilon.transport import Response
from aforo.background import Backoff
from aforo.errors import AccBadRequest, AccDenied, AccError, AccRejectedLogin, AccUnknownCamera, AccUnreachable
from aforo.reference_clock import ReferenceClock

LIST = Request("/server/ids", ("servidores",))
ONE_ATTEMPT = Backoff(first=0.5, longest=8.0, attempts=1)


def search(camera: str, **given: Any) -> Request:
    return Request(SEARCH, (camera,), **given)


class Site:
    """A pipeline over a fake transport."""

    def __init__(self, clock: FakeClock, backoff: Backoff | None = None, **given: Any) -> None:
        settings = acc_settings(**given)
        reference = ReferenceClock(clock)
        self.transport = FakeTransport(reference, settings)
        self.pipeline = RequestPipeline(settings, reference, self.transport, backoff)

    async def read(self, request: Request = LIST) -> dict[str, Any]:
        return await self.pipeline.send(request, result_of)

    def script(self, path: str, *answers: Response | Exception) -> None:
        self.transport.answers[path] = list(answers)

    def paths(self) -> list[str]:
        return [path for path, _ in self.transport.sent]


async def test_a_read_logs_in_first_and_carries_the_session(fake_clock: FakeClock) -> None:
    site = Site(fake_clock)
    site.transport.default = success(servers=[{"id": "1", "name": "ACC-1"}])
    assert await site.pipeline.send(LIST, decode_servers) == Listing([Server("1", "ACC-1")], 0)
    await site.read(Request("/cameras", ("cámaras",), [("verbosity", "HIGH"), ("x", "ñ&")]))
    assert site.transport.sent == [("/login", ""), ("/server/ids", "s1"), ("/cameras?verbosity=HIGH&x=%C3%B1%26", "s1")]
    assert site.pipeline.logins == 1


class TestRepetition:
    @pytest.mark.parametrize("failed", [failure(500), failure(503), Response(200, b"<html>"), AccUnreachable("roto.")])
    async def test_a_failure_of_the_server_is_retried(
        self, fake_clock: FakeClock, failed: Response | Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        site = Site(fake_clock)
        site.script("/server/ids", failed, failed)
        assert await site.read()
        assert site.pipeline.retries == 2
        assert 0 < fake_clock.monotonic() < 1.5
        repeated = [one.getMessage() for one in caplog.records if one.getMessage().startswith("Se repite /server/ids")]
        assert len(repeated) == 2

    async def test_three_attempts_in_all(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        site.script("/server/ids", *[AccUnreachable(f"{number}.") for number in range(9)])
        with pytest.raises(AccUnreachable, match=r"^2\.$"):
            await site.read()
        assert site.paths() == ["/login"] + ["/server/ids"] * 3

    async def test_pauses_are_drawn_from_zero_on_and_grow(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock, Backoff(first=0.5, longest=8.0, attempts=2))
        pauses = []
        for _ in range(100):
            site.script("/server/ids", failure(500))
            before = fake_clock.monotonic()
            await site.read()
            pauses.append(fake_clock.monotonic() - before)
        assert min(pauses) < 0.15
        assert 0.35 < max(pauses) <= 0.5

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [(failure(400), AccBadRequest), (failure(404), AccUnknownCamera), (failure(405), AccBadRequest)],
    )
    async def test_what_repeating_does_not_help_is_sent_once(
        self, fake_clock: FakeClock, answer: Response, kind: type[AccError]
    ) -> None:
        site = Site(fake_clock)
        site.script("/server/ids", answer)
        with pytest.raises(kind):
            await site.read()
        assert site.pipeline.retries == 0

    @pytest.mark.parametrize(
        ("error", "idempotent", "repeated"),
        [
            (AccUnreachable("roto."), True, True),
            (NotTakenUp("ocupado."), True, True),
            (NoConnection("nadie."), True, True),
            (TimedOut("tarde."), True, False),
            (AccUnreachable("roto."), False, False),
            (NotTakenUp("ocupado."), False, True),
            (NoConnection("nadie."), False, True),
            (TimedOut("tarde."), False, False),
            (AccDenied("no."), True, False),
        ],
    )
    async def test_which_failures_are_repeated(
        self, fake_clock: FakeClock, error: AccError, idempotent: bool, repeated: bool
    ) -> None:
        site = Site(fake_clock)
        site.script(SEARCH, error)
        request = search("camera", idempotent=idempotent)
        if repeated:
            assert await site.read(request)
        else:
            with pytest.raises(type(error)):
                await site.read(request)
        assert site.pipeline.retries == repeated

    async def test_a_login_is_repeated_as_well(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        site.script("/login", failure(503), AccUnreachable("roto."))
        await site.pipeline.login()
        assert (site.pipeline.logins, site.pipeline.retries) == (1, 2)


class TestHanging:
    @pytest.mark.parametrize("request_", [LIST, Request("/cameras", ("cámaras",)), search("camera", server_id="s")])
    async def test_a_read_that_hangs_is_sent_again_beside_the_first(
        self, fake_clock: FakeClock, request_: Request
    ) -> None:
        site = Site(fake_clock)
        site.script(request_.path, HANG)
        assert await site.read(request_)
        assert site.paths() == ["/login"] + [request_.path] * 2
        assert fake_clock.monotonic() < 5
        assert site.pipeline.down_since is None

    async def test_a_login_that_hangs_is_sent_again_beside_the_first(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        site.script("/login", HANG, HANG)
        await site.pipeline.login()
        assert (site.pipeline.logins, fake_clock.monotonic()) == (1, 6)

    async def test_a_token_that_hangs_is_given_up_and_shows_nothing_of_the_server(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        for _ in range(5):
            await site.read(search("well", server_id="s"))
        began = fake_clock.monotonic()
        site.transport.default = HANG
        for camera in "abc":
            with pytest.raises(Overdue):
                await site.read(search(camera, server_id="s", idempotent=False))
        assert fake_clock.monotonic() - began == 2 + 4 + 8
        assert site.pipeline.down_since is None
        assert len(site.paths()) == 1 + 5 + 3, "none is sent twice, and there is no probe"

    async def test_a_server_that_hangs_altogether_is_lost_once_and_then_asked_once(
        self, fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        site = Site(fake_clock)
        await site.read(search("well", server_id="s"))
        site.transport.default = HANG
        answers = await asyncio.gather(
            *(site.read(search(camera, server_id="s")) for camera in "abcdef"), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {TimedOut}
        assert site.pipeline.down_since is not None
        sent = len(site.paths())
        with pytest.raises(TimedOut):
            await site.read(search("a", server_id="s"))
        assert len(site.paths()) <= sent + 2, "the request and the probe"
        assert sum(line.startswith("Sin servidor de cámaras") for line in caplog.messages) == 1
        site.transport.default = success()
        await site.read(search("a", server_id="s"))
        assert site.pipeline.down_since is None

    @pytest.mark.parametrize("share", [0.1, 0.3])
    async def test_a_server_that_answers_most_requests_is_never_lost(
        self, fake_clock: FakeClock, share: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        chance = random.Random(7)
        site = Site(fake_clock)
        site.script(SEARCH, *(HANG if chance.random() < share else success() for _ in range(1500)))
        for _ in range(60):
            await asyncio.gather(*(site.read(search(f"camera {number}", server_id="s")) for number in range(17)))
            await fake_clock.sleep(60)
        assert caplog.messages == []
        assert site.pipeline.down_since is None


class TestRenewal:
    @pytest.mark.parametrize("status", [401, 403])
    async def test_an_expired_session_is_renewed_once(self, fake_clock: FakeClock, status: int) -> None:
        site = Site(fake_clock)
        await site.read()
        site.script("/server/ids", failure(status))
        assert await site.read()
        assert site.transport.sent[2:] == [("/server/ids", "s1"), ("/login", ""), ("/server/ids", "s2")]

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_second_refusal_with_a_new_session_is_final(self, fake_clock: FakeClock, status: int) -> None:
        site = Site(fake_clock)
        site.script("/login", success(session="sesion-1"), success(session="sesion-2"))
        site.script("/server/ids", *[failure(status, "sesion-1 sesion-2")] * 2)
        with pytest.raises(AccDenied, match=rf"recién iniciada \({status}: «\*\*\* \*\*\*»\)") as raised:
            await site.read()
        assert site.paths() == ["/login", "/server/ids"] * 2
        assert (raised.value.__cause__, raised.value.__context__) == (None, None)

    async def test_a_failed_renewal_is_retried(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        await site.read()
        site.script("/server/ids", failure(401), failure(401))
        site.script("/login", failure(503))
        assert await site.read()
        assert site.paths()[2:] == ["/server/ids", "/login", "/server/ids", "/login", "/server/ids"]
        assert site.pipeline.logins == 2

    async def test_a_renewal_that_is_rejected_is_raised(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        await site.read()
        site.script("/server/ids", *[failure(401)] * 20)
        site.script("/login", failure(401, "locked"))
        results = await asyncio.gather(*(site.read() for _ in range(5)), return_exceptions=True)
        assert {type(result) for result in results} == {AccRejectedLogin}
        assert site.paths().count("/login") == 2

    async def test_what_may_not_be_read_costs_no_login_each_time(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock)
        site.script(SEARCH, *[failure(403)] * 99)
        for _ in range(10):
            with pytest.raises(AccDenied):
                await site.read(search("forbidden"))
        assert site.pipeline.logins == 2
        assert await site.read(), "the session is good for others"


class TestLiveness:
    async def test_a_server_that_nobody_reaches_is_lost_at_once(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock, ONE_ATTEMPT)
        await site.read(search("camera"))
        site.script(SEARCH, NoConnection("nadie."))
        with pytest.raises(AccUnreachable):
            await site.read(search("camera"))
        assert site.pipeline.down_since == fake_clock.now()
        await site.read(search("camera"))
        assert site.pipeline.down_since is None

    @pytest.mark.parametrize("alive", [True, False])
    async def test_in_doubt_the_last_answered_request_is_sent_again(self, fake_clock: FakeClock, alive: bool) -> None:
        site = Site(fake_clock, ONE_ATTEMPT)
        await site.read(search("well", query=[("q", "well")]))
        site.transport.default = success() if alive else AccUnreachable("roto.")
        site.script(SEARCH, *[failure(500)] * 3)
        for _ in range(3):
            with pytest.raises(AccUnreachable):
                await site.read(search("failing"))
        assert (site.pipeline.down_since is None) is alive
        assert site.paths()[-1] == f"{SEARCH}?q=well"

    async def test_a_continuation_is_never_a_probe(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock, ONE_ATTEMPT)
        await site.read(search("well", idempotent=False))
        site.script(SEARCH, *[failure(500)] * 3)
        for _ in range(3):
            with pytest.raises(AccUnreachable):
                await site.read(search("failing"))
        assert len(site.transport.sent) == 1 + 1 + 3
        assert site.pipeline.down_since is not None

    async def test_an_error_of_its_api_is_an_answer(self, fake_clock: FakeClock) -> None:
        site = Site(fake_clock, ONE_ATTEMPT)
        site.script(SEARCH, NoConnection("nadie."), failure(404))
        with pytest.raises(NoConnection):
            await site.read(search("camera"))
        assert site.pipeline.down_since is not None
        with pytest.raises(AccUnknownCamera):
            await site.read(search("camera"))
        assert site.pipeline.down_since is None


async def test_lanes_bound_the_requests_at_once(fake_clock: FakeClock) -> None:
    class Slow(FakeTransport):
        at_once = most = 0

        async def exchange(self, method: str, path: str, **given: Any) -> Response:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await fake_clock.sleep(1.0)
            self.at_once -= 1
            return await super().exchange(method, path, **given)

    settings = acc_settings(concurrency=3)
    transport = Slow(fake_clock, settings)
    pipeline = RequestPipeline(settings, ReferenceClock(fake_clock), transport)
    await pipeline.login()
    transport.most = 0
    await asyncio.gather(*(pipeline.send(search(f"suspect {n}", lane=Lane.SUSPECT), result_of) for n in range(6)))
    assert transport.most == 2
    transport.most = 0
    await asyncio.gather(*(pipeline.send(search(str(n)), result_of) for n in range(9)))
    assert transport.most == 3
