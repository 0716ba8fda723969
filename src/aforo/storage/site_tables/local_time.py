"""Epoch milliseconds → the stadium's wall time, fast: each second's text is made once."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from aforo.models import MINUTE_MS, from_ms

STRETCH_MS = 5 * MINUTE_MS  # how much of a show is gone through at once: memory stays flat
_MILLI_TEXTS = tuple(f"{milli:03d}" for milli in range(1000))
_MOST_SECONDS = 10_000  # texts that are remembered: some hours, a megabyte


class LocalTimes:
    """Wall time of one time zone as ``YYYY-MM-DD HH:MM:SS.mmm``."""

    def __init__(self, timezone: ZoneInfo) -> None:
        self._timezone = timezone
        self._seconds: dict[int, str] = {}

    def texts(self, instants: Iterable[int]) -> list[str]:
        """One text per instant (epoch milliseconds)."""
        seconds, second = self._seconds, self._second
        return [(seconds.get(ms // 1000) or second(ms // 1000)) + _MILLI_TEXTS[ms % 1000] for ms in instants]

    def _second(self, second: int) -> str:
        if len(self._seconds) >= _MOST_SECONDS:
            self._seconds.clear()
        local = from_ms(second * 1000).astimezone(self._timezone)
        text = self._seconds[second] = local.strftime("%Y-%m-%d %H:%M:%S.")
        return text
