"""Read the events of any answer: where the strict decoding fails, each event is decoded by itself.

One malformed event must not make a page, and so a camera, unreadable: it is counted, and the good ones are kept.
"""

import json
from typing import Any

import msgspec

from aforo.avigilon.errors import UNREADABLE, garbled
from aforo.avigilon.payloads import (
    BAD_TIMESTAMP,
    ILLEGIBLE,
    SearchAnswer,
    WireEvent,
    decode,
    decode_page,
    make_answer,
    result_of,
    text_or_empty,
    to_camera_event,
)
from aforo.errors import AccUnreachable
from aforo.models import CameraEvent


class _LooseEvent(msgspec.Struct, gc=False):
    """``WireEvent`` with fields of any type."""

    timestamp: Any = None
    analyticEventName: Any = None  # noqa: N815 -- the wire's name
    cameraId: Any = None  # noqa: N815
    type: Any = None
    thisId: Any = None  # noqa: N815
    originatingServerId: Any = None  # noqa: N815
    area: Any = None
    activity: Any = None


class _RawEvents(msgspec.Struct, gc=False):
    events: list[msgspec.Raw] | None = None
    token: str | int | None = None


_raw_events = msgspec.json.Decoder(_RawEvents)
_loose_event = msgspec.json.Decoder(_LooseEvent)


def decode_events(body: bytes, queried_server: str) -> SearchAnswer:
    """Read one answer of ``/events/search``.

    Raises AccUnreachable where it is not an answer of the Web Endpoint, ApiError where it is an error.
    """
    try:
        return decode_page(body, queried_server)
    except UNREADABLE:
        return _decode_one_by_one(body, queried_server)


def _decode_one_by_one(body: bytes, queried_server: str) -> SearchAnswer:
    try:
        result = decode(_raw_events, result_of(body))
    except AccUnreachable:
        result = decode(_raw_events, result_of(_mended(body)))
    return make_answer([_to_camera_event(raw, queried_server) for raw in result.events or ()], result.token)


def _to_camera_event(raw: msgspec.Raw, queried_server: str) -> CameraEvent | str:
    """Return the checked event, or the short Spanish reason why it cannot be used."""
    try:
        loose = _decode_loosely(raw)
    except AccUnreachable:
        return ILLEGIBLE
    if loose.timestamp is not None and not isinstance(loose.timestamp, str):
        return BAD_TIMESTAMP
    this_id = loose.thisId
    usable = isinstance(this_id, str | int) and not isinstance(this_id, bool)
    wire = WireEvent(
        timestamp=loose.timestamp or "",
        analyticEventName=text_or_empty(loose.analyticEventName),
        cameraId=text_or_empty(loose.cameraId),
        type=None if loose.type is None else text_or_empty(loose.type),
        thisId=this_id if usable else None,
        originatingServerId=text_or_empty(loose.originatingServerId),
        area=text_or_empty(loose.area),
        activity=text_or_empty(loose.activity),
    )
    return to_camera_event(wire, queried_server)


def _decode_loosely(raw: msgspec.Raw) -> _LooseEvent:
    try:
        return _loose_event.decode(raw)
    except UNREADABLE:
        return decode(_loose_event, _mended(bytes(raw)))


def _mended(body: bytes) -> bytes:
    """Return the same JSON with what strict JSON forbids replaced: broken UTF-8, half a surrogate pair, NaN.

    Raises AccUnreachable where it is no JSON at all.
    """
    try:
        loose = json.loads(body.decode("utf-8", "replace"), parse_constant=_to_null, parse_float=_to_null)
    except (ValueError, RecursionError) as exc:
        raise garbled() from exc
    return json.dumps(loose, ensure_ascii=False).encode("utf-8", "replace")


def _to_null(_: str) -> None:
    """Replace a number that no field in use holds: fractions, NaN and infinities."""
