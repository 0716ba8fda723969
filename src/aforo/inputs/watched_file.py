"""The operators' JSON files: read with a sentence for each fault, read again when they change, replaced atomically."""

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from aforo.errors import BadInput
from aforo.inputs.json_faults import why_no_json
from aforo.text_file import read_text

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _RepeatedKeyError(Exception):
    """A key is repeated in one JSON object; json itself would keep the last one without an error."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKeyError(key)
        found[key] = value
    return found


def read_json(path: Path, fault: type[BadInput], remedy: str) -> tuple[Any, str]:
    """Return the file's JSON and its text, UTF-8 with or without a byte order mark.

    Raises ``fault`` with file, line and column; ``remedy`` is its Spanish remedy, the valid form of the file.
    """
    text = read_text(path, fault, remedy=remedy)
    if not text.strip():
        raise fault(f"{path} está vacío.", remedy=remedy)
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        where = f"línea {exc.lineno}, columna {exc.colno}"
        raise fault(f"{path}, {where}: no es JSON válido ({why_no_json(text, exc)}).", remedy=remedy) from exc
    except _RepeatedKeyError as exc:
        where = f"{path}{line_of(text, str(exc), last=True)}"
        raise fault(f"{where}: «{exc}» está dos veces.", remedy="Deje una sola.") from exc
    except UnicodeEncodeError as exc:
        raise fault(f"{path}: un texto tiene media letra, de las que se escriben «\\ud83d».", remedy=remedy) from exc
    except (RecursionError, ValueError) as exc:  # too deep, or an integer of thousands of digits
        raise fault(f"{path} no es lo que se espera.", remedy=remedy) from exc
    return document, text


def line_of(text: str, key: str, *, last: bool = False) -> str:
    """Return ``, línea 3`` for the first (or last) line with that JSON key, "" if it is not found literally."""
    quoted = json.dumps(key, ensure_ascii=False)
    found = [number for number, line in enumerate(text.splitlines(), start=1) if quoted in line]
    return f", línea {found[-1 if last else 0]}" if found else ""


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Replace the file in one step: a reader gets the old or the new text, never a part. Raises OSError.

    A new file has the rights that the umask leaves, a replaced one keeps its own; ``private``: only its owner may read
    it. A link is replaced, not followed.
    """
    unfinished = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(unfinished, flags, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not private and path.is_file() and not path.is_symlink():
            unfinished.chmod(path.stat().st_mode & 0o777)
        unfinished.replace(path)
    except BaseException:  # Ctrl-C too: no half-written file stays behind
        unfinished.unlink(missing_ok=True)
        raise


class WatchedFile(Generic[T]):
    """A file that is read again when it changes; an invalid new version leaves the old one valid.

    ``load`` reads it or raises BadInput; so does the constructor.
    """

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path = path
        self._load = load
        self._version = self._signature()
        self._reported = ""
        self.value = load(path)

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._path

    @property
    def fault(self) -> str:
        """The Spanish sentence about the version on disk that cannot be used; "" while the valid one is there."""
        return self._reported

    def refresh(self) -> bool:
        """Read the file if it has changed (one ``stat``), and return whether the value is another. Never raises."""
        version = self._signature()
        if version == self._version:  # the valid one, also where it is there again after another
            self._report_end()
            return False
        try:
            value = self._load(self._path)
        except BadInput as exc:
            self._report(str(exc))
            return False
        self._version = version  # only now: a failed reading, maybe of an unfinished file, is repeated
        self._report_end()
        changed = value != self.value
        self.value = value
        return changed

    async def refreshed(self) -> bool:
        """Call ``refresh`` in a thread, since a file on a network share may be slow."""
        return await asyncio.to_thread(self.refresh)

    def _report(self, sentence: str) -> None:
        if sentence != self._reported:
            _log.error("%s Sigue en vigor la versión anterior.", sentence)
            self._reported = sentence

    def _report_end(self) -> None:
        if self._reported:
            _log.info("%s vuelve a servir.", self._path)
            self._reported = ""

    def _signature(self) -> tuple[int, int, int] | None:
        """Return what differs between versions of the file, None if there is no file."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
