"""Which pushes are authentic, and what is read of them."""

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from aforo.avigilon import PushKind, Sighting, decode_push, is_authentic

KEY = bytes(range(0xE0, 0xF0))
TOKEN = b64encode(KEY).decode()  # with / and +
EVENT = {
    "type": "DEVICE_ANALYTICS_STOP",
    "timestamp": "2026-01-17T21:35:55.048Z",
    "analyticEventName": "PUERTA 12",
    "cameraId": "CAM123",
    "originatingServerId": "ACC1",
}


def proof(body: bytes, key: bytes = KEY) -> str:
    return b64encode(hmac.digest(key, body, sha256)).decode()


def notification(*events: Any) -> bytes:
    return json.dumps(
        {"type": "NOTIFICATION", "notifications": [{"type": "EVENT", "event": one} for one in events]}
    ).encode()


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_hmac_of_the_body_is_a_proof(encrypted: bool) -> None:
    body = notification(EVENT)
    assert is_authentic(body, proof(body), TOKEN, encrypted=encrypted)
    assert not is_authentic(body + b" ", proof(body), TOKEN, encrypted=encrypted)
    assert not is_authentic(body, proof(body, TOKEN.encode()), TOKEN, encrypted=encrypted)
    assert not is_authentic(body, "", TOKEN, encrypted=encrypted)
    assert not is_authentic(body, "ñ\udcff", TOKEN, encrypted=encrypted)


@pytest.mark.parametrize("written", [json.dumps(TOKEN), json.dumps(TOKEN).replace("/", "\\/")])
def test_the_token_in_the_body_is_a_proof_where_the_push_was_encrypted(written: str) -> None:
    body = f'{{"siteId":"x","authenticationToken" : {written},"type":"HELLO"}}'.encode()
    assert is_authentic(body, "", TOKEN, encrypted=True)
    assert not is_authentic(body, "", TOKEN, encrypted=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"authenticationToken":""}',
        b'{"authenticationToken":null}',
        b'{"authenticationToken":"' + b64encode(bytes(16)) + b'"}',
        b'{"authenticationToken":"' + TOKEN.encode()[:-1] + b'"}',
        b'{"token":"' + TOKEN.encode() + b'"}',
        b'"authenticationToken":"\\ud800"',
        b'"authenticationToken":"\\x"',
        b'"authenticationToken":' + b" " * 1_000_000,
        b"[" * 1_000_000,
    ],
    ids=range(10),
)
def test_what_does_not_hold_the_token_is_not_authentic(body: bytes) -> None:
    assert not is_authentic(body, "", TOKEN, encrypted=True)


def test_the_stop_events_of_a_push_are_read() -> None:
    push = decode_push(notification(EVENT, EVENT | {"type": "DEVICE_ANALYTICS_START", "linkedEventId": "-1"}))
    assert push.kind is PushKind.NOTIFICATION
    assert push.sightings == [Sighting("ACC1", "CAM123", datetime(2026, 1, 17, 21, 35, 55, 48_000, tzinfo=UTC))]


def test_damaged_events_leave_the_others() -> None:
    broken: list[Any] = [None, 17, [], {}, EVENT | {"timestamp": "ayer"}, EVENT | {"cameraId": None}]
    assert len(decode_push(notification(*broken, EVENT)).sightings) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"HELLO"}', PushKind.HELLO),
        (b'\xef\xbb\xbf {"type":"HEARTBEAT"}', PushKind.HEARTBEAT),
        (b'{"type":"NEW"}', PushKind.OTHER),
        (b'{"type":["HELLO"],"notifications":{}}', PushKind.OTHER),
        (b"{}", PushKind.OTHER),
    ],
)
def test_the_kind_of_a_push(body: bytes, kind: PushKind) -> None:
    assert decode_push(body) == (kind, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"type":"HEL', b"[" * 100_000, b'{"a":' * 100_000])
def test_an_unreadable_push_raises_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- each has its own words
        decode_push(body)
