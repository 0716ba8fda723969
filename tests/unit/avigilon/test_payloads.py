"""From the wire to typed events: tolerant of everything that a version of ACC may send, and never in silence."""

import json
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.avigilon.errors import ApiError
from aforo.avigilon.payloads import (
    SearchAnswer,
    assign_ids,
    content_hash,
    decode_cameras,
    decode_servers,
    decode_session,
    instant_text,
    page_fingerprint,
)
from aforo.avigilon.tolerant import decode_events
from aforo.errors import AccUnreachable
from aforo.models import CameraEvent

GOOD: dict[str, Any] = {
    "type": "DEVICE_ANALYTICS_STOP",
    "timestamp": "2026-01-17T21:35:55.048Z",
    "analyticEventName": "PUERTA 12",
    "area": "ZONA",
    "activity": "OBJECT_COUNTING_ENTER",
    "cameraId": "camera",
    "thisId": "32732",
    "originatingServerId": "origin",
}
INSTANT = datetime(2026, 1, 17, 21, 35, 55, 48_000, tzinfo=UTC)
EVENT = CameraEvent("origin", "32732", INSTANT, "camera", "PUERTA 12", "ZONA", "OBJECT_COUNTING_ENTER")
MISSING = object()


def changed(**fields: object) -> dict[str, Any]:
    return {key: value for key, value in (GOOD | fields).items() if value is not MISSING}


def decoded(*events: object, **result: object) -> SearchAnswer:
    body = {"status": "success", "result": {"events": list(events), **result}}
    return decode_events(json.dumps(body).encode(), "queried")


def only(**fields: object) -> CameraEvent:
    answer = decoded(changed(**fields))
    assert answer.malformed == []
    return answer.events[0]


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
    ("given_id", "this_id"),
    [
        ("32732", "32732"),
        (32732, "32732"),
        (0, "0"),
        (None, ""),
        ("", ""),
        (MISSING, ""),
        (True, ""),
        ([1], ""),
        ({}, ""),
    ],
)
def test_this_ids(given_id: object, this_id: str) -> None:
    answer = decoded(changed(thisId=given_id))
    assert answer.events[0].this_id == this_id
    assert answer.unnamed is (this_id == "")


@pytest.mark.parametrize("empty", [None, "", MISSING, 5, [], {"a": 1}, False])
def test_what_may_be_missing(empty: object) -> None:
    assert (only(area=empty).area, only(activity=empty).activity) == ("", "")
    assert only(originatingServerId=empty).server_id == "queried"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timestamp": MISSING}, "sin timestamp"),
        ({"timestamp": None}, "sin timestamp"),
        ({"timestamp": ""}, "sin timestamp"),
        ({"timestamp": "ayer"}, "timestamp ilegible"),
        ({"timestamp": "2026-01-17"}, "timestamp ilegible"),
        ({"timestamp": "2026-13-17T21:35:55.048Z"}, "timestamp ilegible"),
        ({"timestamp": "0001-01-01T00:00:00+05:00"}, "timestamp ilegible"),
        ({"timestamp": 1768685755}, "timestamp ilegible"),
        ({"cameraId": MISSING}, "sin cameraId"),
        ({"cameraId": None}, "sin cameraId"),
        ({"cameraId": ""}, "sin cameraId"),
        ({"cameraId": 7}, "sin cameraId"),
        ({"cameraId": MISSING, "cameraIds": ["camera"]}, "sin cameraId"),
        ({"analyticEventName": MISSING}, "sin analyticEventName"),
        ({"analyticEventName": None}, "sin analyticEventName"),
        ({"analyticEventName": ["PUERTA"]}, "sin analyticEventName"),
        ({"type": "DEVICE_ANALYTICS_START"}, "otro tipo"),
        ({"type": 3}, "otro tipo"),
    ],
)
def test_a_bad_event_is_counted_and_the_good_ones_around_it_survive(fields: dict[str, object], reason: str) -> None:
    answer = decoded(GOOD, changed(**fields), GOOD, token="more")
    assert answer == SearchAnswer([EVENT, EVENT], [reason], 3, "more", False)


@pytest.mark.parametrize("junk", [None, 5, "text", [], True])
def test_what_is_no_event_at_all(junk: object) -> None:
    assert decoded(GOOD, junk, GOOD) == SearchAnswer([EVENT, EVENT], ["ilegible"], 3, "", False)


