"""The JSON of the Web Endpoint."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from aforo.simulator.event_log import MARK_MASK, PLACE_MASK, SHIFT, START, STOP, Camera, EventLog, Kind, place_of

_MARK_BITS = MARK_MASK.bit_length()
_MILLIS = tuple(f"{milli:03}Z" for milli in range(1000))
_MOST_SECONDS = 100_000  # texts of seconds in the cache, a day's worth

_CODES = {400: -1, 401: -10, 403: -11, 404: -25, 405: -26, 415: -27, 500: -2, 503: -3, 504: -4}


class AnswerError(Exception):
    """An answer other than success, with its HTTP status, message and name."""

    def __init__(self, status: int, message: str, name: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.name = name

    @property
    def body(self) -> bytes:
        """The answer as JSON."""
        meta = {"code": _CODES.get(self.status, -2), "name": self.name}
        answer = {"status": "error", "statusCode": self.status, "message": self.message, "meta": meta}
        return msgspec.json.encode(answer)


def success(result: object) -> bytes:
    """Return the answer with a result."""
    return msgspec.json.encode({"status": "success", "result": result})


def cameras(known: Iterable[Camera], verbosity: str) -> bytes:
    """Return the answer of ``/cameras``."""
    return success({"cameras": [_camera(camera, verbosity) for camera in known]})


def _camera(camera: Camera, verbosity: str) -> dict[str, object]:
    connected = camera.state == "CONNECTED"
    low = {
        "id": camera.id,
        "name": camera.name,
        "connectionState": camera.state,
        "connected": connected,
        "active": connected,
        "serverId": camera.server_id,
        "model": camera.model,
    }
    if verbosity == "LOW":
        return low
    return low | {"manufacturer": "Avigilon", "firmwareVersion": "4.2.0.26", "capabilities": {"ptz": False}}


def iso(milliseconds: int) -> str:
    """Format milliseconds since 1970 as the Web Endpoint does."""
    second, milli = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + _MILLIS[milli]


class Pages:
    """Writes pages of ``/events/search`` from keys of the event log; ``this_id`` False leaves ``thisId`` out."""

    def __init__(self, event_log: EventLog, *, this_id: bool = True) -> None:
        self._event_log = event_log
        self._this_id = this_id
        self._seconds: dict[int, str] = {}
        self._pieces: list[tuple[str, str]] = []

    def page(self, keys: Sequence[int], token: str | None) -> bytes:
        """Return the answer with these events."""
        end = "]}}" if token is None else f'],"token":{json.dumps(token)}}}}}'
        return f'{{"status":"success","result":{{"events":[{",".join(self.events(keys))}{end}'.encode()

    def health_page(self, events: Sequence[bytes]) -> bytes:
        """Return the answer with these events, whose JSON is given; it has no token."""
        return b'{"status":"success","result":{"events":[' + b",".join(events) + b"]}}"

    def events(self, keys: Sequence[int]) -> list[str]:
        """Return the JSON of each key's event.

        The simulator spends most time here: one f-string per event, all else is cached.
        """
        self._prepare()
        pieces, numbers, kind_of, seconds = (
            self._pieces,
            self._event_log.numbers,
            self._event_log.kind_of,
            self._seconds,
        )
        events = []
        for key in keys:
            if key & MARK_MASK != STOP:
                events.append(self._unusual(key))
                continue
            place = key >> _MARK_BITS & PLACE_MASK
            number = numbers[place]
            front, back = pieces[kind_of[place]]
            second, milli = divmod(key >> SHIFT, 1000)
            at = (seconds.get(second) or self._second(second)) + _MILLIS[milli]
            this_id = f'"thisId":"{number}",' if self._this_id else ""
            events.append(
                f'{{"type":"DEVICE_ANALYTICS_STOP","timestamp":"{at}","eventTriggerTime":"{at}{front}{this_id}'
                f'"linkedEventId":"{number - 1}","originatingEventId":"{number - 1}{back}{number}}}],"cameraIds":[]}}'
            )
        return events

    def _second(self, second: int) -> str:
        if len(self._seconds) >= _MOST_SECONDS:
            self._seconds.clear()
        text = self._seconds[second] = iso(self._event_log.origin + second * 1000)[:-4]
        return text

    def _prepare(self) -> None:
        for kind in self._event_log.kinds[len(self._pieces) :]:
            self._pieces.append(self._piece(kind))

    def _piece(self, kind: Kind) -> tuple[str, str]:
        """Return the parts of an event of that kind that do not change."""
        name, area = json.dumps(kind.name, ensure_ascii=False), json.dumps(kind.area, ensure_ascii=False)
        front = (
            f'","analyticEventName":{name},"area":{area},"activity":"{kind.activity}","cameraId":"{kind.camera_id}",'
        )
        back = (
            f'","originatingServerId":"{kind.server_id}","originatingServerName":"ACC","location":"Unknown","entityIds":[],'
            f'"classifiedObjects":[{{"subclass":"{kind.subclass}","objectId":'
        )
        return front, back

    def _unusual(self, key: int) -> str:
        """Return a START event, or one that is broken as real servers break them."""
        stop = key & ~MARK_MASK | STOP
        event = json.loads(self.events([stop])[0])
        if key & MARK_MASK == START:
            this_id, linked = event.pop("thisId", None), event["linkedEventId"]
            event |= {"type": "DEVICE_ANALYTICS_START", "linkedEventId": this_id}
            return json.dumps(event | ({"thisId": linked} if self._this_id else {}), ensure_ascii=False)
        return json.dumps(_broken(event, place_of(key)), ensure_ascii=False)


_BROKEN_FIELDS: tuple[dict[str, object], ...] = (
    {"timestamp": None},
    {"timestamp": "ayer"},
    {"timestamp": 1768685755},
    {"timestamp": "2026-13-45T99:00:00.000Z"},
    {"cameraId": None},
    {"cameraId": 17},
    {"analyticEventName": None},
    {"analyticEventName": ["PUERTA 1"]},
    {"analyticEventName": {"es": "PUERTA 1"}},
)
_MISSING = ("timestamp", "cameraId", "analyticEventName")
_NO_EVENTS: tuple[object, ...] = (None, 17, "evento", [])


def _broken(event: dict[str, object], place: int) -> object:
    """Return an event without a usable time, camera or name."""
    variant = place % (len(_BROKEN_FIELDS) + len(_MISSING) + len(_NO_EVENTS))
    if variant < len(_BROKEN_FIELDS):
        return event | _BROKEN_FIELDS[variant]
    variant -= len(_BROKEN_FIELDS)
    if variant < len(_MISSING):
        del event[_MISSING[variant]]
        return event
    return _NO_EVENTS[variant - len(_MISSING)]
