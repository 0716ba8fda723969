"""ACC's pushes: whether one is authentic, and which camera events it speaks of. Pure.

Nothing of a push is decoded before it has shown the webhook's token.
"""

import binascii
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from aforo.avigilon.lenient_json import loads
from aforo.avigilon.payloads import SharedTexts, text_or_empty
from aforo.avigilon.tolerant_decoding import to_checked_event
from aforo.models import CameraEvent

_TOKEN_FIELD = re.compile(rb'"authenticationToken"\s*:\s*("(?:[^"\\]|\\.){1,256}")')
_FIELDS_TRIED = 4
_MOST_EVENTS = 5_000  # of one push


class PushKind(Enum):
    """What a push says: a server has reconnected; it is connected and nothing happened; something happened."""

    HELLO = "HELLO"
    HEARTBEAT = "HEARTBEAT"
    NOTIFICATION = "NOTIFICATION"
    OTHER = ""


_KINDS = {kind.value: kind for kind in PushKind}


class Sighting(NamedTuple):
    """An event of a feed that a push speaks of. ``server_id`` is "" where the push does not name it."""

    server_id: str
    camera_id: str
    occurred_at: datetime


class Push(NamedTuple):
    """What a push says. ``sightings``: the STOP events in it that a search would give, too."""

    kind: PushKind
    sightings: list[Sighting]


def is_authentic(body: bytes, authorization: str, token: str, *, encrypted: bool) -> bool:
    """Return whether the sender knows the webhook's token (base64).

    Its proof is the header ``authorization``, base64(HMAC-SHA256(body)) keyed with the decoded token; in a push that
    came ``encrypted`` also the token itself, in the body.
    """
    expected = b64encode(hmac.digest(_key(token), body, sha256))
    offered = authorization.rpartition(" ")[2].encode("utf-8", "replace")
    if hmac.compare_digest(offered, expected):
        return True
    return encrypted and any(hmac.compare_digest(one, token.encode()) for one in _tokens(body))


def decode_push(body: bytes) -> Push:
    """Return what an authentic push says. Raises ValueError where it cannot be read."""
    document = loads(body)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 -- as for any other text that is no push
    kind = text_or_empty(document.get("type"))
    return Push(_KINDS.get(kind, PushKind.OTHER), list(_sightings(document.get("notifications"))))


def _sightings(notifications: object) -> Iterator[Sighting]:
    """Yield the events that can be used. A START event is none: its crossing is counted by the STOP that follows."""
    texts = SharedTexts()
    for notification in notifications[:_MOST_EVENTS] if isinstance(notifications, list) else ():
        entry = notification.get("event") if isinstance(notification, dict) else None
        event = to_checked_event(entry, "", texts)
        if isinstance(event, CameraEvent):
            yield Sighting(event.server_id, event.camera_id, event.occurred_at)


def _key(token: str) -> bytes:
    try:
        return b64decode(token)
    except binascii.Error:
        return token.encode()


def _tokens(body: bytes) -> Iterator[bytes]:
    """Yield what stands in the body as ``authenticationToken``, without decoding the body."""
    for _, found in zip(range(_FIELDS_TRIED), _TOKEN_FIELD.finditer(body), strict=False):
        try:
            yield str(json.loads(found[1])).encode("utf-8", "replace")
        except ValueError:
            continue
