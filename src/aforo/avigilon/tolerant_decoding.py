"""Read the events of any answer: where the strict decoding fails, each event is decoded by itself.

One malformed event must not make a page, and so a camera, unreadable: it is counted, and the good ones are kept.
"""

import re

from aforo.avigilon.errors import UNREADABLE, CutAnswer, garbled
from aforo.avigilon.lenient_json import salvage
from aforo.avigilon.payloads import (
    BAD_TIMESTAMP,
    ILLEGIBLE,
    Damage,
    SearchAnswer,
    SharedTexts,
    WireEvent,
    checked_result,
    decode_page,
    make_answer,
    result_of,
    text_or_empty,
    to_camera_event,
)
from aforo.models import CameraEvent, Malformed

_MARKS = frozenset({"timestamp", "cameraId", "analyticEventName"})
_NO_CHARACTER = re.compile("[\udc80-\udcff]")  # a byte that is no UTF-8


def decode_events(body: bytes, queried_server: str, texts: SharedTexts | None = None) -> SearchAnswer:
    """Read one answer of ``/events/search``.

    Raises AccUnreachable where it is not an answer of the Web Endpoint, CutAnswer where only its beginning can be read,
    ApiError where it is an error.
    """
    texts = SharedTexts() if texts is None else texts
    try:
        return decode_page(body, queried_server, texts)
    except UNREADABLE:
        return _decode_one_by_one(body, queried_server, texts)


def _decode_one_by_one(body: bytes, queried_server: str, texts: SharedTexts) -> SearchAnswer:
    found = salvage(body, "events", _MARKS)
    if found is None:
        if result_of(body).get("events") is None:
            return make_answer([], None)
        raise garbled()
    decoded = [to_checked_event(entry, queried_server, texts) for entry in found.entries]
    decoded += [Malformed(ILLEGIBLE, hash((body, number))) for number in range(found.lost)]
    result = None if found.rest is None else checked_result(found.rest, body)
    token = None if result is None else result.get("token")
    if result is None or not _may_be_token(token):
        answer = make_answer(decoded, None, Damage.CUT)
        raise CutAnswer(answer) if answer.events else garbled()
    return make_answer(decoded, token, Damage.EVENTS if found.lost else Damage.NONE)


def _may_be_token(token: object) -> bool:
    """Whether a token can be sent; one that cannot may have led to another page."""
    if isinstance(token, str):
        return _to_text(token) == token
    return token is None or (isinstance(token, int) and not isinstance(token, bool))


def to_checked_event(entry: object, queried_server: str, texts: SharedTexts) -> CameraEvent | Malformed:
    """Return the checked event, or why it cannot be used."""
    if not isinstance(entry, dict):
        return Malformed(ILLEGIBLE, hash(repr(entry)))
    timestamp, this_id, kind = entry.get("timestamp"), entry.get("thisId"), entry.get("type")
    if timestamp is not None and not isinstance(timestamp, str):
        return Malformed(BAD_TIMESTAMP, hash(repr(entry)), _to_id(entry.get("cameraId")), this_id is not None)
    usable = isinstance(this_id, str | int) and not isinstance(this_id, bool)
    wire = WireEvent(
        timestamp=_to_text(timestamp or ""),
        analyticEventName=_to_text(entry.get("analyticEventName")),
        cameraId=_to_id(entry.get("cameraId")),
        type=None if kind is None else _to_text(kind),
        thisId=_to_id(str(this_id)) if usable else None,
        originatingServerId=_to_id(entry.get("originatingServerId")),
        area=_to_text(entry.get("area")),
        activity=_to_text(entry.get("activity")),
    )
    return to_camera_event(wire, queried_server, texts)


def _to_text(value: object) -> str:
    """Return a text without what UTF-8 does not have."""
    text = text_or_empty(value)
    if text.isascii():
        return text
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text).encode("utf-8", "replace").decode()


def _to_id(value: object) -> str:
    """Return the same of an id: two that differ stay two."""
    return text_or_empty(value).encode("utf-8", "backslashreplace").decode()
