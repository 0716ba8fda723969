"""The token of a login, the session and its one renewal for all, and when a renewal is tried."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from tests.fake_clock import FakeClock
from tests.unit.avigilon.fake_transport import FakeTransport, acc_settings, failure, success

from aforo.avigilon.hedging import Hedging
from aforo.avigilon.session import RenewalPolicy, Session, authorization_token
from aforo.errors import AccBadRequest, AccRejectedLogin, AccUnreachable, BadSetting
from aforo.reference_clock import ReferenceClock

NOW = datetime(2026, 1, 27, 19, 0, 0, 999_999, tzinfo=UTC)


def test_the_token_of_the_guide() -> None:
    token = authorization_token(
        user_nonce="nonce", user_key="key", integration_id="", token_hash="timestamp+key", now=NOW
    )
    # printf 1769540400key | sha256sum
    assert token == "nonce:1769540400:" + hashlib.sha256(b"1769540400key").hexdigest()
    assert token.endswith("ca3c85a41d30122339d27b45fff1f6d0b2c0967f0432b2c1fc45f17276ecfb5f")


def test_the_token_as_the_document_writes_it_and_with_an_integration() -> None:
    token = authorization_token(
        user_nonce="nonce", user_key="key", integration_id="me", token_hash="nonce+timestamp+key", now=NOW
    )
    assert token == f"nonce:1769540400:{hashlib.sha256(b'nonce1769540400key').hexdigest()}:me"


class TestSession:
    def parts(self, **given: object) -> tuple[FakeClock, FakeTransport, Session]:
        clock, settings = FakeClock(), acc_settings(**given)
        reference = ReferenceClock(clock)
        transport = FakeTransport(reference, settings)
        return clock, transport, Session(settings, reference, transport, Hedging(clock, 30.0, 8))

    async def test_each_login_is_a_new_generation(self) -> None:
        _, transport, session = self.parts()
        assert (session.generation, session.id) == (0, "")
        await session.login()
        await session.login()
        assert (session.generation, session.id, transport.logins) == (2, "s2", 2)
        assert repr(session) == "<Session 2>"

    async def test_all_who_renew_the_same_generation_share_one_login(self) -> None:
        _, transport, session = self.parts()
        await asyncio.gather(*(session.renew(0) for _ in range(20)))
        assert transport.logins == 1
        await session.renew(0)
        assert transport.logins == 1, "there is a younger one already"

    async def test_a_rejected_login_is_not_sent_again_for_a_while(self) -> None:
        clock, transport, session = self.parts()
        transport.answers["/login"] = [failure(401, "locked")]
        for _ in range(3):
            with pytest.raises(AccRejectedLogin, match="locked"):
                await session.renew(0)
        assert transport.requests == 1
        clock.advance(30.0)
        await session.renew(0)
        assert session.generation == 1

    async def test_a_login_that_is_not_answered_may_be_sent_again_at_once(self) -> None:
        _, transport, session = self.parts()
        transport.answers["/login"] = [failure(503), failure(400), success(session="")]
        for kind in (AccUnreachable, AccBadRequest, AccUnreachable):
            with pytest.raises(kind):
                await session.renew(0)
        await session.renew(0)
        assert session.generation == 1

    async def test_missing_credentials_are_named_and_nothing_is_sent(self) -> None:
        _, transport, session = self.parts(user_key=SecretStr(""), username="")
        with pytest.raises(BadSetting, match=r"acc\.username, acc\.user_key"):
            await session.login()
        assert transport.requests == 0

    @pytest.mark.parametrize(
        ("skew", "sentence"),
        [
            (None, "No se sabe qué hora"),
            (timedelta(seconds=3), "Los relojes van bien"),
            (timedelta(minutes=3), "adelantado 3 min 0 s"),
            (timedelta(minutes=-3), "atrasado 3 min 0 s"),
        ],
    )
    async def test_a_token_that_is_not_accepted_compares_the_clocks(
        self, skew: timedelta | None, sentence: str
    ) -> None:
        clock, transport, session = self.parts()
        transport.answers["/login"] = [failure(403), failure(403)]
        if skew is not None:
            transport.dates = [clock.now() + skew]
        with pytest.raises(AccRejectedLogin, match=sentence):
            await session.login()

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_login_that_is_rejected_for_its_timestamp_is_sent_with_the_servers_time_once(
        self, status: int
    ) -> None:
        clock, transport, session = self.parts()
        theirs = clock.now() + timedelta(hours=7)
        transport.answers["/login"] = [failure(status), failure(status)]
        transport.dates = [theirs, theirs]
        with pytest.raises(AccRejectedLogin):
            await session.login()
        assert [_timestamp(body) for body in transport.bodies] == [
            int(clock.now().timestamp()),
            pytest.approx(theirs.timestamp(), abs=1),
        ]
        transport.answers["/login"] = [failure(status)]
        transport.dates = [theirs]
        await session.login()
        assert session.generation == 1

    async def test_a_login_that_is_rejected_at_the_servers_time_is_not_sent_again(self) -> None:
        clock, transport, session = self.parts()
        transport.answers["/login"] = [failure(401)]
        transport.dates = [clock.now() + timedelta(seconds=20)]
        with pytest.raises(AccRejectedLogin):
            await session.login()
        assert transport.requests == 1

    async def test_no_message_repeats_a_secret(self) -> None:
        _, transport, session = self.parts()
        secrets = ("sesion-inventada", *acc_settings().secrets())
        transport.answers["/login"] = [success(session=secrets[0]), failure(401, " ".join(secrets))]
        await session.login()
        with pytest.raises(AccRejectedLogin, match=r"\*\*\* \*\*\* \*\*\* \*\*\*") as raised:
            await session.login()
        for secret in filter(None, secrets):
            assert secret not in str(raised.value)

    async def test_a_logout_sends_the_session_once_and_raises_nothing(self) -> None:
        _, transport, session = self.parts()
        await session.logout()
        assert transport.sent == []
        await session.login()
        transport.answers["/logout"] = [AccUnreachable("roto.")]
        await session.logout()
        await session.logout()
        assert transport.sent[1:] == [("/logout", "s1")]
        assert session.id == ""


def _timestamp(body: Any) -> int:
    return int(body["authorizationToken"].split(":")[1])


class TestRenewalPolicy:
    def test_what_the_session_has_read_before_renews_it_at_once_and_for_all(self) -> None:
        policy = RenewalPolicy(FakeClock())
        policy.record_read(["a", "b"], 1)
        assert policy.should_renew(["a"], 1)
        assert policy.should_renew(["never read"], 1), "that session is given up"
        policy.record_read(["a"], 2)
        assert policy.should_renew(["a"], 2)

    def test_what_an_earlier_session_has_read_renews_it_whatever_the_trials_of_others(self) -> None:
        """Sessions that expire after a few requests: each camera is read by some of them only."""
        clock = FakeClock()
        policy = RenewalPolicy(clock)
        policy.record_read(["a"], 1)
        assert policy.should_renew(["never read"], 1)
        assert not policy.should_renew(["never read"], 2), "the trials of these have pauses"
        clock.advance(1.0)
        assert policy.should_renew(["a"], 2)
        assert not policy.should_renew(["a"], 3), "it may have lost its right"
        clock.advance(1.0)
        assert policy.should_renew(["a"], 3)

    def test_what_was_never_read_renews_on_trial_ever_less_often(self) -> None:
        clock = FakeClock()
        policy = RenewalPolicy(clock)
        trials = []
        for generation in range(1, 5):
            while not policy.should_renew(["forbidden"], generation):
                clock.advance(1.0)
            trials.append(clock.monotonic())
        assert trials == [0.0, 5.0, 15.0, 35.0]

    def test_the_pauses_end_at_five_minutes_and_start_again_after_a_quiet_time(self) -> None:
        clock = FakeClock()
        policy = RenewalPolicy(clock)
        pauses = []
        for generation in range(1, 12):
            began = clock.monotonic()
            while not policy.should_renew(["forbidden"], generation):
                clock.advance(5.0)
            pauses.append(clock.monotonic() - began)
        assert pauses[-2:] == [300.0, 300.0]
        clock.advance(601.0)
        assert policy.should_renew(["forbidden"], 12)
        clock.advance(5.0)
        assert policy.should_renew(["forbidden"], 13)
