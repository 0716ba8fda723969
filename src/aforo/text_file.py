"""Text files that people write: what a file that is no UTF-8 text is instead, and characters that mislead the eye."""

import codecs
import unicodedata
from pathlib import Path

from aforo.errors import BadInput, os_reason

_SAVE_AS_UTF8 = "Guárdelo como texto UTF-8."
_CURLY = "“”„‟«»‘’‚‛`´"  # what word processors and chats make of straight quotes
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cf", "Cc"})  # Unicode's categories of blanks, formats and controls
_FEW, _MOST = 0.1, 0.6  # of the bytes in one half of all places: NULs in UTF-16 of a text in Spanish


def read_text(path: Path, fault: type[BadInput], named: str = "", remedy: str = "") -> str:
    """Return the file's text, UTF-8 with or without a byte order mark.

    Raises ``fault`` with the true cause where it cannot be read or is no such text. ``named`` begins the Spanish
    sentence, before the path; ``remedy`` is for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise fault(f"{named}{path} no se puede leer ({os_reason(exc)}).", remedy=remedy) from exc
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise fault(f"{named}{path} está en UTF-16 («Unicode»), no en UTF-8.", remedy=_SAVE_AS_UTF8)
    if _is_utf16(data):
        raise fault(f"{named}{path} está en UTF-16 sin marca, no en UTF-8.", remedy=_SAVE_AS_UTF8)
    if b"\0" in data:
        raise fault(
            f"{named}{path} tiene bytes nulos: está dañado o quedó a medio escribir.",
            remedy="Recupere una copia, o escríbalo de nuevo.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise fault(f"{named}{path} no está en UTF-8 (línea {line}).", remedy=_SAVE_AS_UTF8) from exc


def _is_utf16(data: bytes) -> bool:
    """Return whether every second byte is NUL, and hardly one of the others."""
    places = len(data) // 2
    shares = sorted(data[first::2].count(0) / places for first in (0, 1)) if places else [0.0, 0.0]
    return shares[0] < _FEW and shares[1] > _MOST


def misleading(character: str) -> str:
    """Return in Spanish what is wrong with a character that looks like another, or like none; "" for any other."""
    if character and character in _CURLY:
        return f'comillas «{character}», que no son las rectas: "'
    if character and character not in " \t\r\n" and unicodedata.category(character) in _UNSEEN:
        return f"un carácter que no se ve (U+{ord(character):04X})"
    return ""


def curly_quote(text: str) -> str:
    """Return the first quote of the text that is not straight; "" where there is none."""
    return next((character for character in text if character in _CURLY), "")
