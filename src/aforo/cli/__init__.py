"""The command line: commands, and an AforoError told as a Spanish sentence with its exit code.

Whatever costs time to import is imported by the command that needs it, so that ``--help`` answers at once.
"""

import io
import logging
import os
import sys
from collections.abc import Sequence

from aforo.cli.commands import dispatch
from aforo.errors import AforoError

_INTERRUPTED = 130  # what a shell gives a process that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, the error's own, or 130 after Ctrl-C."""
    _speak_utf8()
    logging.getLogger("aforo").addHandler(logging.NullHandler())  # a command without a log tells all by itself
    try:
        return dispatch(sys.argv[1:] if argv is None else argv)
    except AforoError as exc:
        tell(exc)
        return exc.exit_code
    except KeyboardInterrupt:
        print("Interrumpido.", file=sys.stderr)  # noqa: T201 - the console is what the command line speaks to
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough (`aforo cameras | head`)
        _forget_stdout()
        return 0


def tell(exc: AforoError) -> None:
    """What happened, what it means and what to do, a line each, on stderr."""
    lines = [part for part in (exc.what, exc.meaning, exc.remedy) if part]
    print("aforo: " + "\n       ".join(lines), file=sys.stderr)  # noqa: T201


def _speak_utf8() -> None:
    """A Windows console or a pipe there may not know our letters: a wrong one must never stop the job."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _forget_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails once more
