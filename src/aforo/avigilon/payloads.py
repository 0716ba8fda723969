"""JSON of the Web Endpoint → typed, tolerant outside and strict inside. No dict travels further than this module.

A page of events is decoded in one go; only where that fails is each event looked at by itself, so that a bad one is
counted and the good ones around it survive.
"""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from aforo.avigilon.errors import UNREADABLE, garbled, refusal
from aforo.errors import AccUnreachable
from aforo.models import CameraEvent

STOP = "DEVICE_ANALYTICS_STOP"

NO_TIMESTAMP = "sin timestamp"
BAD_TIMESTAMP = "timestamp ilegible"
NO_CAMERA = "sin cameraId"
NO_NAME = "sin analyticEventName"
OTHER_TYPE = "otro tipo"
ILLEGIBLE = "ilegible"


class Server(NamedTuple):
    """A server of the site."""

    id: str
    name: str


class Camera(NamedTuple):
    """A camera as the server tells of it; ``state`` is its ``connectionState``, "" where it gave none."""

    id: str
    name: str
    state: str
    connected: bool
    server_id: str


class Answer(NamedTuple):
    """One answer of ``/events/search``: ``raw`` events came, bad ones included; ``token`` "" where there was none.

    An event without ``thisId`` has ``this_id`` "" here and makes ``unnamed`` true: the search numbers it.
    """

    events: list[CameraEvent]
    malformed: list[str]
    raw: int
    token: str
    unnamed: bool


class _Event(msgspec.Struct, gc=False):
    timestamp: str
    analyticEventName: str  # noqa: N815 -- the wire's name
    cameraId: str  # noqa: N815
    type: str | None = None
    thisId: str | int | None = None  # noqa: N815
    originatingServerId: str | None = None  # noqa: N815
    area: str | None = None
    activity: str | None = None


class _LooseEvent(msgspec.Struct, gc=False):
    timestamp: Any = None
    analyticEventName: Any = None  # noqa: N815
    cameraId: Any = None  # noqa: N815
    type: Any = None
    thisId: Any = None  # noqa: N815
    originatingServerId: Any = None  # noqa: N815
    area: Any = None
    activity: Any = None


class _Events(msgspec.Struct, gc=False):
    events: list[_Event]
    token: str | None = None


class _EventsEnvelope(msgspec.Struct, gc=False):
    status: str
    result: _Events


class _RawEvents(msgspec.Struct, gc=False):
    events: list[msgspec.Raw] | None = None
    token: str | int | None = None


class _Envelope(msgspec.Struct, gc=False):
    status: str
    result: msgspec.Raw = msgspec.Raw(b"{}")


class _Session(msgspec.Struct, gc=False):
    session: str


class _Named(msgspec.Struct, gc=False):
    id: Any = None
    name: Any = None
    connectionState: Any = None  # noqa: N815
    connected: Any = None
    serverId: Any = None  # noqa: N815


class _Servers(msgspec.Struct, gc=False):
    servers: list[_Named]


class _Cameras(msgspec.Struct, gc=False):
    cameras: list[_Named]


_whole_page = msgspec.json.Decoder(_EventsEnvelope)
_envelope = msgspec.json.Decoder(_Envelope)
_raw_events = msgspec.json.Decoder(_RawEvents)
_loose_event = msgspec.json.Decoder(_LooseEvent)
_session = msgspec.json.Decoder(_Session)
_servers = msgspec.json.Decoder(_Servers)
_cameras = msgspec.json.Decoder(_Cameras)

_T = TypeVar("_T")
_SHORTEST_INSTANT = len("2026-01-17T21:35")
_read_instant = datetime.fromisoformat
_Texts = tuple[str, str, str, str, str]
_known_texts: dict[_Texts, _Texts] = {}
_MOST_KNOWN = 20_000  # texts come from outside: however many there are, memory is bounded
_make = tuple.__new__  # a NamedTuple's own constructor takes 150 ns more, on each of 100,000 events


def decode_events(body: bytes, asked_server: str) -> Answer:
    """Read one answer of ``/events/search``.

    Raises AccUnreachable where it is not an answer of the Web Endpoint, Refusal where it tells of an error.
    """
    try:
        page = _whole_page.decode(body)
    except UNREADABLE:
        return _decode_one_by_one(body, asked_server)
    if page.status != "success":
        raise refusal(200, body)
    result = page.result
    return _answer([typed(wire, asked_server) for wire in result.events], result.token)


def _decode_one_by_one(body: bytes, asked_server: str) -> Answer:
    try:
        result = _decode(_raw_events, success(body))
    except AccUnreachable:
        result = _decode(_raw_events, success(_mended(body)))
    return _answer([_loose(wire, asked_server) for wire in result.events or ()], result.token)


