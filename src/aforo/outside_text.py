"""Texts from outside (names, reasons, a server's messages), made safe to keep and to show. Pure.

What is kept stays as it came, but for its length. What is shown goes through ``visible``, or, where it is JSON, through
``json_text``: no character then moves a cursor, begins a line, reverses a text or hides in it.
"""

import hashlib
import json
import re
import unicodedata
from typing import Any

LONGEST_TEXT = 1_000  # UTF-16 units: as much as the columns of names hold
_DIGITS = 32  # hexadecimal, of the hash that ends a shortened text: 128 bits
# Characters that Python calls printable and that have no shape: fillers, joiners, variation selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    r"""Return the text with each character that is not seen, or acts on a terminal or a reader, as ``\n``, ``\u202e``….

    These are control, format, private and unassigned characters, halves of surrogate pairs, and line separators.
    """
    if _is_visible(text):
        return text
    return "".join(character if _is_shown(character) else _escape(character) for character in text)


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Return a document as JSON whose text has no character that ``visible`` escapes; its values are the same."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    if _is_visible(text):
        return text
    return "".join(
        character if _is_shown(character) or character == "\n" else _json_escape(character) for character in text
    )


def bounded(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text, or, where it is longer, its beginning and a hash of the whole: two texts stay two."""
    if len(text) <= longest // 2:  # a character is two units at most
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * longest:
        return text
    digest = hashlib.sha256(units).hexdigest()[:_DIGITS]
    return f"{units[: 2 * (longest - _DIGITS - 1)].decode('utf-16-le', 'ignore')}~{digest}"


def well_formed(text: str) -> str:
    """Return the text with ``?`` for each half of a surrogate pair, which UTF-8 does not have."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _is_visible(text: str) -> bool:
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def _is_shown(character: str) -> bool:
    return _is_visible(character) or unicodedata.category(character) == "Zs"  # a blank of another width


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
