"""What ACC's events say of the health of its cameras: topics, and answers decoded leniently.

Only topics that the server lists in ``/event-subtopics`` are asked for. The names are those of a client's list; where
sources differ, all variants are here. An event that cannot be used is left out: nothing is counted by it.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from aforo.avigilon.errors import garbled
from aforo.avigilon.lenient_json import loads
from aforo.avigilon.payloads import is_id, result_of, text_or_empty
from aforo.models import CameraFault, HealthEvent

_DEEPEST = 8  # levels of the list of topics that are looked at
_BROKEN = (CameraFault.DISCONNECTED,)
_CONNECTED = (CameraFault.DISCONNECTED, CameraFault.NOT_RECORDING)
_DARK = (CameraFault.NO_VIDEO,)
_SEEN = (CameraFault.NO_VIDEO, CameraFault.NOT_RECORDING)

# By topic: the faults that begin (True) or are over.
TOPICS: dict[str, tuple[tuple[CameraFault, ...], bool]] = {
    "DEVICE_DISCONNECTED": (_BROKEN, True),
    "DEVICE_COMMUNICATION_LOST": (_BROKEN, True),
    "DEVICE_CONNECTION_ERROR": (_BROKEN, True),
    "DEVICE_LONG_FAILED": (_BROKEN, True),
    "DEVICE_CONNECTED": (_CONNECTED, False),
    "DEVICE_COMMUNICATION_RESTORED": (_CONNECTED, False),
    "DEVICE_CONNECTION_RESTORED": (_CONNECTED, False),
    "DEVICE_CONNECTION_ERROR_RESTORED": (_CONNECTED, False),
    "DEVICE_NO_DATA": (_DARK, True),
    "DEVICE_VIDEO_SIGNAL_LOST": (_DARK, True),
    "DEVICE_DATA_RECOVERED": (_SEEN, False),
    "DEVICE_NO_DATA_RECOVERED": (_SEEN, False),
    "DEVICE_VIDEO_SIGNAL_RESTORED": (_SEEN, False),
    "DEVICE_TAMPERING": ((CameraFault.TAMPERED,), True),
    "DEVICE_RECORD_INTERRUPTED": ((CameraFault.NOT_RECORDING,), True),
    "DEVICE_RECORD_RESUMED": ((CameraFault.NOT_RECORDING,), False),
    "USER_SETTING_DEVICE": ((CameraFault.RECONFIGURED,), True),
}


class HealthAnswer(NamedTuple):
    """One answer of ``/events/search``: ``received`` entries, of which ``foreign`` have a topic not asked for."""

    events: list[HealthEvent]
    received: int
    foreign: int
    token: str


def decode_topics(body: bytes) -> list[str]:
    """Return the health topics that a list of topics names, whatever its shape. Raises AccUnreachable or ApiError."""
    try:
        document = loads(body)
    except ValueError as exc:
        raise garbled() from exc
    if isinstance(document, dict):
        document = result_of(body)
    named = set(_texts(document, _DEEPEST))
    return [topic for topic in TOPICS if topic in named]


def _texts(value: object, levels: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and levels:
        inner: Iterable[object] = [*value, *value.values()] if isinstance(value, dict) else value
        for one in inner:
            yield from _texts(one, levels - 1)


def decode_health(body: bytes, topics: Collection[str]) -> HealthAnswer:
    """Read an answer of ``/events/search``. Raises AccUnreachable or ApiError."""
    result = result_of(body)
    entries = result.get("events")
    if not isinstance(entries, list):
        if entries is None:
            return HealthAnswer([], 0, 0, "")
        raise garbled()
    usable = [entry for entry in entries if isinstance(entry, dict)]
    asked = [entry for entry in usable if entry.get("type") in topics]
    events = [event for entry in asked for event in _health_events(entry)]
    token = result.get("token")
    return HealthAnswer(
        events, len(entries), len(usable) - len(asked), str(token) if isinstance(token, str | int) else ""
    )


def _health_events(entry: dict[str, object]) -> Iterator[HealthEvent]:
    faults, on = TOPICS[text_or_empty(entry.get("type"))]
    at = _instant(entry.get("timestamp"))
    if at is not None:
        for camera_id in _cameras(entry):
            for fault in faults:
                yield HealthEvent(camera_id, fault, at, on)


def _cameras(entry: dict[str, object]) -> list[str]:
    several = entry.get("cameraIds")
    named = [entry.get("cameraId"), *(several if isinstance(several, list) else ())]
    return list(dict.fromkeys(one for one in named if isinstance(one, str) and is_id(one)))


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text_or_empty(value))
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
