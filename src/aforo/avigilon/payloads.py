"""The Web Endpoint's JSON as typed values. No dict leaves this module or ``tolerant_decoding``.

Events are decoded strictly; ``tolerant_decoding`` reads what that rejects.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from aforo.avigilon.errors import garbled, parse_error
from aforo.avigilon.lenient_json import loads, salvage
from aforo.models import CameraEvent, Malformed
from aforo.outside_text import LONGEST_TEXT, bounded, well_formed

STOP = "DEVICE_ANALYTICS_STOP"
_MARKS = frozenset({"id"})  # of an entry of a list
_LONGEST_ID = 400  # characters of an event's id

NO_TIMESTAMP = "sin timestamp"
BAD_TIMESTAMP = "timestamp ilegible"
NO_CAMERA = "sin cameraId"
NO_NAME = "sin analyticEventName"
OTHER_TYPE = "otro tipo"
ILLEGIBLE = "ilegible"


_Entry = TypeVar("_Entry")


class Server(NamedTuple):
    """A server of the site."""

    id: str
    name: str


class Camera(NamedTuple):
    """A camera as the server lists it; ``state`` is its ``connectionState``, "" where it gave none.

    ``connected`` is None where that is not known.
    """

    id: str
    name: str
    state: str
    connected: bool | None
    server_id: str


class Webhook(NamedTuple):
    """A webhook as the server lists it."""

    id: str
    url: str


class Damage(Enum):
    """What of an answer cannot be read: some events, whose number is an estimate, or its end, token included."""

    NONE = auto()
    EVENTS = auto()
    CUT = auto()


class SearchAnswer(NamedTuple):
    """One answer of ``/events/search``: ``received`` events, malformed ones included; ``token`` "" without one.

    ``malformed``: the events that cannot be used. An event without ``thisId`` has ``this_id`` "" here and
    makes ``unnamed`` true; ``assign_ids`` gives it one.
    """

    events: list[CameraEvent]
    malformed: list[Malformed]
    received: int
    token: str
    unnamed: bool
    damage: Damage = Damage.NONE


class Listing(NamedTuple, Generic[_Entry]):
    """The servers, cameras or webhooks that a server lists, and how many entries of the list cannot be used."""

    entries: list[_Entry]
    unusable: int


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


_events_envelope = msgspec.json.Decoder(_EventsEnvelope)

_CONNECTED = {"CONNECTED": True, "DISCONNECTED": False, "LONG_FAILED": False, "ERROR": False}  # UNKNOWN: not known
_SHORTEST_INSTANT = len("2026-01-17T21:35")
_read_instant = datetime.fromisoformat
_Texts = tuple[str, str, str, str, str]
_MAX_SHARED_TEXTS = 20_000  # texts come from outside: memory is bounded, however many there are
_make = tuple.__new__  # a NamedTuple's own constructor takes 150 ns more for each event


class SharedTexts:
    """Lets equal events share their texts: it halves their memory, and each text is hashed once.

    ``shortened``: how many events had a text that was too long.
    """

    def __init__(self) -> None:
        self.known: dict[_Texts, _Texts] = {}
        self.shortened = 0

    def add(self, texts: _Texts) -> _Texts:
        """Return these texts, shortened where one is too long; the camera's id, which was asked for, stays whole."""
        server_id, camera_id, name, area, activity = texts
        kept = (bounded(server_id), camera_id, bounded(name), bounded(area), bounded(activity))
        self.shortened += kept != texts
        if kept != texts or len(camera_id) > LONGEST_TEXT:
            return kept
        if len(self.known) >= _MAX_SHARED_TEXTS:
            self.known.clear()
        return self.known.setdefault(texts, texts)


def decode_page(body: bytes, queried_server: str, texts: SharedTexts) -> SearchAnswer:
    """Read a well-formed answer of ``/events/search``.

    Raises one of ``UNREADABLE`` where any part has another shape, ApiError where the answer is an error.
    """
    envelope = _events_envelope.decode(body)
    if envelope.status != "success":
        raise parse_error(200, body)
    result = envelope.result
    return make_answer([to_camera_event(wire, queried_server, texts) for wire in result.events], result.token)


def make_answer(
    decoded: list[CameraEvent | Malformed], token: str | int | None, damage: Damage = Damage.NONE
) -> SearchAnswer:
    """Build an answer from its events, those that cannot be used among them, and its token."""
    events = [event for event in decoded if event.__class__ is CameraEvent]
    malformed = [event for event in decoded if event.__class__ is Malformed] if len(events) < len(decoded) else []
    unnamed = not all([event[1] for event in events])  # noqa: C419 -- a third of the time of a generator
    return SearchAnswer(events, malformed, len(decoded), "" if token is None else str(token), unnamed, damage)


