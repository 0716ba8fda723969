"""Events by page: the ledger's cursor as an opaque text, and a page as it is told."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64

from aforo.models import CameraEvent
from aforo.storage import Cursor
from aforo.web import schemas
from aforo.web.security import Refused


def cursor(text: str) -> Cursor | None:
    """The place that ``next`` of a page names; None for "". Raises Refused for what was never given out."""
    if not text:
        return None
    try:
        occurred_ms, server_id, this_id = json.loads(urlsafe_b64decode(text))
        return Cursor(int(occurred_ms), int(server_id), str(this_id))
    except (ValueError, TypeError, NotBase64) as exc:
        raise Refused(422, "La petición no sirve: revise after.") from exc


def page_of(events: list[CameraEvent], following: Cursor | None) -> schemas.EventsPage:
    """A page as it is told."""
    told = [schemas.EventOut(**event._asdict()) for event in events]
    after = None if following is None else urlsafe_b64encode(json.dumps(list(following)).encode()).decode()
    return schemas.EventsPage(events=told, next=after)
