"""An event as the Web Endpoint sends it, and variants of it, decoded."""

import json
from datetime import UTC, datetime
from typing import Any

from aforo.avigilon.payloads import (
    SearchAnswer,
)
from aforo.avigilon.tolerant_decoding import decode_events
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
