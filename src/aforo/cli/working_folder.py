"""The working folder of ``python monitoreo.py``: the current one, or else the script's own."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

INPUT_FILES = ("eventos_programados.json", "ids_camaras_permitidas.json")
_SETTINGS_FILE = "aforo.toml"
_CONFIG = "--config"


def enter_folder(script: Path, arguments: Sequence[str]) -> list[str]:
    """Change to the folder of the input files, say so on stderr, and return the arguments for it.

    The current folder stays where it has one of the two files. Otherwise it is the script's, as the stadium keeps them;
    a scheduled task or a shortcut starts the program anywhere. The path of ``--config`` still means the same file.
    """
    before = _current()
    folder = _folder(before, script)
    if folder is None:
        return list(arguments)
    os.chdir(folder)
    sys.stderr.write(
        f"aforo: se usa la carpeta {folder}, la de {script.name}: en {before} no están los archivos JSON.\n"
    )
    return _from_folder(before, arguments)


def _folder(current: Path, script: Path) -> Path | None:
    """Return the folder to change to; None where the current one is right."""
    own = script.absolute().parent
    places = [own, script.resolve().parent]  # a link to the script may be in the stadium's folder
    if _has_input(current) or current in places:
        return None
    beside = next((place for place in places if _has_input(place)), None)
    return beside or (None if (current / _SETTINGS_FILE).exists() else own)


def _has_input(folder: Path) -> bool:
    return any((folder / name).exists() for name in INPUT_FILES)


def _current() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path(os.devnull)


def _from_folder(before: Path, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the path of ``--config`` from the folder in which it was typed."""
    changed: list[str] = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if name == _CONFIG and equals:
            changed.append(f"{name}={before / value}")
        else:
            changed.append(str(before / word) if changed[-1:] == [_CONFIG] else word)
    return changed
