"""The formats of a log line: text for people, JSON for collectors."""

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from aforo.outside_text import json_text, visible
from aforo.redaction import Mask

_SPANISH_LEVELS = {"DEBUG": "DETALLE", "INFO": "INFO", "WARNING": "AVISO", "ERROR": "ERROR", "CRITICAL": "GRAVE"}


class TextFormatter(logging.Formatter):
    """``2025-01-20 16:00:03.123 AVISO   …`` in the given time zone. No message begins a line or hides anything."""

    def __init__(self, timezone: ZoneInfo, mask: Mask) -> None:
        super().__init__()
        self._timezone = timezone
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it if the record has one."""
        level = _SPANISH_LEVELS.get(record.levelname, record.levelname)
        message = visible(self._mask(record.getMessage()))
        line = f"{self._local_time(record).replace('T', ' ')} {level:7} {message}"
        traceback = self._mask(self._traceback(record))
        return "\n".join([line, *map(_traceback_line, traceback.split("\n"))] if traceback else [line])

    def _local_time(self, record: logging.LogRecord, *, with_offset: bool = False) -> str:
        local = datetime.fromtimestamp(record.created, self._timezone)
        return (local if with_offset else local.replace(tzinfo=None)).isoformat(timespec="milliseconds")

    def _traceback(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonFormatter(TextFormatter):
    """One object per line: ``time`` with its offset, ``level`` in English, ``logger``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, with ``exception`` if the record has a traceback."""
        fields = {
            "time": self._local_time(record, with_offset=True),
            "level": record.levelname,
            "logger": record.name,
            "message": self._mask(record.getMessage()),
        }
        if record.exc_info:
            fields["exception"] = self._mask(self._traceback(record))
        return json_text(fields)


def _traceback_line(line: str) -> str:
    """Return a line of a traceback, which may be an exception's text, so that it is not taken for one of the log."""
    return f" {visible(line)}" if line[:1].isdigit() else visible(line)
