"""The small parts of the ACC room: the token, the pauses, the spans, names for unnamed events, the link."""

import hashlib
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fake_clock import FakeClock

from aforo.avigilon import NO_RETRY, RetryPolicy
from aforo.avigilon.auth import authorization_token
from aforo.avigilon.connectivity import ConnectionMonitor
from aforo.avigilon.errors import NoConnection
from aforo.avigilon.identity import content_hash, numbered
from aforo.avigilon.spans import Span
from aforo.avigilon.transport import instant_text
from aforo.errors import AccUnreachable
from aforo.models import CameraEvent, Window

NOW = datetime(2026, 1, 27, 19, 0, 0, 999_999, tzinfo=UTC)
EVENT = CameraEvent("server", "", NOW.replace(microsecond=48_000), "camera", "PUERTA 12", "", "ENTER")


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


def test_pauses_grow_and_are_drawn_from_zero_on() -> None:
    policy = RetryPolicy()
    drawn = [[policy.pause(failures) for _ in range(300)] for failures in range(1, 8)]
    for pauses, ceiling in zip(drawn, [0.5, 1, 2, 4, 8, 8, 8], strict=True):
        assert 0 <= min(pauses) < ceiling / 4
        assert ceiling * 3 / 4 < max(pauses) <= ceiling
    assert NO_RETRY.attempts == 1


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- made UTC below
    st.integers(1, 10_000_000),
    st.integers(1, 20),
)
def test_spans_cover_their_window_without_gap_or_overlap(start: datetime, width: int, number: int) -> None:
    since = start.replace(tzinfo=UTC)
    span = Span.of(Window(since, since + timedelta(microseconds=width)))
    low, high = span.window
    assert low >= since > low - timedelta(milliseconds=1)
    assert high >= since + timedelta(microseconds=width) > high - timedelta(milliseconds=1)
    if span.width:
        parts = span.parts(number)[::-1]
        assert [parts[0].since, parts[-1].until] == [span.since, span.until]
        assert all(a.until == b.since for a, b in pairwise(parts))
        assert all(part.width > 0 for part in parts)
        assert len(parts) == min(number, span.width)


def test_unnamed_events_are_numbered_among_their_equals() -> None:
    other = EVENT._replace(area="B")
    named = EVENT._replace(this_id="7")
    ordinals: Counter[str] = Counter()
    first = [one.this_id for one in numbered([EVENT, other, named, EVENT], ordinals)]
    second = [one.this_id for one in numbered([EVENT], ordinals)]
    mine, others = content_hash(EVENT), content_hash(other)
    assert first == [f"~{mine}.0", f"~{others}.0", "7", f"~{mine}.1"]
    assert second == [f"~{mine}.2"]


@pytest.mark.parametrize(
    "other",
    [
        EVENT._replace(server_id="otro"),
        EVENT._replace(camera_id="otra"),
        EVENT._replace(name="otro"),
        EVENT._replace(area="otra"),
        EVENT._replace(activity="otra"),
        EVENT._replace(occurred_at=EVENT.occurred_at + timedelta(milliseconds=1)),
    ],
)
def test_every_part_of_the_content_counts(other: CameraEvent) -> None:
    assert content_hash(other) != content_hash(EVENT)


def test_instants_as_the_web_endpoint_writes_them() -> None:
    assert instant_text(datetime(2026, 1, 27, 19, tzinfo=UTC)) == "2026-01-27T19:00:00.000Z"
    assert instant_text(NOW) == "2026-01-27T19:00:00.999999Z"


class TestLink:
    trouble = AccUnreachable("roto.")

    def test_nobody_listens(self) -> None:
        clock = FakeClock()
        link = ConnectionMonitor(clock, "host")
        link.failed("camera", link.mark(), NoConnection("nadie."))
        assert link.down_since == clock.now()

    def test_one_camera_fails_while_others_are_answered(self) -> None:
        link = ConnectionMonitor(FakeClock(), "host")
        for _ in range(9):
            mark = link.mark()
            link.answered("another")
            link.failed("camera", mark, self.trouble)
        assert link.down_since is None

    def test_where_two_cameras_fail_and_nobody_is_answered_another_must_tell(self) -> None:
        clock = FakeClock()
        link = ConnectionMonitor(clock, "host")
        began = clock.now()
        assert not link.failed("one", link.mark(), self.trouble)
        clock.advance(5)
        assert link.failed("two", link.mark(), self.trouble)
        assert link.down_since is None
        assert [link.is_well(camera) for camera in ("one", "two", "three")] == [False, False, True]
        link.lost(self.trouble)
        assert link.down_since == began

    def test_a_list_says_nothing_of_events(self) -> None:
        link = ConnectionMonitor(FakeClock(), "host")
        link.failed("servers", link.mark(), NoConnection("nadie."), events=False)
        link.answered("servers", events=False)
        assert link.down_since is None, "only lists were asked for"
        link.failed("camera", link.mark(), NoConnection("nadie."))
        link.answered("servers", events=False)
        assert link.down_since is not None
        link.answered("camera")
        assert link.down_since is None

    def test_where_one_alone_fails_again_and_again_another_must_tell(self) -> None:
        link = ConnectionMonitor(FakeClock(), "host")
        for _ in range(2):
            assert not link.failed("camera", link.mark(), self.trouble)
        assert link.failed("camera", link.mark(), self.trouble)
        assert link.down_since is None
        link.lost(self.trouble)
        assert link.down_since is not None
        assert link.failed("camera", link.mark(), self.trouble)
        link.answered("another")
        assert link.down_since is None
        assert not link.failed("camera", link.mark(), self.trouble)

    def test_loss_and_return_are_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        clock = FakeClock()
        link = ConnectionMonitor(clock, "host")
        for _ in range(5):
            link.failed("camera", link.mark(), NoConnection("Nadie."))
        clock.advance(200)
        for _ in range(5):
            link.answered("another")
        assert [record.getMessage() for record in caplog.records] == [
            "Sin servidor de cámaras host: Nadie. Se sigue intentando y nada se pierde.",
            "El servidor de cámaras host vuelve a contestar, tras 3 min 20 s.",
        ]
        assert link.down_since is None
