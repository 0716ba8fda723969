"""What processes cost, by the operating system: time, processor, memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024
_PAUSE = 0.05  # seconds between two samples


@dataclass(frozen=True, slots=True)
class Cost:
    """One finished process: wall and processor seconds, its peak of memory in MiB, what it printed."""

    wall: float
    cpu: float
    peak_mib: float
    output: str


class Sample(NamedTuple):
    """A process that runs, at one instant."""

    cpu: float
    rss_mib: float
    files: int
    threads: int


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run to the end. Raises RuntimeError, with the end of its output, where it fails."""
    with (folder / "stdout.log").open("w+") as out, (folder / "stderr.log").open("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=errors)
        with _peak_of(process.pid) as peak:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{command[1:4]} ended with {process.returncode}: {errors.read()[-2000:]}")
        out.seek(0)
        return Cost(wall, usage.ru_utime + usage.ru_stime, max(peak), out.read())


@contextmanager
def _peak_of(pid: int) -> Iterator[list[float]]:
    """Watch a process's peak of memory. The figure of wait4 includes the process that started it, before exec."""
    peak = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE):
            with suppress(OSError, IndexError):  # it has ended
                status = Path(f"/proc/{pid}/status").read_text()
                peak.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start; its output goes to stderr.log in its folder."""
    with (folder / "stderr.log").open("a") as errors:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def sample(pid: int) -> Sample:
    """Sample a running process. Raises FileNotFoundError or ProcessLookupError where it is gone. Linux only."""
    home = Path(f"/proc/{pid}")
    fields = (home / "stat").read_text().rpartition(")")[2].split()
    pages = int((home / "statm").read_text().split()[1])
    return Sample(
        (int(fields[11]) + int(fields[12])) / _TICKS,
        pages * _PAGE / _MIB,
        len(list((home / "fd").iterdir())),
        int(fields[17]),
    )


def machine() -> str:
    """The machine, for the results: so that nobody compares figures of two."""
    return f"{os.cpu_count()} cores, {os.uname().sysname} {os.uname().machine}, Python {sys.version.split()[0]}"
