import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aforo.avigilon.health_topics import TOPICS, decode_health, decode_topics
from aforo.errors import AccUnreachable
from aforo.models import CameraFault, HealthEvent

NOW = datetime(2026, 1, 17, 21, 35, 55, 48_000, tzinfo=UTC)
STAMP = "2026-01-17T21:35:55.048Z"


def answer(result: Any) -> bytes:
    return json.dumps({"status": "success", "result": result}).encode()


@pytest.mark.parametrize(
    "result",
    [
        {"eventSubtopics": ["DEVICE_TAMPERING", "DEVICE_ANALYTICS_STOP", "DEVICE_CONNECTED"]},
        {"topics": [{"name": "DEVICE_CONNECTED"}, {"name": "DEVICE_TAMPERING", "id": 7}]},
        {"DEVICE_CONNECTED": {"description": "…"}, "more": {"DEVICE_TAMPERING": None}},
    ],
)
def test_topics_are_found_whatever_the_shape_of_the_list(result: Any) -> None:
    assert decode_topics(answer(result)) == ["DEVICE_CONNECTED", "DEVICE_TAMPERING"]


def test_a_bare_list_of_topics_is_read_and_one_without_any_of_them_is_empty() -> None:
    assert decode_topics(b'["DEVICE_NO_DATA"]') == ["DEVICE_NO_DATA"]
    assert decode_topics(answer({})) == []
    with pytest.raises(AccUnreachable):
        decode_topics(b"<html>")


def test_events_say_what_began_and_what_is_over() -> None:
    events = [
        {"type": "DEVICE_TAMPERING", "timestamp": STAMP, "cameraId": "A"},
        {"type": "DEVICE_CONNECTED", "timestamp": STAMP, "cameraId": "B", "thisId": "7"},
    ]
    found = decode_health(answer({"events": events, "token": "t"}), TOPICS)
    assert found.events == [
        HealthEvent("A", CameraFault.TAMPERED, NOW, on=True),
        HealthEvent("B", CameraFault.DISCONNECTED, NOW, on=False),
        HealthEvent("B", CameraFault.NOT_RECORDING, NOW, on=False),
    ]
    assert (found.received, found.foreign, found.token) == (2, 0, "t")


def test_what_cannot_be_used_is_left_out_and_events_of_other_topics_are_counted() -> None:
    events: list[Any] = [
        None,
        7,
        {"type": "DEVICE_TAMPERING", "timestamp": "ayer", "cameraId": "A"},
        {"type": "DEVICE_TAMPERING", "timestamp": STAMP, "cameraId": 7},
        {"type": "DEVICE_TAMPERING", "timestamp": STAMP, "cameraIds": ["A", None]},
        {"type": "DEVICE_ANALYTICS_STOP", "timestamp": STAMP, "cameraId": "A"},
    ]
    found = decode_health(answer({"events": events, "token": None}), ["DEVICE_TAMPERING"])
    assert found.events == [HealthEvent("A", CameraFault.TAMPERED, NOW, on=True)]
    assert (found.received, found.foreign, found.token) == (6, 1, "")
    assert decode_health(answer({}), TOPICS).events == []
    with pytest.raises(AccUnreachable):
        decode_health(answer({"events": "?"}), TOPICS)
