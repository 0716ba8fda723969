"""The operators' small JSON files: a sentence for each fault, looked at again when they change, replaced whole."""

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from aforo.errors import BadInput, os_reason

_log = logging.getLogger(__name__)

T = TypeVar("T")

_FAULTS = (  # what json says, and what people have usually done
    ("',' delimiter", "falta una coma, o una llave o un corchete sin cerrar"),
    ("':' delimiter", "faltan los dos puntos tras el nombre"),
    ("property name", "sobra una coma, o faltan las comillas dobles de un nombre"),
    ("trailing comma", "sobra una coma"),
    ("Expecting value", "falta un valor, o sobra una coma"),
    ("Extra data", "sobra texto al final"),
    ("Unterminated string", "falta cerrar unas comillas"),
    ("control character", "un texto sigue en la línea siguiente: falta cerrar sus comillas"),
    ("escape", "«\\» en un texto: se escribe «\\\\»"),
)


class _TwiceError(Exception):
    """A key stands twice in one JSON object; json itself would keep the last in silence."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found


def read_json(path: Path, fault: type[BadInput], remedy: str) -> tuple[Any, str]:
    """The file's JSON and its text; UTF-8 with or without a mark. Raises ``fault`` with file, line and column.

    ``remedy`` is Spanish and says what such a file looks like.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise fault(f"{path} no está en UTF-8.", remedy="Guárdelo como texto UTF-8.") from exc
    except OSError as exc:
        raise fault(f"{path} no se puede leer ({os_reason(exc)}).", remedy=remedy) from exc
    try:
        return json.loads(text, object_pairs_hook=_once), text
    except json.JSONDecodeError as exc:
        reason = next((spanish for english, spanish in _FAULTS if english in exc.msg), "no se entiende")
        where = f"línea {exc.lineno}, columna {exc.colno}"
        raise fault(f"{path}, {where}: no es JSON válido ({reason}).", remedy=remedy) from exc
    except _TwiceError as exc:
        where = f"{path}{line_of(text, str(exc), last=True)}"
        raise fault(f"{where}: «{exc}» está dos veces.", remedy="Deje una sola.") from exc
    except RecursionError as exc:
        raise fault(f"{path} no es lo que se espera.", remedy=remedy) from exc


def line_of(text: str, key: str, *, last: bool = False) -> str:
    """``, línea 3`` where that JSON key stands (the last time, if asked), or "" when it is not found as it is."""
    quoted = json.dumps(key, ensure_ascii=False)
    found = [number for number, line in enumerate(text.splitlines(), start=1) if quoted in line]
    return f", línea {found[-1 if last else 0]}" if found else ""


def write_whole(path: Path, text: str) -> None:
    """Replace the file in one step: who reads it sees the old or the new, never half. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    half = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            half.chmod(path.stat().st_mode & 0o777)
        else:
            half.chmod(0o644)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


class WatchedFile(Generic[T]):
    """A file that is read again when it changes. A new version that cannot be used leaves the old one in force.

    ``load`` reads it or raises BadInput; the first reading is done here and lets that through.
    """

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path = path
        self._load = load
        self._seen = self._signature()
        self._complaint = ""
        self.value = load(path)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def refresh(self) -> bool:
        """Look again (one ``stat``, a reading only after a change); True when the value is another. Never raises."""
        seen = self._signature()
        if seen == self._seen:
            return False
        try:
            value = self._load(self._path)
        except BadInput as exc:
            self._complain(str(exc))
            return False
        self._seen = seen  # only now: a reading that failed, of a file half written perhaps, is done again
        if self._complaint:
            _log.info("%s vuelve a servir.", self._path)
            self._complaint = ""
        changed = value != self.value
        self.value = value
        return changed

    async def refreshed(self) -> bool:
        """``refresh`` without holding up the loop: a file on a share may take its time."""
        return await asyncio.to_thread(self.refresh)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            _log.error("%s Sigue en vigor la versión anterior.", complaint)
            self._complaint = complaint

    def _signature(self) -> tuple[int, int, int] | None:
        """What tells one version from another; None when there is no file to be seen."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
