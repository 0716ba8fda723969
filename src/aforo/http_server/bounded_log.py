"""A log that grows at a bounded rate, however much there is to log."""

import asyncio
import logging
from collections import Counter

_PERIOD = 60.0  # seconds


class BoundedLog:
    """Writes up to ``lines`` lines of a kind a minute, and at the minute's end one that says how many more there were.

    A message's format is its kind. To be used on the event loop.
    """

    def __init__(self, log: logging.Logger, lines: int = 10) -> None:
        self._log = log
        self._lines = lines
        self._written: Counter[str] = Counter()

    def info(self, message: str, *args: object) -> None:
        """Log at INFO."""
        self._write(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log at WARNING."""
        self._write(logging.WARNING, message, args)

    def exception(self, message: str, *args: object) -> None:
        """Log at ERROR, with the traceback of the exception that is handled."""
        self._write(logging.ERROR, message, args, traceback=True)

    def _write(self, level: int, message: str, args: tuple[object, ...], *, traceback: bool = False) -> None:
        if message not in self._written:
            asyncio.get_running_loop().call_later(_PERIOD, self._end_period, level, message)
        self._written[message] += 1
        if self._written[message] <= self._lines:
            self._log.log(level, message, *args, exc_info=traceback)

    def _end_period(self, level: int, message: str) -> None:
        more = self._written.pop(message) - self._lines
        if more > 0:
            self._log.log(level, "%d veces más en un minuto: %s", more, message.replace("%s", "…"))
