"""How many crossed each door in earlier events, as the journal keeps it: what is usual for a door. Pure."""

from collections.abc import Iterable

import msgspec

from aforo.counting.door_activity import History
from aforo.counting.doors import Crossings
from aforo.storage import JournalEntry

_MOST_EVENTS = 10  # the last ones: doors are opened, closed and moved


def text_of(doors: History) -> str:
    """Return the detail of the journal entry of an event: the crossings of each door, by its name."""
    return msgspec.json.encode(doors).decode()


def past_doors(entries: Iterable[JournalEntry], event_id: int | None) -> History:
    """Return the crossings of each door in the last events, without that one; what is damaged is left out."""
    last = {entry.record_id: entry for entry in sorted(entries, key=lambda one: one.id) if entry.record_id != event_id}
    newest = sorted(last.values(), key=lambda one: one.began)[-_MOST_EVENTS:]
    found: dict[str, Crossings] = {}
    for entry in newest:
        for door, crossings in _read(entry.detail).items():
            found[door] = found.get(door, Crossings()).plus(crossings)
    return found


def _read(text: str) -> dict[str, Crossings]:
    try:
        return msgspec.json.decode(text, type=dict[str, Crossings])
    except (msgspec.MsgspecError, ValueError):  # what it says is of help only; the count does not need it
        return {}
