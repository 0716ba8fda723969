"""The Web Endpoint's JSON as typed values, decoded strictly. No dict leaves this module or ``tolerant_decoding``."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from aforo.avigilon.errors import UNREADABLE, garbled, parse_error
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
    """A camera as the server lists it; ``state`` is its ``connectionState``, "" where it gave none."""

    id: str
    name: str
    state: str
    connected: bool
    server_id: str


class SearchAnswer(NamedTuple):
    """One answer of ``/events/search``: ``received`` events, malformed ones included; ``token`` "" without one.

    ``malformed``: why each of those events cannot be used. An event without ``thisId`` has ``this_id`` "" here and
    makes ``unnamed`` true; ``assign_ids`` gives it one.
    """

    events: list[CameraEvent]
    malformed: list[str]
    received: int
    token: str
    unnamed: bool


class WireEvent(msgspec.Struct, gc=False):
    """One event as the Web Endpoint sends it."""

    timestamp: str
    analyticEventName: str  # noqa: N815 -- the wire's name
    cameraId: str  # noqa: N815
    type: str | None = None
    thisId: str | int | None = None  # noqa: N815
    originatingServerId: str | None = None  # noqa: N815
    area: str | None = None
    activity: str | None = None


class _Events(msgspec.Struct, gc=False):
    events: list[WireEvent]
    token: str | None = None


class _EventsEnvelope(msgspec.Struct, gc=False):
    status: str
    result: _Events


class _Envelope(msgspec.Struct, gc=False):
    status: str
    result: msgspec.Raw = msgspec.Raw(b"{}")


class _Session(msgspec.Struct, gc=False):
    session: str


class _Listed(msgspec.Struct, gc=False):
    """A server or a camera in a list."""

    id: Any = None
    name: Any = None
    connectionState: Any = None  # noqa: N815
    connected: Any = None
    serverId: Any = None  # noqa: N815


class _Servers(msgspec.Struct, gc=False):
    servers: list[_Listed]


class _Cameras(msgspec.Struct, gc=False):
    cameras: list[_Listed]


_events_envelope = msgspec.json.Decoder(_EventsEnvelope)
_envelope = msgspec.json.Decoder(_Envelope)
_session = msgspec.json.Decoder(_Session)
_servers = msgspec.json.Decoder(_Servers)
_cameras = msgspec.json.Decoder(_Cameras)

_T = TypeVar("_T")
_SHORTEST_INSTANT = len("2026-01-17T21:35")
_read_instant = datetime.fromisoformat
_Texts = tuple[str, str, str, str, str]
_shared_texts: dict[_Texts, _Texts] = {}
_MAX_SHARED_TEXTS = 20_000  # texts come from outside: memory is bounded, however many there are
_make = tuple.__new__  # a NamedTuple's own constructor takes 150 ns more for each event


def decode_page(body: bytes, queried_server: str) -> SearchAnswer:
    """Read a well-formed answer of ``/events/search``.

    Raises one of ``UNREADABLE`` where any part has another shape, ApiError where the answer is an error.
    """
    envelope = _events_envelope.decode(body)
    if envelope.status != "success":
        raise parse_error(200, body)
    result = envelope.result
    return make_answer([to_camera_event(wire, queried_server) for wire in result.events], result.token)


def make_answer(decoded: list[CameraEvent | str], token: str | int | None) -> SearchAnswer:
    """Build an answer from its events, or the reasons why they cannot be used, and its token."""
    events = [event for event in decoded if event.__class__ is CameraEvent]
    malformed = [event for event in decoded if event.__class__ is str] if len(events) < len(decoded) else []
    unnamed = not all([event[1] for event in events])  # noqa: C419 -- a third of the time of a generator
    return SearchAnswer(events, malformed, len(decoded), "" if token is None else str(token), unnamed)


def to_camera_event(wire: WireEvent, queried_server: str) -> CameraEvent | str:
    """Return the checked event, or the short Spanish reason why it cannot be used."""
    if wire.type != STOP and wire.type is not None:
        return OTHER_TYPE
    if not wire.cameraId:
        return NO_CAMERA
    if not wire.analyticEventName:
        return NO_NAME
    try:
        instant = _read_instant(wire.timestamp)
        if instant.tzinfo is not UTC or instant.microsecond % 1000:
            instant = _to_utc_milliseconds(instant, wire.timestamp)
    except (ValueError, OverflowError):
        return BAD_TIMESTAMP if wire.timestamp else NO_TIMESTAMP
    server_id = wire.originatingServerId or queried_server
    texts = (server_id, wire.cameraId, wire.analyticEventName, wire.area or "", wire.activity or "")
    server_id, camera_id, name, area, activity = _shared_texts.get(texts) or _share(texts)
    this_id = wire.thisId
    if this_id.__class__ is not str:
        this_id = "" if this_id is None else str(this_id)
    return _make(CameraEvent, (server_id, this_id, instant, camera_id, name, area, activity))


def _share(texts: _Texts) -> _Texts:
    """Let equal events share these texts: it halves their memory, and each text is hashed once."""
    if len(_shared_texts) >= _MAX_SHARED_TEXTS:
        _shared_texts.clear()
    return _shared_texts.setdefault(texts, texts)


def _to_utc_milliseconds(instant: datetime, text: str) -> datetime:
    """Return aware UTC, cut to the millisecond; without an offset it is UTC. Raises ValueError for a mere date."""
    if len(text) < _SHORTEST_INSTANT:
        raise ValueError(text)
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def instant_text(instant: datetime) -> str:
    """Write aware UTC as the Web Endpoint does: ``2026-01-27T19:00:00.000Z``, with microseconds where there are any."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return f"{instant.replace(tzinfo=None).isoformat(timespec=precision)}Z"


