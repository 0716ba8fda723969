"""What the tests of the log share: a log in a folder, and its lines."""

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from aforo.logging_setup import logging_to
from aforo.redaction import Mask
from aforo.settings import LogSettings

BOGOTA = ZoneInfo("America/Bogota")
LINE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} (DETALLE|INFO|AVISO|ERROR|GRAVE) +(.*)")


@contextmanager
def logged(path: Path | None, secrets: tuple[str, ...] = (), **fields: object) -> Iterator[io.StringIO]:
    """Log inside the ``with``; yields the console."""
    console = io.StringIO()
    settings = LogSettings.model_validate({"file": path, **fields})
    with logging_to(settings, BOGOTA, Mask(secrets), console=console):
        yield console


def lines(path: Path) -> list[str]:
    """Return the file's lines."""
    return path.read_text(encoding="utf-8").splitlines()


def messages(path: Path) -> list[str]:
    """Return the messages of the file's lines."""
    found = [LINE.fullmatch(line) for line in lines(path)]
    return [match[2] for match in found if match]


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does without an event for it."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
