"""What a server says of its cameras' health: the topics that it knows, and events that follow from active faults."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from zlib import crc32

from aforo.simulator.event_log import milliseconds
from aforo.simulator.faults import Faults
from aforo.simulator.serialization import iso

_STARTS_AND_STOPS = ("DEVICE_ANALYTICS_START", "DEVICE_ANALYTICS_STOP")
# By fault: the topic of the event at its ``since``, and of the one at its ``until``, where there is one.
_TOPICS: Mapping[str, tuple[str, str]] = {
    "camera_disconnected": ("DEVICE_DISCONNECTED", "DEVICE_CONNECTED"),
    "camera_no_video": ("DEVICE_VIDEO_SIGNAL_LOST", "DEVICE_VIDEO_SIGNAL_RESTORED"),
    "camera_tampered": ("DEVICE_TAMPERING", ""),
    "camera_not_recording": ("DEVICE_RECORD_INTERRUPTED", ""),
    "camera_reconfigured": ("USER_SETTING_DEVICE", ""),
}
HEALTH_TOPICS = tuple(topic for pair in _TOPICS.values() for topic in pair if topic)
SUBTOPICS = (*_STARTS_AND_STOPS, *HEALTH_TOPICS)


def health_events(
    faults: Faults, cameras: Collection[str], topics: Collection[str], window: tuple[int, int], now: datetime
) -> list[bytes]:
    """Return the JSON of the events of [since, until) about these cameras, oldest first.

    ``window`` is in milliseconds since 1970; an event is visible from its own instant on. A fault that has no ``since``
    gives none: it is only seen in the list of the cameras.
    """
    found = []
    for name, (begin, end) in _TOPICS.items():
        fault = faults.get(name)
        if fault is None:
            continue
        for topic, instant in ((begin, fault.since), (end, fault.until)):
            if topic in topics and instant is not None and instant <= now:
                at = milliseconds(instant)
                if window[0] <= at < window[1]:
                    found += [(at, topic, camera) for camera in sorted(fault.cameras & set(cameras))]
    return [_event(*one) for one in sorted(found)]


def _event(at: int, topic: str, camera_id: str) -> bytes:
    this_id = crc32(f"{at} {topic} {camera_id}".encode())
    event = {"type": topic, "timestamp": iso(at), "cameraId": camera_id, "thisId": str(this_id), "linkedEventId": "-1"}
    return json.dumps(event).encode()
