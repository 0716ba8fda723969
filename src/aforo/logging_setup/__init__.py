"""The console and the rotating file, both behind a queue: neither a slow disk nor a full one ever holds up the job.

Secrets are masked as each line is written, as a last net. Nothing is set up at import, and what ``logging_to`` sets up
it takes down again, with every line written.
"""

import logging
import queue
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueListener
from typing import TextIO
from zoneinfo import ZoneInfo

from aforo.logging_setup.formatters import JsonFormatter, Mask, TextFormatter
from aforo.logging_setup.handlers import ConsoleHandler, FileHandler, Queueing, Settings

__all__ = ["Mask", "logging_to"]


@contextmanager
def logging_to(
    settings: Settings, timezone: ZoneInfo, secrets: Iterable[str] = (), *, console: TextIO | None
) -> Iterator[None]:
    """Log to the settings' file and to ``console`` (None: not there) while inside; at the end all is written.

    Raises LogUnwritable when the file cannot be opened.
    """
    handlers = _handlers(settings, timezone, Mask(secrets), console)
    waiting: queue.SimpleQueue[object] = queue.SimpleQueue()
    listener = QueueListener(waiting, *handlers)  # a SimpleQueue never blocks the one who puts
    entry = Queueing(waiting)
    listener.start()
    try:
        with _root(entry, settings.level):
            yield
    finally:
        listener.stop()
        for handler in reversed(handlers):  # the file first: it may have to tell the console
            handler.close()


def _handlers(settings: Settings, timezone: ZoneInfo, mask: Mask, console: TextIO | None) -> list[logging.Handler]:
    kind = JsonFormatter if settings.format == "json" else TextFormatter
    formatter = kind(timezone, mask)
    on_console = ConsoleHandler(console) if console is not None else None
    handlers: list[logging.Handler] = [on_console] if on_console else []
    if settings.file is not None:
        handlers.append(FileHandler(settings, settings.file, on_console))
    for handler in handlers:
        handler.setFormatter(formatter)
    return handlers


@contextmanager
def _root(handler: logging.Handler, level: str) -> Iterator[None]:
    """Our own lines from ``level`` on, the libraries' warnings as well; as it was before at the end."""
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
