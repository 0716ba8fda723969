"""Setting up and taking down the log."""

import logging
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueListener
from typing import TextIO
from zoneinfo import ZoneInfo

from aforo.logging_setup.formatters import JsonFormatter, TextFormatter
from aforo.logging_setup.handlers import ConsoleHandler, DeferredHandler, FileHandler, LogSettings
from aforo.redaction import Mask


@contextmanager
def logging_to(
    settings: LogSettings, timezone: ZoneInfo, mask: Mask | None = None, *, console: TextIO | None
) -> Iterator[None]:
    """Log to the settings' file and to ``console`` (None: no console) inside the ``with``; at its end all is written.

    ``mask`` hides secrets, also those that it learns later.
    Raises LogUnwritable when the file cannot be opened.
    """
    handlers = _handlers(settings, timezone, mask or Mask(), console)
    records: queue.SimpleQueue[object] = queue.SimpleQueue()  # unbounded: its put never blocks the job
    listener = QueueListener(records, *handlers)
    entry = DeferredHandler(records)
    listener.start()
    try:
        with _root_logger(entry, settings.level):
            yield
    finally:
        listener.stop()
        for handler in reversed(handlers):  # the file first: it may have to report on the console
            handler.close()


def _handlers(settings: LogSettings, timezone: ZoneInfo, mask: Mask, console: TextIO | None) -> list[logging.Handler]:
    kind = JsonFormatter if settings.format == "json" else TextFormatter
    formatter = kind(timezone, mask)
    console_handler = ConsoleHandler(console) if console is not None else None
    handlers: list[logging.Handler] = [console_handler] if console_handler else []
    if settings.file is not None:
        handlers.append(FileHandler(settings, settings.file, console_handler))
    for handler in handlers:
        handler.setFormatter(formatter)
    return handlers


@contextmanager
def _root_logger(handler: logging.Handler, level: str) -> Iterator[None]:
    """Log our own records from ``level`` on and the libraries' from WARNING on; restore the loggers at the end."""
    root, ours = logging.getLogger(), logging.getLogger("aforo")
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
