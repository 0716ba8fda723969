"""Floods the page from another process and measures the counting: ``python -m bench.web_load [seconds]``.

The counting side stores a match's camera events batch by batch, first alone, then under each kind of load. Measured are
the pace of storing and how late the event loop is (a timer of 10 ms).
"""

import asyncio
import contextlib
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.page_harness import START, Stage, staged

ATTACKS: dict[str, Callable[[int], Coroutine[Any, Any, int]]] = {}


def attack(function: Callable[[int], Coroutine[Any, Any, int]]) -> Callable[[int], Coroutine[Any, Any, int]]:
    """Name a load."""
    ATTACKS[function.__name__] = function
    return function


async def ask(port: int, path: str) -> None:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await reader.read(1 << 20)
    writer.close()


@attack
async def requests(port: int) -> int:
    """As many requests as go, from 100 workers, a connection each."""
    sent = 0

    async def work() -> None:
        nonlocal sent
        while True:
            with contextlib.suppress(OSError):
                await ask(port, "/api/v1/series")
            sent += 1

    await asyncio.gather(*(work() for _ in range(100)))
    return sent


@attack
async def connections(port: int) -> int:
    """Connections that send half a request, and new ones for those that are cut."""

    async def work() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nX")
                await reader.read()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work() for _ in range(300)))
    return 0


@attack
async def slow_screens(port: int) -> int:
    """Sixty screens that follow the stream and read a hundred bytes a second."""

    async def work() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=256)
            writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while await reader.read(100):  # noqa: ASYNC110 -- being slow is the point
                await asyncio.sleep(1)

    await asyncio.gather(*(work() for _ in range(60)))
    return 0


@attack
async def screens(port: int) -> int:
    """Sixty screens that follow the stream and read all of it: what is meant to be."""

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while await reader.read(1 << 16):
            pass

    await asyncio.gather(*(work() for _ in range(60)))
    return 0


def flood(name: str, port: int) -> None:
    """What the other process does until it is ended."""
    asyncio.run(ATTACKS[name](port))


async def count_for(stage: Stage, seconds: float) -> tuple[float, list[float]]:
    """Store a minute of the match after the other; returns minutes a second, and how late the loop was (ms)."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            late.append((time.perf_counter() - before - 0.01) * 1000)

    watching = asyncio.create_task(watch())
    began, minutes = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        await stage.play(stage.played + timedelta(seconds=15))
        minutes += 1
        await asyncio.sleep(0.05)
    watching.cancel()
    return minutes / (time.perf_counter() - began), late


async def measured(seconds: float) -> dict[str, tuple[float, float, float]]:
    """For each load: batches stored a second, and the loop's delay in ms (99 %, worst)."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder)) as stage:
            port = int(stage.url.rstrip("/").rpartition(":")[2])
            await stage.play(START + timedelta(minutes=100))
            for name in ("", *ATTACKS):
                other = multiprocessing.get_context("spawn").Process(target=flood, args=(name, port), daemon=True)
                if name:
                    other.start()
                    await asyncio.sleep(1.5)
                pace, late = await count_for(stage, seconds)
                if name:
                    other.kill()
                    other.join()
                    await asyncio.sleep(1)
                found[name or "nothing"] = (pace, statistics.quantiles(late, n=100)[98], max(late))
    return found


if __name__ == "__main__":
    for load, (pace, usual, worst) in asyncio.run(measured(float([*sys.argv, "5"][1]))).items():
        print(f"{load:14} {pace:6.1f} batches/s   loop late by {usual:6.1f} ms (99 %), {worst:6.1f} ms (worst)")
