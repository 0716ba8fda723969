"""The handlers of the log: queue, console, rotating file."""

import glob
import logging
import os
import sys
from contextlib import suppress
from copy import copy
from io import TextIOWrapper
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Protocol, TextIO

from concurrent_log_handler import ConcurrentRotatingFileHandler
from portalocker import LOCK_EX, LOCK_NB, lock

from aforo.errors import LogUnwritable, os_reason

_LOCK_ATTEMPTS = 2_000  # of 1 ms each


class LogSettings(Protocol):
    """The settings of the log: ``aforo.settings.LogSettings``."""

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


class DeferredHandler(QueueHandler):
    """Puts records into the queue with their traceback still attached: the listener's thread formats it."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record with its message formatted, since the arguments may change before it is written."""
        prepared = copy(record)
        try:
            prepared.msg = record.getMessage()
        except (TypeError, ValueError):  # the arguments do not fit the message: write both
            prepared.msg = f"{record.msg} {record.args}"
        prepared.args = None
        return prepared


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to the console; when it is gone (a closed pipe or window), the job goes on without it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: there is no other place for the line, and the file has it."""


class FileHandler(ConcurrentRotatingFileHandler):
    """Writes to the rotating file, which several processes may share, and reports lost lines on the console.

    A lock file beside the log, ``.__NAME.lock``, serializes writing and rotation; ``close`` removes it. This class adds
    to the library: no line is lost because the lock file cannot be opened, or because the process that holds the lock
    is stopped; the file rotates before it grows beyond ``max_bytes``, and is written on while a file is in use that the
    rotation would move; lone surrogates are escaped; and the console gets one line when lines begin to be lost, and one
    when that ends. Raises LogUnwritable when the file cannot be opened.
    """

    def __init__(self, settings: LogSettings, path: Path, console: logging.Handler | None) -> None:
        self._console = console
        self._losing_lines = False
        super().__init__(str(path), "a", settings.max_bytes, settings.backups, encoding="utf-8")
        self.maxLockAttempts = _LOCK_ATTEMPTS
        try:
            self.do_open().close()
        except OSError as exc:
            raise LogUnwritable(
                f"El archivo de registro {path} no se puede escribir ({os_reason(exc)}).",
                "Sin registro no se arranca: no quedaría rastro de lo contado.",
                "Dé permiso de escritura, cierre el programa que lo tenga abierto o cambie el ajuste log.file.",
            ) from exc

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Return whether the file would grow beyond its limit with this record."""
        try:
            size = Path(self.baseFilename).stat().st_size
        except OSError:  # the file is gone; writing makes it anew, or reports why not
            return False
        return size > 0 and size + len(_writable(self.format(record)).encode()) + 1 > self.maxBytes

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rotate; raises OSError, with the file back under its name, where a backup cannot be moved."""
        try:
            super().doRollover()
        except OSError:
            file = Path(self.baseFilename)
            moved = next(file.parent.glob(f"{glob.escape(file.name)}.rotate.*"), None)  # the library's name for it
            if moved is not None and not file.exists():
                moved.rename(file)
            raise

    def do_write(self, msg: str) -> None:
        """Write one formatted record; raises OSError or ValueError for a file or stream that cannot be written."""
        super().do_write(_writable(msg))
        self._report(None)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report on the console that lines are being lost, and open the files anew for the next record."""
        error = sys.exc_info()[1]
        if isinstance(error, (OSError, ValueError)):  # ValueError: the stream is closed
            self._discard_streams()
            self._report(error)
        else:
            super().handleError(record)

    def _do_lock(self) -> None:
        """Take the lock; go on without it where it cannot be had, since an unlocked line is better than none."""
        try:
            super()._do_lock()
            while self._lock_file_was_removed():  # by a process that ended; others lock the new one
                self._do_unlock()
                self._close_lock_file()
                super()._do_lock()
        except OSError:  # the lock file cannot be opened: the folder may be read-only while the log is writable
            return
        except RuntimeError:  # its holder does not release it: it may be a stopped process
            self.maxLockAttempts = 1
        else:
            self.maxLockAttempts = _LOCK_ATTEMPTS

    def _lock_stream_lock(self, stream_lock: TextIOWrapper) -> None:
        """Try once to take the lock, where the library waits for ever; it repeats that ``maxLockAttempts`` times."""
        lock(stream_lock, LOCK_EX | LOCK_NB)

    def _lock_file_was_removed(self) -> bool:
        if self.stream_lock is None:
            return False
        try:
            named = Path(self.lockFilename).stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(os.fstat(self.stream_lock.fileno()), named)

    def _close_lock_file(self) -> None:
        stream_lock, self.stream_lock = self.stream_lock, None
        if stream_lock is not None:
            stream_lock.close()

    def _remove_lock_file(self) -> None:
        """Remove the lock file while it is locked, so that no other process can be writing."""
        if self.stream_lock is None:
            return
        self._do_lock()
        if self.is_locked:
            with suppress(OSError):  # Windows removes no open file
                Path(self.lockFilename).unlink()
        self._do_unlock()

    def _discard_streams(self) -> None:
        """Close file and lock file; what the file still buffers is the line that is reported as lost."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()
        self._close_lock_file()

    def _report(self, failure: OSError | ValueError | None) -> None:
        if self._losing_lines == (failure is not None):
            return
        self._losing_lines = failure is not None
        if self._console is not None:
            reason = os_reason(failure) if isinstance(failure, OSError) else str(failure)
            lost = f"El archivo de registro no se puede escribir ({reason})." if failure else ""
            fields = {
                "levelname": "ERROR" if lost else "INFO",
                "msg": lost or "El archivo de registro vuelve a escribirse.",
            }
            self._console.handle(logging.makeLogRecord(fields))

    def close(self) -> None:
        """Close the file and remove the lock file; never raises for a full disk."""
        self._remove_lock_file()
        try:
            super().close()
        except OSError as exc:
            self._report(exc)


def _writable(text: str) -> str:
    """Return the text with lone surrogates, which a server can send in a name and UTF-8 does not have, escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
