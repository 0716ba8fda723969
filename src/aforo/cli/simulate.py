"""``aforo simulate``: the simulator alone, until Ctrl-C or a stop; its first line tells where it listens."""

import asyncio
import contextlib
import signal
import sys

from aforo.simulator import Options, serve


def main(options: Options) -> int:
    """Simulate until stopped. Raises BadCommand for options that make no sense."""
    with contextlib.suppress(KeyboardInterrupt):  # where the loop takes no signal handlers, as on Windows
        asyncio.run(_until_stopped(options))
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
