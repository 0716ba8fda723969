"""Malformed events are counted, and never cost the good ones around them."""

import json
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.avigilon.wire_events import EVENT, GOOD, MISSING, changed, decoded, only

from aforo.avigilon.errors import ApiError
from aforo.avigilon.payloads import SearchAnswer
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.errors import AccUnreachable


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
