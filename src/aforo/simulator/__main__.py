"""``python -m aforo.simulator``: simulate until Ctrl-C or SIGTERM; the first line on standard output tells where."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence

from aforo.errors import AforoError
from aforo.simulator.runner import Options, add_arguments, options_from, serve


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m aforo.simulator", description="Un sitio Avigilon simulado.")
    add_arguments(parser)
    try:
        asyncio.run(_until_stopped(options_from(parser.parse_args(argv))))
    except AforoError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:  # where the loop takes no signal handlers, as on Windows
        return 0
    return 0


async def _until_stopped(options: Options) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(options, _say, stopping)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
