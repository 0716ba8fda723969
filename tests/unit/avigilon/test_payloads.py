"""JSON of the Web Endpoint as typed values: instants, lists, sessions, ids and fingerprints."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.avigilon.wire_events import EVENT, GOOD, INSTANT, changed, decoded, only

from aforo.avigilon.payloads import (
    SearchAnswer,
    assign_ids,
    content_hash,
    decode_cameras,
    decode_servers,
    decode_session,
    decode_webhooks,
    instant_text,
    page_fingerprint,
)
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.errors import AccUnreachable
from aforo.models import CameraEvent


def test_a_good_page() -> None:
    assert decoded(GOOD, GOOD, token="more") == SearchAnswer([EVENT, EVENT], [], 2, "more", False)
    assert decoded() == SearchAnswer([], [], 0, "", False)
    assert decoded(token=None).token == ""
    assert decoded(GOOD, token=17).token == "17"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-17T21:35:55.048Z", INSTANT),
        ("2026-01-17T21:35:55.0489999Z", INSTANT),
        ("2026-01-17T21:35:55.048999999999Z", INSTANT),
        ("2026-01-17T21:35:55.0480", INSTANT),
        ("2026-01-17T16:35:55.048-05:00", INSTANT),
        ("2026-01-17T16:35:55.048-0500", INSTANT),
        ("2026-01-18T03:05:55.048999+05:30", INSTANT),
        ("2026-01-17 21:35:55.048Z", INSTANT),
        ("2026-01-17T21:35:55.048+00:00", INSTANT),
        ("2026-01-17T21:35:55Z", INSTANT.replace(microsecond=0)),
        ("2026-01-17T21:35:55.9999999Z", INSTANT.replace(microsecond=999_000)),
        ("2026-01-17T21:35:55.5Z", INSTANT.replace(microsecond=500_000)),
        ("2026-01-17T21:35Z", INSTANT.replace(second=0, microsecond=0)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    occurred_at = only(timestamp=text).occurred_at
    assert occurred_at == instant
    assert occurred_at.tzinfo is UTC


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 -- the offset is drawn apart
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_any_instant_in_any_offset_is_cut_never_rounded(naive: datetime, offset: int, spec: str) -> None:
    hours, minutes = divmod(abs(offset), 60)
    text = f"{naive.isoformat(timespec=spec)}{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
    digits = {"seconds": 0, "milliseconds": naive.microsecond // 1000 * 1000}.get(spec, naive.microsecond)
    exact = naive.replace(microsecond=digits, tzinfo=UTC) - timedelta(minutes=offset)
    assert only(timestamp=text).occurred_at == exact.replace(microsecond=exact.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"status":"success","result":[]}', b'{"events":[]}', b"\xff\xfe"]
)
def test_what_is_not_the_web_endpoints(body: bytes) -> None:
    for decode in (decode_session, decode_servers, decode_cameras, lambda body: decode_events(body, "queried")):
        with pytest.raises(AccUnreachable):
            decode(body)


@pytest.mark.parametrize("session", ["", "two\r\nlines", "ñandú", 5, None])
def test_a_session_that_cannot_be_one(session: object) -> None:
    with pytest.raises(AccUnreachable):
        decode_session(json.dumps({"status": "success", "result": {"session": session}}).encode())


UNNAMED = EVENT._replace(this_id="")


def test_unnamed_events_are_numbered_among_their_equals() -> None:
    other = UNNAMED._replace(area="B")
    named = UNNAMED._replace(this_id="7")
    ordinals: Counter[str] = Counter()
    first = [one.this_id for one in assign_ids([UNNAMED, other, named, UNNAMED], ordinals)]
    second = [one.this_id for one in assign_ids([UNNAMED], ordinals)]
    mine, others = content_hash(UNNAMED), content_hash(other)
    assert first == [f"~{mine}.0", f"~{others}.0", "7", f"~{mine}.1"]
    assert second == [f"~{mine}.2"]


@pytest.mark.parametrize(
    "other",
    [
        UNNAMED._replace(server_id="otro"),
        UNNAMED._replace(camera_id="otra"),
        UNNAMED._replace(name="otro"),
        UNNAMED._replace(area="otra"),
        UNNAMED._replace(activity="otra"),
        UNNAMED._replace(occurred_at=UNNAMED.occurred_at + timedelta(milliseconds=1)),
    ],
)
def test_every_part_of_the_content_counts(other: CameraEvent) -> None:
    assert content_hash(other) != content_hash(UNNAMED)


def test_a_page_that_comes_again_in_another_order_has_the_same_fingerprint() -> None:
    first, second = GOOD, changed(thisId="2")
    assert page_fingerprint(decoded(first, second)) == page_fingerprint(decoded(second, first, token="other"))
    assert page_fingerprint(decoded(first, second)) != page_fingerprint(decoded(first))
    of_another_camera = [changed(thisId=event["thisId"], cameraId="other") for event in (first, second)]
    assert page_fingerprint(decoded(first, second)) != page_fingerprint(decoded(*of_another_camera))
    assert page_fingerprint(decoded()) != page_fingerprint(decoded(token="a")) != page_fingerprint(decoded(token="b"))
    unnamed = changed(thisId=None)
    assert page_fingerprint(decoded(unnamed, first)) == page_fingerprint(decoded(first, unnamed))
    assert page_fingerprint(decoded(unnamed, unnamed)) != page_fingerprint(decoded(unnamed))


def test_instants_as_the_web_endpoint_writes_them() -> None:
    assert instant_text(datetime(2026, 1, 27, 19, tzinfo=UTC)) == "2026-01-27T19:00:00.000Z"
    assert instant_text(datetime(2026, 1, 27, 19, 0, 0, 999_999, tzinfo=UTC)) == "2026-01-27T19:00:00.999999Z"


def test_a_webhook_without_an_address_may_be_ours_and_is_counted() -> None:
    body = {
        "status": "success",
        "result": {"webhooks": [{"id": "a", "url": "http://x/"}, {"id": "b"}, {"id": "c", "url": 7}]},
    }
    listing = decode_webhooks(json.dumps(body).encode())
    assert [(one.id, one.url) for one in listing.entries] == [("a", "http://x/")]
    assert listing.unusable == 2
