"""Where the lines go: the queue, the console, the rotating file.

Two processes may share the file. The handler for that is our own: forty lines, where concurrent-log-handler would bring
locks that can hold a writer up, and two more dependencies on Windows.
"""

import logging
import os
from contextlib import suppress
from copy import copy
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from typing import Protocol, TextIO

from aforo.errors import LogUnwritable, os_reason


class Settings(Protocol):
    """What the settings say of the log: ``aforo.settings.LogSettings``."""

    @property
    def file(self) -> Path | None: ...  # noqa: D102 -- the setting of that name
    @property
    def level(self) -> str: ...  # noqa: D102
    @property
    def format(self) -> str: ...  # noqa: D102
    @property
    def max_bytes(self) -> int: ...  # noqa: D102
    @property
    def backups(self) -> int: ...  # noqa: D102


class Queueing(QueueHandler):
    """Hands records over as they are: the traceback is written out by the listener's thread."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record with its message made, since the arguments may change before it is written."""
        ready = copy(record)
        try:
            ready.msg = record.getMessage()
        except (TypeError, ValueError):  # a message that does not fit its arguments is still a message
            ready.msg = f"{record.msg} {record.args}"
        ready.args = None
        return ready


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """The console. When it goes away (a closed pipe, a window shut), the job goes on without it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing to tell, and nowhere to tell it: the file has the line."""


class FileHandler(RotatingFileHandler):
    """The rotating file, fit for two processes at once and for a full disk.

    It follows the file when another process has rotated it, goes on with the old one where it may not be renamed
    (Windows, while another process has it open), and tells the console when lines begin to be lost and when that ends.
    """

    def __init__(self, settings: Settings, path: Path, console: logging.Handler | None) -> None:
        self._console = console
        self._failing = False
        self._rotate_again_at = 0
        try:
            size, backups = settings.max_bytes, settings.backups
            # a server can send half a surrogate in a name: written out, it cannot stop a line
            super().__init__(path, "a", size, backups, encoding="utf-8", errors="backslashreplace")
        except OSError as exc:
            raise LogUnwritable(
                f"El archivo de registro {path} no se puede escribir ({os_reason(exc)}).",
                "Sin registro no se arranca: no quedaría rastro de lo contado.",
                "Dé permiso de escritura, cierre el programa que lo tenga abierto o cambie el ajuste log.file.",
            ) from exc

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; never raises."""
        try:
            self._follow()
            if self.shouldRollover(record):
                self._rotate()
            if self.stream is None:
                self.stream = self._open()
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except (OSError, ValueError) as exc:  # ValueError: somebody closed the stream
            self._drop()
            self._tell(exc)
        else:
            self._tell(None)

    def _follow(self) -> None:
        """Open the file anew when the one that is open no longer bears its name."""
        if self.stream is None:
            return
        ours = os.fstat(self.stream.fileno())
        try:
            named = Path(self.baseFilename).stat()
        except FileNotFoundError:
            self._drop()
        else:
            if not os.path.samestat(ours, named):
                self._drop()

    def _rotate(self) -> None:
        if self.stream is not None and self.stream.tell() < self._rotate_again_at:
            return
        try:
            self.doRollover()
        except OSError:
            self.stream = self._open()
            self._rotate_again_at = self.stream.tell() + self.maxBytes // 10

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Move the file to ``….1`` and the older ones on; raises OSError, all as it was, when it may not be renamed."""
        self._drop()
        aside = Path(f"{self.baseFilename}.0")
        Path(self.baseFilename).replace(aside)
        for number in range(self.backupCount - 1, 0, -1):
            older = Path(f"{self.baseFilename}.{number}")
            if older.exists():
                older.replace(f"{self.baseFilename}.{number + 1}")
        aside.replace(f"{self.baseFilename}.1")
        self.stream = self._open()

    def _drop(self) -> None:
        self._rotate_again_at = 0
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):  # what it still held is the line that is being told as lost
                stream.close()

    def _tell(self, failure: OSError | ValueError | None) -> None:
        if self._failing == (failure is not None):
            return
        self._failing = failure is not None
        if self._console is not None:
            reason = os_reason(failure) if isinstance(failure, OSError) else str(failure)
            lost = f"El archivo de registro no se puede escribir ({reason})." if failure else ""
            fields = {
                "levelname": "ERROR" if lost else "INFO",
                "msg": lost or "El archivo de registro vuelve a escribirse.",
            }
            self._console.handle(logging.makeLogRecord(fields))

    def close(self) -> None:
        """Close the file; never raises for a full disk."""
        try:
            super().close()
        except OSError as exc:
            self._tell(exc)
