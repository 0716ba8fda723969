"""JSON that a strict decoder rejects, read as far as it can be: a damaged entry of a list costs that entry.

Accepted are control characters and unknown escapes in strings, bytes that are no UTF-8, halves of surrogate pairs, and
numbers that are none. Bytes that are no UTF-8 become lone surrogates, as in ``surrogateescape``.
"""

import json
import re
from collections.abc import Iterator, Set
from typing import Any, NamedTuple

_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|\\')
_OBJECT = re.compile(r'\{\s*"')
_AFTER_ENTRY = re.compile(r"\s*([,\]])\s*")
_LONGEST_NUMBER = 300  # digits
_MOST_IN_VAIN = 32 * 1024 * 1024  # characters read without finding an entry: an answer made to be slow is given up
_FAILURE, _DEPTH = 100, 20_000  # characters that a failure takes as long as, and one after a thousand levels
_COUNTED_FASTER = 30  # a JSONDecodeError counts the lines before it, so many times faster than they are read
_FIRST_MARK_WITHIN = 4_096  # characters of an entry's beginning
_ENDS_TRIED = 3  # of the list: the token may hold a bracket


class Salvage(NamedTuple):
    """A list of a document, as far as it can be read.

    ``lost``: entries that cannot be read, as far as they can be counted. ``rest``: the document with an empty list in
    the place of this one; None where the end of the list or what follows is missing or damaged, so that entries may
    be missing that were not counted.
    """

    entries: list[Any]
    lost: int
    rest: Any


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


_decoder = json.JSONDecoder(strict=False, parse_int=_integer)


def loads(body: bytes) -> Any:
    """Return the whole document. Raises ValueError."""
    try:
        return _first_value(_text(body))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def salvage(body: bytes, key: str, marks: Set[str]) -> Salvage | None:
    """Read the list of that key; None where there is none. Next to damage only objects with one of the marks count."""
    text = _text(body)
    begin = re.search(rf'"{key}"\s*:\s*\[\s*', text)
    return None if begin is None else _Reading(text, begin.end(), marks).salvage()


def _first_value(text: str) -> Any:
    """Return the value at the beginning of a text, whatever follows it."""
    return _decoder.raw_decode(text.lstrip())[0]


def _text(body: bytes) -> str:
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else r"\\", text)


class _Reading:
    """The reading of one list, entry by entry."""

    def __init__(self, text: str, begin: int, marks: Set[str]) -> None:
        self._text = text
        self._length = len(text.rstrip())
        self._begin = begin
        self._marks = marks
        self._place = begin
        self._lost = 0
        self._in_vain = 0
        self._ran_out = False  # of text, or of patience, within the entry that was read last
        self._end: int | None = None

    def salvage(self) -> Salvage:
        """Read all of it."""
        entries = list(self._entries())
        return Salvage(entries, self._lost, None if self._end is None and self._ran_out else self._rest())

    def _entries(self) -> Iterator[Any]:
        if self._text.startswith("]", self._begin):
            self._end = self._begin
        while self._end is None:
            entry_at = self._place
            if not self._parsed():
                if not self._find_next(entry_at, lost=1):
                    return
                continue
            yield self._entry
            found = _AFTER_ENTRY.match(self._text, self._place)
            if found is None:
                self._ran_out = self._place >= self._length
                if not self._find_next(self._place, lost=0):
                    return
            elif found[1] == ",":
                self._place = found.end()
            else:
                self._end = found.start(1)

    def _parsed(self) -> bool:
        """Take the value at this place as ``_entry`` and go behind it; False where there is none."""
        try:
            self._entry, self._place = _decoder.raw_decode(self._text, self._place)
        except json.JSONDecodeError as error:
            unterminated = error.msg.startswith("Unterminated")  # its position is where the string begins
            reached = self._length if unterminated else error.pos
            self._ran_out = reached >= self._length
            self._in_vain += reached - self._place + _FAILURE + error.pos // _COUNTED_FASTER
        except (ValueError, RecursionError):
            self._ran_out = False
            self._in_vain += _DEPTH
        else:
            self._ran_out = False
            return True
        return False

    def _find_next(self, damaged_at: int, *, lost: int) -> bool:
        """Go to the next object that is an entry; False where there is none, or it takes too long to look for it."""
        for candidate in self._candidates(damaged_at + lost):
            if self._in_vain > _MOST_IN_VAIN:
                self._ran_out = True
                break
            ran_out = self._ran_out
            self._place = candidate
            if self._parsed() and isinstance(self._entry, dict) and not self._marks.isdisjoint(self._entry):
                self._count_lost(self._text[damaged_at:candidate], lost)
                self._place = candidate
                return True
            self._ran_out |= ran_out
        self._count_lost(self._text[damaged_at:], lost)
        return False

    def _candidates(self, begin: int) -> Iterator[int]:
        """Give where objects begin that may be entries: those with a mark not far behind."""
        marks = re.compile("|".join(f'"{mark}"' for mark in self._marks))
        while (mark := marks.search(self._text, begin)) is not None:
            since = max(begin, mark.start() - _FIRST_MARK_WITHIN)
            yield from (found.start() for found in _OBJECT.finditer(self._text, since, mark.start() + 1))
            begin = mark.end()

    def _count_lost(self, damaged: str, least: int) -> None:
        self._lost += max(least, *(damaged.count(f'"{mark}"') for mark in self._marks))

    def _rest(self) -> Any:
        """Return the document without the entries, None where it cannot be read."""
        for end in self._likely_ends():
            try:
                return _first_value(self._text[: self._begin] + self._text[end:])
            except (ValueError, RecursionError):
                continue
        return None

    def _likely_ends(self) -> Iterator[int]:
        if self._end is not None:
            yield self._end
            return
        end = len(self._text)
        for _ in range(_ENDS_TRIED):
            end = self._text.rfind("]", self._begin, end)
            if end < 0:
                return
            yield end