def to_camera_event(wire: WireEvent, queried_server: str, shared: SharedTexts) -> CameraEvent | Malformed:
    """Return the checked event, or why it cannot be used."""
    if wire.type != STOP and wire.type is not None:
        return _malformed(OTHER_TYPE, wire, queried_server)
    if not wire.cameraId:
        return _malformed(NO_CAMERA, wire, queried_server)
    if not wire.analyticEventName:
        return _malformed(NO_NAME, wire, queried_server)
    try:
        instant = _read_instant(wire.timestamp)
        if instant.tzinfo is not UTC or instant.microsecond % 1000:
            instant = _to_utc_milliseconds(instant, wire.timestamp)
    except (ValueError, OverflowError):
        return _malformed(BAD_TIMESTAMP if wire.timestamp else NO_TIMESTAMP, wire, queried_server)
    server_id = wire.originatingServerId or queried_server
    texts = (server_id, wire.cameraId, wire.analyticEventName, wire.area or "", wire.activity or "")
    server_id, camera_id, name, area, activity = shared.known.get(texts) or shared.add(texts)
    this_id = wire.thisId
    if this_id.__class__ is not str:
        this_id = "" if this_id is None else str(this_id)
    elif len(this_id) > _LONGEST_ID:
        this_id = bounded(this_id, _LONGEST_ID)
    return _make(CameraEvent, (server_id, this_id, instant, camera_id, name, area, activity))


def _malformed(reason: str, wire: WireEvent, queried_server: str) -> Malformed:
    server_id = wire.originatingServerId or queried_server
    this_id = None if wire.thisId is None else str(wire.thisId)
    texts = (wire.timestamp, wire.analyticEventName, wire.cameraId, wire.type, wire.area, wire.activity)
    return Malformed(reason, hash((server_id, this_id, *texts)), wire.cameraId, bool(this_id))


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
    return hash(frozenset([event[1:4:2] for event in answer.events]))  # ids and cameras: two may share an id


def result_of(body: bytes) -> dict[str, Any]:
    """Return the ``result`` of a successful answer. Raises AccUnreachable or ApiError."""
    try:
        document = loads(body)
    except ValueError as exc:
        raise garbled() from exc
    return checked_result(document, body)


def checked_result(document: object, body: bytes) -> dict[str, Any]:
    """Return the ``result`` of an answer that is decoded already. Raises AccUnreachable or ApiError."""
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        raise garbled()
    if document["status"] != "success":
        raise parse_error(200, body)
    result = document.get("result", {})
    if not isinstance(result, dict):
        raise garbled()
    return result


def decode_session(body: bytes) -> str:
    """Return the session of a login. Raises AccUnreachable or ApiError."""
    session = text_or_empty(result_of(body).get("session"))
    if not 0 < len(session) <= LONGEST_TEXT or not session.isprintable() or not session.isascii():
        raise garbled()
    return session


def decode_servers(body: bytes) -> Listing[Server]:
    """Return the servers of the site, each once. Raises AccUnreachable or ApiError."""
    entries, unusable = _listed(body, "servers")
    servers = [Server(entry["id"], _name(entry)) for entry in entries]
    return Listing(list({server.id: server for server in servers}.values()), unusable)


def decode_cameras(body: bytes) -> Listing[Camera]:
    """Return the cameras, each once per server. Raises AccUnreachable or ApiError."""
    entries, unusable = _listed(body, "cameras")
    cameras = [_camera(entry) for entry in entries]
    return Listing(list({(camera.server_id, camera.id): camera for camera in cameras}.values()), unusable)


def decode_webhooks(body: bytes) -> Listing[Webhook]:
    """Return the webhooks of the site; one without a url cannot be used. Raises AccUnreachable or ApiError."""
    entries, unusable = _listed(body, "webhooks")
    webhooks = [Webhook(entry["id"], url) for entry in entries if (url := text_or_empty(entry.get("url")))]
    return Listing(webhooks, unusable + len(entries) - len(webhooks))


def _listed(body: bytes, key: str) -> tuple[list[dict[str, Any]], int]:
    """Return the entries of a list that have an id, and how many others there are.

    Raises AccUnreachable where its end is missing: what is missing could not be counted.
    """
    found = salvage(body, key, _MARKS)
    if found is None:
        result_of(body)
        raise garbled()
    checked_result(found.rest, body)
    usable = [entry for entry in found.entries if isinstance(entry, dict) and is_id(entry.get("id"))]
    return usable, len(found.entries) - len(usable) + found.lost


def is_id(value: object) -> bool:
    """Return whether a value can be the id of a server or a camera."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and well_formed(value) == value


def _camera(entry: dict[str, Any]) -> Camera:
    state = bounded(well_formed(text_or_empty(entry.get("connectionState"))))
    connected = entry.get("connected")
    if not isinstance(connected, bool):
        connected = _CONNECTED.get(state)
    server_id = entry["serverId"] if is_id(entry.get("serverId")) else ""
    return Camera(entry["id"], _name(entry), state, connected, server_id)


def _name(entry: dict[str, Any]) -> str:
    return bounded(well_formed(text_or_empty(entry.get("name"))))


def text_or_empty(value: object) -> str:
    """Return a field that ought to be a text, "" where it is anything else."""
    return value if isinstance(value, str) else ""
