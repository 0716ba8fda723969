"""What is told of refused rows: by reason and now and then, not by row. A table may refuse all of an evening."""

import logging
import re
from collections import Counter
from datetime import datetime, timedelta

from aforo.storage.quarantine import QuarantinedEvents
from aforo.storage.schema import tables

_AGAIN = timedelta(minutes=10)
_MOST_REASONS = 50  # a reason may hold the row's values, in ways that nobody foresaw
_LONGEST_DETAIL = 4_000  # characters of the journal's text
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»|\([^)]*\)|\d+")  # what differs between rows, in a server's sentence

_log = logging.getLogger(__name__)


class Complaints:
    """Logs refused rows; the first of each reason at once."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}
        self._untold: Counter[str] = Counter()

    def of(self, refused: QuarantinedEvents, now: datetime) -> str | None:
        """Log it where it is time to; returns what the journal should say then."""
        reason = _VALUE.sub("…", refused.reason)
        if reason not in self._told and len(self._told) >= _MOST_REASONS:
            reason = ""
        self._untold[reason] += refused.number
        told = self._told.get(reason)
        if told is not None and now - told < _AGAIN:
            return None
        self._told[reason] = now
        number = self._untold.pop(reason)
        if number == 1:
            _log.error(
                "La base de datos no admite este evento, que queda solo en aforo_events: %r. %s",
                refused.first, refused.reason,
            )  # fmt: skip
            return tables.fit(f"{refused.first!r}: {refused.reason}", _LONGEST_DETAIL)
        _log.error(
            "La base de datos no admite %d eventos, que quedan solo en aforo_events; uno de ellos: %r. %s",
            number, refused.first, refused.reason,
        )  # fmt: skip
        return tables.fit(f"{number} eventos, como {refused.first!r}: {refused.reason}", _LONGEST_DETAIL)
