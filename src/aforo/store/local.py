"""Epoch milliseconds → the stadium's wall time, fast: each minute's text is made once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_MS = 60_000
STRETCH_MS = 10 * MINUTE_MS  # how much of a show is gone through at once: memory stays flat
_MILLISECOND = timedelta(milliseconds=1)
_SECOND_TEXTS = tuple(f":{second:02d}." for second in range(60))
_MILLI_TEXTS = tuple(f"{milli:03d}" for milli in range(1000))
_MOST_MINUTES = 10_000  # a week of minutes


def to_ms(instant: datetime) -> int:
    """An aware instant as epoch milliseconds, cut (not rounded) to the millisecond."""
    return (instant - EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Epoch milliseconds as aware UTC."""
    return EPOCH + milliseconds * _MILLISECOND


class LocalTimes:
    """Wall time of one time zone as ``YYYY-MM-DD HH:MM:SS.mmm``."""

    def __init__(self, timezone: ZoneInfo) -> None:
        self._timezone = timezone
        self._minutes: dict[int, str] = {}

    def texts(self, instants: Iterable[int]) -> list[str]:
        """One text per instant (epoch milliseconds)."""
        minutes = self._minutes
        texts = []
        for instant in instants:
            minute, rest = divmod(instant, MINUTE_MS)
            text = minutes.get(minute) or self._minute(minute)
            texts.append(text + _SECOND_TEXTS[rest // 1000] + _MILLI_TEXTS[rest % 1000])
        return texts

    def _minute(self, minute: int) -> str:
        if len(self._minutes) >= _MOST_MINUTES:
            self._minutes.clear()
        local = from_ms(minute * MINUTE_MS).astimezone(self._timezone)
        text = self._minutes[minute] = local.strftime("%Y-%m-%d %H:%M")
        return text
