"""What a line of the log looks like, and the mask that hides secrets in it."""

import json
import logging
import re
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

_SHORTEST_SECRET = 4  # shorter ones would mask half of every line; none that matters is that short
_SPANISH = {"DEBUG": "DETALLE", "INFO": "INFO", "WARNING": "AVISO", "ERROR": "ERROR", "CRITICAL": "GRAVE"}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\t", 10: "\\n", 13: "\\r"}
_NAMED = re.compile(
    r"(?i)(?:\b|(?<=%3B)|(?<=%26))(x-avg-session|session|authorizationToken|authenticationToken|pwd|password|user_?nonce|user_?key)"
    r"(%3D|[\"']?\s*[=:]\s*[\"']?)(?!\*\*\*)(\{(?:[^}]|\}\})*\}|[^\s\"',;&}]+)"
)
_IN_URL = re.compile(r"(://[^\s/@:]*):[^\s/@]+@")


class Mask:
    """Hides secrets in a text: the known values however they are quoted, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        self._known = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or r"(?!)")

    def __call__(self, text: str) -> str:
        """The text with each secret as ``***``."""
        return _IN_URL.sub(r"\1:***@", _NAMED.sub(r"\1\2***", self._known.sub("***", text)))


def _forms(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]


class TextFormatter(logging.Formatter):
    """``2025-01-20 16:00:03.123 AVISO   …``, the stadium's time; control characters in a message are written out."""

    def __init__(self, timezone: ZoneInfo, mask: Mask) -> None:
        super().__init__()
        self._timezone = timezone
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it where there is one."""
        level = _SPANISH.get(record.levelname, record.levelname)
        message = record.getMessage().translate(_CONTROL)
        line = f"{self._when(record).replace('T', ' ')} {level:7} {message}"
        return self._mask(f"{line}\n{self._trace(record)}" if record.exc_info else line)

    def _when(self, record: logging.LogRecord, *, offset: bool = False) -> str:
        local = datetime.fromtimestamp(record.created, self._timezone)
        return (local if offset else local.replace(tzinfo=None)).isoformat(timespec="milliseconds")

    def _trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonFormatter(TextFormatter):
    """One object a line, for collectors: ``time`` with its offset, ``level`` in English, ``logger``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        """The object; with ``exception`` where there is a traceback."""
        found = {
            "time": self._when(record, offset=True),
            "level": record.levelname,
            "logger": record.name,
            "message": self._mask(record.getMessage()),
        }
        if record.exc_info:
            found["exception"] = self._mask(self._trace(record))
        return json.dumps(found, ensure_ascii=False)
