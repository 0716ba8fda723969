"""The entry point: runs a command, and turns an AforoError into a Spanish sentence and an exit code."""

import io
import logging
import os
import sys
from collections.abc import Sequence

from aforo.cli.commands import COMMANDS, Command, dispatch
from aforo.cli.console import Output
from aforo.errors import AforoError

_INTERRUPTED = 130  # a shell's exit code for a process that Ctrl-C ended


def main(argv: Sequence[str] | None = None, commands: Sequence[Command] = COMMANDS) -> int:
    """Run a command and return the exit code: 0, the error's own, or 130 after Ctrl-C."""
    _write_utf8()
    logging.getLogger("aforo").addHandler(logging.NullHandler())  # a command without a log writes to the console itself
    try:
        return dispatch(sys.argv[1:] if argv is None else argv, commands)
    except AforoError as exc:
        print_error(exc)
        return exc.exit_code
    except KeyboardInterrupt:
        print("Interrumpido.", file=sys.stderr)  # noqa: T201 - the console is where a command writes
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of the output closed it (`aforo cameras | head`)
        _discard_stdout()
        return 0


def print_error(exc: AforoError) -> None:
    """Print what happened, what it means and what to do, a line each, on stderr."""
    first, *others = [part for part in (exc.what, exc.meaning, exc.remedy) if part] or [""]
    Output().notes(f"aforo: {first}", *(f"       {part}" for part in others))


def _write_utf8() -> None:
    """Let a Windows console or pipe without our letters replace them instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails once more
