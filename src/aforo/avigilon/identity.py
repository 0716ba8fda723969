"""Names for events that ACC gave none, and a mark to know a page by."""

import hashlib
from collections import Counter
from collections.abc import Iterable

from aforo.avigilon.payloads import Answer
from aforo.avigilon.transport import instant_text
from aforo.models import CameraEvent


def page_print(answer: Answer) -> int:
    """The same number for a page that comes again, in whatever order; another for any other page."""
    if not answer.events:
        return hash(answer.token)
    if answer.unnamed:
        return hash(frozenset(Counter(answer.events).items()))
    return hash(frozenset([event[1] for event in answer.events]))


def numbered(events: Iterable[CameraEvent], ordinals: Counter[str]) -> list[CameraEvent]:
    """Give each event without ``thisId`` one made of its content and of its number among equals, from 0."""
    named = []
    for event in events:
        if event.this_id:
            named.append(event)
            continue
        content = content_hash(event)
        named.append(event._replace(this_id=f"~{content}.{ordinals[content]}"))
        ordinals[content] += 1
    return named


def content_hash(event: CameraEvent) -> str:
    """16 hexadecimal digits of server, camera, instant, name, activity and area."""
    instant = instant_text(event.occurred_at)
    parts = (event.server_id, event.camera_id, instant, event.name, event.activity, event.area)
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
