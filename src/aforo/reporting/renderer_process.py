"""An act made beside the counting: figures in the store's thread, pictures and page in a process of their own.

matplotlib holds the interpreter for seconds; in a process of its own it holds up nothing, and its memory goes with it.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from aforo.errors import AforoError, BadSetting
from aforo.reporting.data import EventReport

_PATIENCE = 180.0  # seconds: a slow machine that has just been through a match


class Order(msgspec.Struct):
    """What the other process is asked for."""

    act: EventReport
    folder: str
    suffix: str = ""


async def make(act: EventReport, folder: Path, suffix: str = "") -> Path:
    """Write the act's files in a process of its own; returns the page's path. Raises AforoError."""
    order = msgspec.json.encode(Order(act, str(folder), suffix))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "aforo.reporting",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # as found by this process
        )
    except OSError as exc:
        raise _not_made(act, type(exc).__name__) from exc
    try:
        async with asyncio.timeout(_PATIENCE):
            out, err = await process.communicate(order)
    except TimeoutError as exc:
        raise _not_made(act, f"no acabó en {_PATIENCE:g} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode == BadSetting.exit_code:
        raise BadSetting(err.decode("utf-8", "replace").strip())
    if process.returncode:
        raise _not_made(act, err.decode("utf-8", "replace").strip().rpartition("\n")[2])
    return Path(out.decode("utf-8").strip())


def _not_made(act: EventReport, why: str) -> AforoError:
    return AforoError(
        f"El acta de «{act.name}» no se pudo hacer ({why}).",
        "Las cifras están en la base de datos.",
        f"Ejecute «aforo report {act.day}».",
    )
