"""Compares a text with its stored snapshot, or writes the snapshot anew."""

import difflib
import os
import re
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent / "golden"
WRITE = "FREEZE_WRITE"  # environment variable: write the snapshots instead of comparing
_MOST_LINES = 120  # of a diff in a failure message

_VERSION = re.compile(
    r'__version__ = "(.+?)"',
).search((ROOT / "src" / "aforo" / "__init__.py").read_text(encoding="utf-8"))
PROGRAM_VERSION = _VERSION[1] if _VERSION else "?"


def check(name: str, text: str) -> None:
    """Fail with a diff where the text is not the snapshot ``golden/<name>``."""
    path = GOLDEN / name
    text = text.rstrip("\n") + "\n"
    if os.environ.get(WRITE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    if not path.exists():
        pytest.fail(f"There is no snapshot golden/{name}: python -m tests.freeze --write", pytrace=False)
    stored = path.read_text(encoding="utf-8")
    if stored == text:
        return
    diff = list(difflib.unified_diff(stored.splitlines(), text.splitlines(), f"golden/{name}", "now", n=2, lineterm=""))
    left = len(diff) - _MOST_LINES
    shown = diff[:_MOST_LINES] + ([f"… {left} lines more"] if left > 0 else [])
    pytest.fail("\n".join(["The output is not that of the snapshot.", *shown]), pytrace=False)


def masked(text: str, paths: Iterable[tuple[Path, str]] = (), patterns: Iterable[tuple[str, str]] = ()) -> str:
    """The text without what belongs to the machine: paths, interpreter, host, process, version of the program.

    ``paths``: a path and what stands for it. ``patterns``: a regular expression and its replacement.
    """
    known = [*paths, (Path(sys.executable), "<python>"), (Path(sys.executable).resolve(), "<python>"), (ROOT, "<root>")]
    for path, replacement in known:
        text = text.replace(str(path), replacement)
    text = text.replace(f"{socket.gethostname()}, proceso", "<host>, proceso")
    text = re.sub(r"proceso \d+(, [0-9a-f]+)?", "proceso <number>", text)
    text = re.sub(rf"\b{re.escape(PROGRAM_VERSION)}\b", "<version>", text) if PROGRAM_VERSION != "?" else text
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text)
    return text
