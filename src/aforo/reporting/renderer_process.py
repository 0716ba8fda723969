"""The event report's files, made in a process of their own.

matplotlib holds the interpreter for seconds; in a process of its own it holds up no counting, and its memory is freed.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

import msgspec

from aforo.errors import AforoError, BadSetting, os_reason
from aforo.reporting.data import EventReport
from aforo.reporting.writers import write
from aforo.settings import environment_for_child

_log = logging.getLogger(__name__)

_TIMEOUT = 180.0  # seconds: a slow machine that has just been through a match
_LESS_PRIORITY = 10  # as ``nice`` counts: the counting goes first


class RenderRequest(msgspec.Struct):
    """What the process reads on its standard input, as JSON."""

    report: EventReport
    folder: str
    suffix: str = ""


async def render(report: EventReport, folder: Path, suffix: str = "") -> Path:
    """Write the report's files in a process of its own and return the page's path. Raises AforoError."""
    request = msgspec.json.encode(RenderRequest(report, str(folder), suffix))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "aforo.reporting",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment_for_child(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),  # as found by this process
            start_new_session=True,  # a closed terminal does not end it
        )
    except OSError as exc:
        raise _not_made(report, os_reason(exc)) from exc
    try:
        async with asyncio.timeout(_TIMEOUT):
            out, err = await process.communicate(request)
    except TimeoutError as exc:
        raise _not_made(report, f"no acabó en {_TIMEOUT:g} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode == BadSetting.exit_code:
        raise BadSetting(err.decode("utf-8", "replace").strip())
    if process.returncode:
        _log.error("Error interno del proceso del acta: %s", err.decode("utf-8", "replace").strip())
        raise _not_made(report, "error interno; su traza está en el registro")
    return Path(out.decode("utf-8").strip())


def main() -> int:
    """Do the work of that process: write the files of the request, print the page's path, return the exit code."""
    if hasattr(os, "nice"):
        os.nice(_LESS_PRIORITY)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=RenderRequest)
    try:
        page = write(request.report, Path(request.folder), suffix=request.suffix)
    except AforoError as exc:
        sys.stderr.buffer.write(str(exc).encode())
        return exc.exit_code
    sys.stdout.buffer.write(str(page).encode())
    return 0


def _not_made(report: EventReport, why: str) -> AforoError:
    return AforoError(
        f"El acta de «{report.name}» no se pudo hacer ({why}).",
        "Las cifras están en la base de datos.",
        f"Ejecute «aforo report {report.day}».",
    )
