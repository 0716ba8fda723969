"""The redaction of secrets in texts that are shown or logged.

A server may echo what it was sent, in any spelling: the known secrets are found as they are, in base64, in hexadecimal,
and behind the escapes of JSON, URLs and HTML, also one within another.
"""

import base64
import html
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, quote_plus, unquote

_SHORTEST_SECRET = 4  # characters; shorter ones would mask half of every line, and no secret that matters is that short
_MOST_ADDED = 64  # sessions and tokens, the latest
_ROUNDS = 3  # escapes within escapes that are undone
_NAMED = re.compile(
    r"(?i)(?:\b|(?<=%3B)|(?<=%26))(x-avg-session|session|authorizationToken|authenticationToken|pwd|password|user_?nonce|user_?key)"
    r"(%3D|[\"']?\s*[=:]\s*[\"']?)(?!\*\*\*|\(puesto)(\{(?:[^}]|\}\})*\}|[^\s\"',;&}]+)"
)
_IN_URL = re.compile(r"(://[^\s/@:]*):[^\s/@]+@")
_ESCAPE = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+"
    r"|(?:\\u[0-9A-Fa-f]{4})+|\\x[0-9A-Fa-f]{2}|\\[!-/:-@[-`{-~bfnrt]"
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)

Span = tuple[int, int]


class Mask:
    """Replaces secrets in a text by ``***``: the known values in every spelling, and whatever looks like a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._fixed: tuple[str, ...] = ()
        self._added: deque[str] = deque(maxlen=_MOST_ADDED)
        self.know(secrets)

    def know(self, secrets: Iterable[str]) -> None:
        """Know these secrets as well, for good."""
        self._fixed = (
            *self._fixed,
            *(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET and secret not in self._fixed),
        )
        self._set_spellings()

    def add(self, secret: str) -> None:
        """Know one more secret: a session, a token. Of these the latest are kept."""
        if len(secret) >= _SHORTEST_SECRET and secret not in self._secrets:
            self._added.append(secret)
            self._set_spellings()

    def __call__(self, text: str) -> str:
        """Return the text with each secret as ``***``."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, "***")
        if any(sign in text for sign in "%\\&"):
            text = _without(text, _hidden(text, self._secrets))
        return _IN_URL.sub(r"\1:***@", _NAMED.sub(r"\1\2***", text))

    def document(self, value: Any) -> Any:
        """Return a document as JSON has it, with each text in it masked."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.document(one) for key, one in value.items()}
        return [self.document(one) for one in value] if isinstance(value, list) else value

    def _set_spellings(self) -> None:
        # Replaced, never changed: the log's thread may be reading them.
        self._secrets: Sequence[str] = (*self._fixed, *self._added)
        spellings = {spelling for secret in self._secrets for spelling in _spellings(secret)}
        self._spellings: Sequence[str] = sorted(spellings, key=len, reverse=True)


def _spellings(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    raw = secret.encode("utf-8", "surrogatepass")
    yield from (raw.hex(), raw.hex().upper())
    for before in range(3):  # bytes of another text in front of it
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        # Without the characters that hold bits of what is in front and behind.
        own = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield from (own, own.replace("+", "-").replace("/", "_"))


def _hidden(text: str, secrets: Sequence[str]) -> Iterator[Span]:
    """Give where secrets stand in the text once its escapes are undone."""
    spans: list[Span] = [(place, place + 1) for place in range(len(text))]
    for _ in range(_ROUNDS):
        decoded, spans = _unescaped(text, spans)
        if decoded == text:
            return
        text = decoded
        for secret in secrets:
            place = text.find(secret)
            while place >= 0:
                yield spans[place][0], spans[place + len(secret) - 1][1]
                place = text.find(secret, place + 1)


def _unescaped(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """Return the text with its escapes undone, and of each character where it stands in the original."""
    characters: list[str] = []
    origins: list[Span] = []
    end = 0
    for found in _ESCAPE.finditer(text):
        start = found.start()
        characters += text[end:start]
        origins += spans[end:start]
        end = found.end()
        for character, first, last in _characters(found[0]):
            characters.append(character)
            origins.append((spans[start + first][0], spans[start + last - 1][1]))
    characters += text[end:]
    origins += spans[end:]
    return "".join(characters), origins


def _characters(escapes: str) -> Iterator[tuple[str, int, int]]:
    """Give the characters of a run of escapes, each with where it stands in the run."""
    if escapes[0] == "%":
        text = unquote(escapes, errors="surrogateescape")
        for character, first, last in _with_places(text, lambda one: 3 * len(one.encode("utf-8", "surrogateescape"))):
            byte = ord(character) - 0xDC00  # one that is no UTF-8: a letter of Latin-1
            yield (chr(byte) if 0x80 <= byte <= 0xFF else character), first, last
    elif escapes[:2] == "\\u":
        text = bytes.fromhex(escapes.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
        yield from _with_places(text, lambda one: 12 if ord(one) > 0xFFFF else 6)
    elif escapes[0] == "&":
        yield from ((one, 0, len(escapes)) for one in html.unescape(escapes))
    elif escapes[1] == "x":
        yield chr(int(escapes[2:], 16)), 0, len(escapes)
    else:
        yield {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(escapes[1], escapes[1]), 0, len(escapes)


def _with_places(text: str, width: Callable[[str], int]) -> Iterator[tuple[str, int, int]]:
    place = 0
    for character in text:
        yield character, place, place + width(character)
        place += width(character)


def _without(text: str, spans: Iterable[Span]) -> str:
    """Return the text with ``***`` for each of these parts of it."""
    masked, end = "", 0
    for start, stop in sorted(spans):
        if start >= end:
            masked += f"{text[end:start]}***"
        end = max(end, stop)
    return masked + text[end:]