def assign_ids(events: Iterable[CameraEvent], ordinals: Counter[str]) -> Sequence[CameraEvent]:
    """Give each event without ``thisId`` an id made of its content and its number among equal events, from 0.

    ``ordinals`` counts the equal events so far, by content, and is updated.
    """
    identified = []
    for event in events:
        if event.this_id:
            identified.append(event)
            continue
        content = content_hash(event)
        identified.append(event._replace(this_id=f"~{content}.{ordinals[content]}"))
        ordinals[content] += 1
    return identified


def content_hash(event: CameraEvent) -> str:
    """Return 16 hexadecimal digits of server, camera, instant, name, activity and area."""
    instant = instant_text(event.occurred_at)
    parts = (event.server_id, event.camera_id, instant, event.name, event.activity, event.area)
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def page_fingerprint(answer: SearchAnswer) -> int:
    """Return the same number for a page that comes again, in whatever order; another for any other page."""
    if not answer.events:
        return hash(answer.token)
    if answer.unnamed:
        return hash(frozenset(Counter(answer.events).items()))
    return hash(frozenset([event[1] for event in answer.events]))


def result_of(body: bytes) -> bytes:
    """Return the ``result`` of a successful answer, still JSON. Raises AccUnreachable or ApiError."""
    envelope = decode(_envelope, body)
    if envelope.status != "success":
        raise parse_error(200, body)
    return bytes(envelope.result)


def decode_session(body: bytes) -> str:
    """Return the session of a login. Raises AccUnreachable or ApiError."""
    session = decode(_session, result_of(body)).session
    if not session or not session.isprintable() or not session.isascii():
        raise garbled()
    return session


def decode_servers(body: bytes) -> list[Server]:
    """Return the servers of the site, each once, without those that have no id. Raises AccUnreachable or ApiError."""
    listed = decode(_servers, result_of(body)).servers
    return list({one.id: Server(one.id, text_or_empty(one.name)) for one in listed if text_or_empty(one.id)}.values())


def decode_cameras(body: bytes) -> list[Camera]:
    """Return the cameras, each once per server, without those that have no id. Raises AccUnreachable or ApiError."""
    cameras = [_camera(one) for one in decode(_cameras, result_of(body)).cameras if text_or_empty(one.id)]
    return list({(camera.server_id, camera.id): camera for camera in cameras}.values())


def _camera(listed: _Listed) -> Camera:
    state = text_or_empty(listed.connectionState)
    connected = listed.connected if isinstance(listed.connected, bool) else state == "CONNECTED"
    return Camera(listed.id, text_or_empty(listed.name), state, connected, text_or_empty(listed.serverId))


def text_or_empty(value: object) -> str:
    """Return a field that ought to be a text, "" where it is anything else."""
    return value if isinstance(value, str) else ""


def decode(decoder: "msgspec.json.Decoder[_T]", body: bytes) -> _T:
    """Decode a part of an answer. Raises AccUnreachable where it has another shape."""
    try:
        return decoder.decode(body)
    except UNREADABLE as exc:
        raise garbled() from exc