def _mended(body: bytes) -> bytes:
    """The same JSON with what is strictly no JSON replaced: broken UTF-8, half a surrogate pair, NaN.

    One such character in one event must not make a page, and so a camera, unreadable for the rest of the evening.
    Raises AccUnreachable where it is no JSON at all.
    """
    try:
        loose = json.loads(body.decode("utf-8", "replace"), parse_constant=_nothing, parse_float=_nothing)
    except (ValueError, RecursionError) as exc:
        raise garbled() from exc
    return json.dumps(loose, ensure_ascii=False).encode("utf-8", "replace")


def _nothing(_: str) -> None:
    """No field that is read holds a fraction."""


def _answer(read: list[CameraEvent | str], token: str | int | None) -> Answer:
    events = [event for event in read if event.__class__ is CameraEvent]
    malformed = [event for event in read if event.__class__ is str] if len(events) < len(read) else []
    unnamed = not all([event[1] for event in events])  # noqa: C419 -- a third of the time of a generator
    text = "" if token is None else str(token)
    return Answer(events, malformed, len(read), text, unnamed)


def typed(wire: _Event, asked_server: str) -> CameraEvent | str:
    """A checked event, or the short Spanish reason why it cannot be read."""
    if wire.type != STOP and wire.type is not None:
        return OTHER_TYPE
    if not wire.cameraId:
        return NO_CAMERA
    if not wire.analyticEventName:
        return NO_NAME
    try:
        instant = _read_instant(wire.timestamp)
        if instant.tzinfo is not UTC or instant.microsecond % 1000:
            instant = _to_milliseconds(instant, wire.timestamp)
    except (ValueError, OverflowError):
        return BAD_TIMESTAMP if wire.timestamp else NO_TIMESTAMP
    server_id = wire.originatingServerId or asked_server
    said = (server_id, wire.cameraId, wire.analyticEventName, wire.area or "", wire.activity or "")
    server_id, camera_id, name, area, activity = _known_texts.get(said) or _know(said)
    this_id = wire.thisId
    if this_id.__class__ is not str:
        this_id = "" if this_id is None else str(this_id)
    return _make(CameraEvent, (server_id, this_id, instant, camera_id, name, area, activity))


def _know(said: _Texts) -> _Texts:
    """Remember these texts: events that say the same share them. That halves their memory, and each is hashed once."""
    if len(_known_texts) >= _MOST_KNOWN:
        _known_texts.clear()
    return _known_texts.setdefault(said, said)


def _to_milliseconds(instant: datetime, text: str) -> datetime:
    """Aware UTC, cut to the millisecond; an instant without an offset is UTC. Raises ValueError for a mere date."""
    if len(text) < _SHORTEST_INSTANT:
        raise ValueError(text)
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _loose(wire: msgspec.Raw, asked_server: str) -> CameraEvent | str:
    try:
        loose = _read_loosely(wire)
    except AccUnreachable:
        return ILLEGIBLE
    if loose.timestamp is not None and not isinstance(loose.timestamp, str):
        return BAD_TIMESTAMP
    this_id = loose.thisId
    usable = isinstance(this_id, str | int) and not isinstance(this_id, bool)
    strict = _Event(
        timestamp=loose.timestamp or "",
        analyticEventName=_text(loose.analyticEventName),
        cameraId=_text(loose.cameraId),
        type=None if loose.type is None else _text(loose.type),
        thisId=this_id if usable else None,
        originatingServerId=_text(loose.originatingServerId),
        area=_text(loose.area),
        activity=_text(loose.activity),
    )
    return typed(strict, asked_server)


def _read_loosely(wire: msgspec.Raw) -> _LooseEvent:
    try:
        return _loose_event.decode(wire)
    except UNREADABLE:
        return _decode(_loose_event, _mended(bytes(wire)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def success(body: bytes) -> bytes:
    """The ``result`` of a successful answer, still JSON. Raises AccUnreachable or Refusal."""
    envelope = _decode(_envelope, body)
    if envelope.status != "success":
        raise refusal(200, body)
    return bytes(envelope.result)


def decode_session(body: bytes) -> str:
    """The session of a login. Raises AccUnreachable or Refusal."""
    session = _decode(_session, success(body)).session
    if not session or not session.isprintable() or not session.isascii():
        raise garbled()
    return session


def decode_servers(body: bytes) -> list[Server]:
    """The servers of the site, each once; those without an id are left out. Raises AccUnreachable or Refusal."""
    named = _decode(_servers, success(body)).servers
    return list({one.id: Server(one.id, _text(one.name)) for one in named if _text(one.id)}.values())


def decode_cameras(body: bytes) -> list[Camera]:
    """The cameras, each once per server; those without an id are left out. Raises AccUnreachable or Refusal."""
    cameras = [_camera(one) for one in _decode(_cameras, success(body)).cameras if _text(one.id)]
    return list({(camera.server_id, camera.id): camera for camera in cameras}.values())


def _camera(named: _Named) -> Camera:
    state = _text(named.connectionState)
    connected = named.connected if isinstance(named.connected, bool) else state == "CONNECTED"
    return Camera(named.id, _text(named.name), state, connected, _text(named.serverId))


def _decode(decoder: "msgspec.json.Decoder[_T]", body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except UNREADABLE as exc:
        raise garbled() from exc
