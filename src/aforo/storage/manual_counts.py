"""Counts of the people in a zone that no camera made, as the journal keeps them."""

import json
from dataclasses import asdict, dataclass

import msgspec

from aforo.storage.journal import JournalEntry, JournalKind

_USUAL_ERROR = 0.03  # of a count that says of itself nothing else


@dataclass(frozen=True, slots=True)
class ManualCount:
    """So many people in a zone at an instant; with ``entries``, so many that had entered it since the start.

    ``error``: 19 times in 20 the truth is no further away. ``correction``: the id of the correction that was made with
    it, "" where none was.
    """

    value: int
    error: float
    author: str = ""
    entries: bool = False
    correction: str = ""

    @classmethod
    def inside(cls, value: int, error: float | None, author: str, correction: str = "") -> "ManualCount":
        """A count of the people inside; without an error, the usual one is assumed."""
        return cls(value, _USUAL_ERROR * value if error is None else error, author, correction=correction)

    @classmethod
    def tickets(cls, value: int, error: float | None, author: str) -> "ManualCount":
        """A count of the people that entered; without an error, the usual one is assumed."""
        return cls(value, _USUAL_ERROR * value if error is None else error, author, entries=True)

    @classmethod
    def of(cls, entry: JournalEntry) -> "ManualCount | None":
        """Return the count of a journal entry; None for an entry of another kind, and for a damaged one."""
        if entry.kind != JournalKind.COUNT:
            return None
        try:
            return msgspec.json.decode(entry.detail, type=cls)
        except (msgspec.MsgspecError, ValueError):  # read every few seconds: it is left out without a word each time
            return None

    def text(self) -> str:
        """The detail of its journal entry."""
        return json.dumps(asdict(self), ensure_ascii=False)