@pytest.mark.parametrize("kind", [None, MISSING])
def test_an_event_without_a_type_is_of_the_queried_type(kind: object) -> None:
    assert only(type=kind) == EVENT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values) | json_values, max_size=6))
def test_any_junk_is_counted_one_by_one(junk: list[object]) -> None:
    answer = decoded(GOOD, *junk, GOOD)
    assert answer.received == len(junk) + 2
    assert len(answer.events) + len(answer.malformed) == answer.received
    assert answer.events[0] == answer.events[-1] == EVENT


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (b"PUERTA ESPA\xd1A", "PUERTA ESPA\ufffdA"),
        (rb"PUERTA \ud83d", "PUERTA ?"),
        (rb"PUERTA \udc00!", "PUERTA ?!"),
    ],
)
def test_a_broken_character_costs_no_page(wrong: bytes, name: str) -> None:
    body = json.dumps({"status": "success", "result": {"events": [GOOD, GOOD], "token": "t"}}).encode()
    answer = decode_events(body.replace(b"PUERTA 12", wrong, 1), "queried")
    assert answer == SearchAnswer([EVENT._replace(name=name), EVENT], [], 2, "t", False)
    with_a_bad_one = body.replace(b'"events": [', b'"events": [{"area": 5}, ').replace(b"PUERTA 12", wrong, 1)
    again = decode_events(with_a_bad_one, "queried")
    assert again == SearchAnswer([EVENT._replace(name=name), EVENT], ["sin cameraId"], 3, "t", False)


@pytest.mark.parametrize("monster", ["[" * 5000 + "]" * 5000, '{"thisId":' + "9" * 5000 + "}"])
def test_a_monster_among_events(monster: str) -> None:
    body = f'{{"status":"success","result":{{"events":[{json.dumps(GOOD)},{monster}]}}}}'.encode()
    with pytest.raises(AccUnreachable) if monster.startswith("[") else nullcontext():
        assert decode_events(body, "queried") == SearchAnswer([EVENT], ["ilegible"], 2, "", False)


@given(st.integers(0, 400))
def test_an_answer_cut_anywhere_is_no_answer(length: int) -> None:
    body = json.dumps({"status": "success", "result": {"events": [GOOD], "token": "t"}}).encode()
    with pytest.raises(AccUnreachable):
        decode_events(body[: min(length, len(body) - 1)], "queried")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"status":"success","result":[]}', b'{"events":[]}', b"\xff\xfe"]
)
def test_what_is_not_the_web_endpoints(body: bytes) -> None:
    for decode in (decode_session, decode_servers, decode_cameras, lambda body: decode_events(body, "queried")):
        with pytest.raises(AccUnreachable):
            decode(body)


def test_an_answer_without_events_is_empty() -> None:
    for result in (b"{}", b'{"events":null}', b'{"events":[]}', b'{"token":null}'):
        assert decode_events(b'{"status":"success","result":' + result + b"}", "queried") == SearchAnswer(
            [], [], 0, "", False
        )


@pytest.mark.parametrize("result", [{}, {"events": [GOOD]}, None])
def test_an_error_in_a_success(result: object) -> None:
    body = {"status": "error", "statusCode": 404, "message": "camera not found.", "result": result}
    with pytest.raises(ApiError) as raised:
        decode_events(json.dumps(body).encode(), "queried")
    assert (raised.value.status, raised.value.message) == (404, "camera not found.")


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
    assert page_fingerprint(decoded()) != page_fingerprint(decoded(token="a")) != page_fingerprint(decoded(token="b"))
    unnamed = changed(thisId=None)
    assert page_fingerprint(decoded(unnamed, first)) == page_fingerprint(decoded(first, unnamed))
    assert page_fingerprint(decoded(unnamed, unnamed)) != page_fingerprint(decoded(unnamed))


def test_instants_as_the_web_endpoint_writes_them() -> None:
    assert instant_text(datetime(2026, 1, 27, 19, tzinfo=UTC)) == "2026-01-27T19:00:00.000Z"
    assert instant_text(datetime(2026, 1, 27, 19, 0, 0, 999_999, tzinfo=UTC)) == "2026-01-27T19:00:00.999999Z"
