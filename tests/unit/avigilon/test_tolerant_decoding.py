"""Malformed events are counted, and never cost the good ones around them."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.avigilon.wire_events import EVENT, GOOD, MISSING, changed, decoded, only

from aforo.avigilon.errors import ApiError, CutAnswer
from aforo.avigilon.payloads import Damage, SearchAnswer, SharedTexts
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.errors import AccUnreachable
from aforo.outside_text import LONGEST_TEXT


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
    assert answer._replace(malformed=[]) == SearchAnswer([EVENT, EVENT], [], 3, "more", False)
    assert [one.reason for one in answer.malformed] == [reason]


@pytest.mark.parametrize("junk", [None, 5, "text", [], True])
def test_what_is_no_event_at_all(junk: object) -> None:
    answer = decoded(GOOD, junk, GOOD)
    assert answer._replace(malformed=[]) == SearchAnswer([EVENT, EVENT], [], 3, "", False)
    assert [one.reason for one in answer.malformed] == ["ilegible"]


@pytest.mark.parametrize("beside", [[], [5]], ids=["strict", "one by one"])
def test_a_bad_event_has_the_same_content_whatever_is_beside_it(beside: list[object]) -> None:
    """Read again, alone or beside what makes the answer be read one by one, it is the same event."""
    without_name, other = changed(analyticEventName=""), changed(analyticEventName="", thisId="99")
    first = decoded(without_name, other, without_name).malformed
    again = decoded(*beside, without_name, GOOD).malformed[len(beside) :]
    assert first[0] == first[2] == again[0] != first[1]
    assert (first[0].camera_id, first[0].has_id) == (EVENT.camera_id, True)
    assert decoded(changed(analyticEventName="", thisId=None)).malformed[0].has_id is False


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
    assert again._replace(malformed=[]) == SearchAnswer([EVENT._replace(name=name), EVENT], [], 3, "t", False)
    assert [one.reason for one in again.malformed] == ["sin cameraId"]


def page(*events: str, token: str = ', "token": "t"') -> bytes:
    text = f'{{"status": "success", "result": {{"events": [{", ".join(events)}]{token}}}}}'
    return text.encode(errors="surrogatepass")


DEEP = 100_000
OTHER = json.dumps(changed(thisId="2"))


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ('"area": "A\x00\x1b[2J\x07\nB"', {"area": "A\x00\x1b[2J\x07\nB"}),
        (r'"area": "C:\q\x41\u12"', {"area": r"C:\q\x41\u12"}),
        (r'"area": "\ud800\ud83d\ude00\udcff"', {"area": "?😀\ufffd"}),
        ('"area": "\udcff"', {"area": "\ufffd\ufffd\ufffd"}),
        (r'"thisId": "\ud800"', {"this_id": r"\ud800"}),
        ('"thisId": 1e999', {"this_id": ""}),
        ('"thisId": -Infinity', {"this_id": ""}),
        (f'"thisId": {"9" * 5000}', {"this_id": ""}),
        ('"thisId": "3", "thisId": "4", "odd": NaN', {"this_id": "4"}),
        ('"odd": 1e999, "more": -0.5E+3', {}),
        (f'"odd": {"[" * 50}{"]" * 50}, "more": NaN', {}),
    ],
)
def test_what_is_odd_in_an_event_costs_nothing_but_itself(written: str, fields: dict[str, Any]) -> None:
    odd = json.dumps(changed(thisId="3"))[:-1] + f", {written}}}"
    answer = decode_events(page(OTHER, odd, OTHER), "queried")
    other, expected = EVENT._replace(this_id="2"), EVENT._replace(**{"this_id": "3"} | fields)
    assert answer.events == [other, expected, other]
    assert (answer.malformed, answer.received, answer.token, answer.damage) == ([], 3, "t", Damage.NONE)


GOOD_TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "damaged",
    [
        GOOD_TEXT.replace('"', "", 1),
        GOOD_TEXT.replace('"area"', '"area'),
        GOOD_TEXT.replace(":", ";", 1),
        GOOD_TEXT.replace(", ", " ", 1),
        GOOD_TEXT.replace("ZONA", 'ZO"NA'),
        GOOD_TEXT[:-1],
        GOOD_TEXT[1:],
        GOOD_TEXT.replace('"ZONA"', "[[1, {"),
        GOOD_TEXT.replace('"ZONA"', '[{"subclass": "A", "objectId": 1}, {"subclass": B}, {"subclass": "C"}]'),
        GOOD_TEXT.replace('"ZONA"', "[" * DEEP + "]" * DEEP),
        GOOD_TEXT.replace('"ZONA"', '{"a":' * DEEP + "1" + "}" * DEEP),
        "[" * DEEP + "]" * DEEP,
        "[" * DEEP,
        "nul",
        "\x00\udcff",
        "",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("token", [', "token": "t"', ""])
def test_a_damaged_event_costs_that_event(damaged: str, place: int, token: str) -> None:
    events = [OTHER, OTHER]
    events.insert(place, damaged)
    answer = decode_events(page(*events, token=token), "queried")
    assert answer.events == [EVENT._replace(this_id="2")] * 2
    assert {one.reason for one in answer.malformed} == {"ilegible"}
    assert answer.received >= 3
    assert (answer.token, answer.damage) == ("t" if token else "", Damage.EVENTS)


def test_a_missing_comma_costs_nothing() -> None:
    answer = decode_events(page(f"{OTHER} {OTHER}", OTHER), "queried")
    assert (len(answer.events), answer.malformed, answer.token) == (3, [], "t")


def test_what_follows_the_answer_costs_nothing() -> None:
    answer = decode_events(b"\xef\xbb\xbf" + page(OTHER) + b"\n<!-- proxy -->", "queried")
    assert (len(answer.events), answer.token, answer.damage) == (1, "t", Damage.NONE)


@given(st.integers(0, 900), st.sampled_from([', "token": "t"', ""]))
def test_a_cut_answer_is_never_taken_for_a_whole_one(length: int, token: str) -> None:
    nested = json.dumps(changed(thisId="2", classifiedObjects=[{"a": {"b": [1]}}], cameraIds=[]))
    body = page(nested, nested, nested, token=token)
    whole = len(nested.encode()) + body.index(nested.encode())
    with pytest.raises(AccUnreachable) as raised:
        decode_events(body[: min(length, len(body) - 1)], "queried")
    if min(length, len(body) - 1) >= whole:
        assert isinstance(raised.value, CutAnswer)
        assert raised.value.answer.events
        assert set(raised.value.answer.events) == {EVENT._replace(this_id="2")}
        assert raised.value.answer.damage is Damage.CUT


@pytest.mark.parametrize("token", ["1.5", "true", "[1]", "{}", r'"\ud800"', '"\udcff"', "NaN1", '"a'])
def test_a_token_that_cannot_be_sent_leaves_the_page_without_an_end(token: str) -> None:
    with pytest.raises(CutAnswer) as raised:
        decode_events(page(OTHER, token=f', "token": {token}'), "queried")
    assert raised.value.answer == SearchAnswer([EVENT._replace(this_id="2")], [], 1, "", False, Damage.CUT)


@given(st.data())
def test_flipped_bytes_cost_the_events_that_they_hit(data: st.DataObject) -> None:
    events = [json.dumps(changed(thisId=str(number), classifiedObjects=[{"a": [1]}, {"b": 2}])) for number in range(9)]
    body = bytearray(page(*events))
    starts = [body.index(event.encode()) for event in events]
    hit = data.draw(st.integers(0, 8))
    for _ in range(data.draw(st.integers(1, 4))):
        body[starts[hit] + data.draw(st.integers(0, len(events[hit]) - 1))] = data.draw(st.integers(0, 255))
    answer = decode_events(bytes(body), "queried")
    intact = {EVENT._replace(this_id=str(number)) for number in range(9) if number != hit}
    assert intact <= set(answer.events)
    assert answer.token == "t"


def test_an_answer_made_to_be_slow_is_given_up() -> None:
    started = time.thread_time()
    for piece in ('{"timestamp":[', '{"timestamp":"', '{"a":[1,', '{"', "[", '{"timestamp":{"timestamp":'):
        with pytest.raises(AccUnreachable):
            decode_events(b'{"status":"success","result":{"events":[' + piece.encode() * 200_000, "queried")
    assert time.thread_time() - started < 20


def test_a_text_of_megabytes_is_shortened_and_stays_distinct() -> None:
    texts = SharedTexts()
    long = ["PUERTA " + "x" * 3_000_000 + ending for ending in ("1", "2")]
    events = [json.dumps(changed(analyticEventName=name, area=name, activity=name)) for name in long]
    events.append(json.dumps(changed(analyticEventName=long[0], thisId="i" * 2_000_000)))
    first, second, third = decode_events(page(*events), "queried", texts).events
    assert first.name != second.name
    assert first.name == third.name
    for event in (first, second):
        assert event.name == event.area == event.activity
        assert event.name.startswith("PUERTA xxx")
        assert len(event.name) == LONGEST_TEXT
    assert len(third.this_id) < LONGEST_TEXT
    assert texts.shortened == 3
    assert all(len(text) <= LONGEST_TEXT for known in texts.known for text in known)


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
