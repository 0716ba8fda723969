"""Floods the page from another process and measures the counting: ``python -m bench.web_load [seconds]``.

The counting side stores a match's camera events batch by batch, first alone, then under each load, by HTTP and HTTPS.
Measured are the pace of storing, how late the event loop is (a timer of 10 ms), and what an operator meets, who comes
from an address of its own, in a third process: requests with a session, each on a new connection, and a new login.
Loads come from 20 addresses (127.0.0.2 and those that follow; elsewhere than on Linux from one).
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout, CookieJar, TCPConnector
from tests.page_harness import PASSWORD, START, Stage, certificate_files, operators, staged

from aforo.settings import WebSettings

OPERATOR = "Ana Ruiz"
SILENT = 1_140  # connections that send nothing
_ADDRESSES = 20
_BEFORE_LOGIN = 5  # requests of the operator before its new login
_SPAWN = multiprocessing.get_context("spawn")


class Target(NamedTuple):
    """The page that is flooded."""

    port: int
    tls: bool = False

    def context(self) -> ssl.SSLContext | None:
        """A context that checks no certificate; None for HTTP."""
        if not self.tls:
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Load = Callable[[Target], Awaitable[None]]
LOADS: dict[str, Load] = {}


def load(function: Load) -> Load:
    """Name a load."""
    LOADS[function.__name__] = function
    return function


def source(number: int) -> tuple[str, int] | None:
    """The address that a load's worker comes from."""
    return (f"127.0.0.{2 + number % _ADDRESSES}", 0) if sys.platform == "linux" else None


async def connected(target: Target, number: int, limit: int = 1 << 16) -> Streams:
    """A connection of a load's worker, after its TLS handshake."""
    return await asyncio.open_connection(
        "127.0.0.1", target.port, ssl=target.context(), local_addr=source(number), limit=limit
    )


async def workers(count: int, work: Callable[[int], Awaitable[None]], pause: float = 0.01) -> None:
    """Repeat ``work`` in that many workers for ever; what breaks a worker off begins it anew."""

    async def repeat(number: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                await work(number)
            await asyncio.sleep(pause)

    await asyncio.gather(*(repeat(number) for number in range(count)))


async def ask(target: Target, number: int, request: bytes) -> None:
    """One request on a connection of its own."""
    reader, writer = await connected(target, number)
    try:
        writer.write(request)
        await reader.read(1 << 20)
    finally:
        writer.close()


def get(path: str) -> bytes:
    """The bytes of a request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@load
async def requests(target: Target) -> None:
    """As many requests as go, from 100 workers, a connection each."""
    await workers(100, lambda number: ask(target, number, get("/api/v1/series")), pause=0)


@load
async def silent(target: Target) -> None:
    """Connections that send nothing, not even the first bytes of a handshake, and new ones for those that are cut."""

    async def work(number: int) -> None:
        reader, writer = await connected(Target(target.port), number)
        try:
            await reader.read()
        finally:
            writer.close()

    await workers(SILENT, work)


@load
async def half_requests(target: Target) -> None:
    """Connections that send half a request, and new ones for those that are cut."""
    await workers(300, lambda number: ask(target, number, b"GET / HTTP/1.1\r\nX"))


@load
async def trickles(target: Target) -> None:
    """Connections that send a byte a second."""

    async def work(number: int) -> None:
        _, writer = await connected(target, number)
        for byte in itertools.chain(b"GET / HTTP/1.1\r\nX: ", itertools.repeat(97)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)

    await workers(300, work)


@load
async def wrong_logins(target: Target) -> None:
    """Passwords guessed from all addresses, with known and unknown names."""

    async def work(number: int) -> None:
        body = b'{"name": "%s", "password": "%d"}' % (OPERATOR.encode() if number % 2 else b"Otro", number)
        head = "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        await ask(target, number, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    await workers(60, work)


@load
async def pipelines(target: Target) -> None:
    """A hundred requests in one packet, again and again."""
    await workers(40, lambda number: ask(target, number, get("/api/v1/state") * 100))


@load
async def slow_screens(target: Target) -> None:
    """Sixty screens that follow the stream and read a hundred bytes a second."""

    async def work(number: int) -> None:
        reader, writer = await connected(target, number, limit=256)
        writer.write(get("/api/v1/stream"))
        while await reader.read(100):  # noqa: ASYNC110 -- being slow is the point
            await asyncio.sleep(1)

    await workers(60, work)


@load
async def screens(target: Target) -> None:
    """Sixty screens that follow the stream and read all of it: what is meant to be."""

    async def work(number: int) -> None:
        reader, writer = await connected(target, number)
        writer.write(get("/api/v1/stream"))
        while await reader.read(1 << 16):
            pass

    await workers(60, work)


def flood(name: str, target: Target) -> None:
    """What the other process does until it is ended."""
    asyncio.run(LOADS[name](target))  # type: ignore[arg-type]


@dataclass
class Service:
    """What an operator met: requests, those that were answered, the slowest (s), and whether a new login worked."""

    sent: int = 0
    served: int = 0
    slowest: float = 0.0
    logged_in: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every request was answered, and the login too."""
        return self.sent > 0 and self.served == self.sent and self.logged_in


async def operate(target: Target, parent: Connection) -> None:
    """Work as an operator with a session, from a first message of the parent to a second; send what it met."""
    url = f"{'https' if target.tls else 'http'}://127.0.0.1:{target.port}/api/v1/"
    found, patience = Service(), ClientTimeout(total=10)

    def client(cookies: CookieJar) -> ClientSession:
        connector = TCPConnector(force_close=True, ssl=target.context() or True)
        return ClientSession(url, cookie_jar=cookies, connector=connector, timeout=patience)

    async def log_in(session: ClientSession) -> int:
        async with session.post("session", json={"name": OPERATOR, "password": PASSWORD}) as answer:
            return answer.status

    async with client(CookieJar(unsafe=True)) as session:
        parent.send(await log_in(session))
        await asyncio.to_thread(parent.recv)
        ended = asyncio.create_task(asyncio.to_thread(parent.recv))
        while not ended.done() or found.sent < _BEFORE_LOGIN:
            found.sent += 1
            began = time.perf_counter()
            try:
                async with session.get("state") as answer:
                    found.served += answer.status == 200
                    found.faults += [] if answer.status == 200 else [str(answer.status)]
            except (OSError, ClientError, TimeoutError) as exc:
                found.faults.append(repr(exc))
            found.slowest = max(found.slowest, time.perf_counter() - began)
            if found.sent == _BEFORE_LOGIN:
                async with client(CookieJar(unsafe=True)) as anew:
                    try:
                        found.logged_in = await log_in(anew) == 200
                    except (OSError, ClientError, TimeoutError) as exc:
                        found.faults.append(f"login: {exc!r}")
            await asyncio.sleep(0.05)
    parent.send(found)


def operator(target: Target, parent: Connection) -> None:
    """What the operator's process does."""
    asyncio.run(operate(target, parent))


@dataclass
class Measured:
    """Batches stored a second, processor used (1: a whole one), the loop's delays in ms, what the operator met."""

    pace: float
    processor: float
    late: list[float]
    service: Service


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


async def nothing() -> None:
    """Do nothing."""


async def under(
    stage: Stage,
    name: str,
    seconds: float,
    *,
    tls: bool = False,
    meanwhile: Callable[[], Awaitable[None]] = nothing,
) -> Measured:
    """Count under a load ("" for none) while an operator works."""
    target = Target(int(stage.url.rstrip("/").rpartition(":")[2]), tls)
    here, there = _SPAWN.Pipe()
    working = _SPAWN.Process(target=operator, args=(target, there), daemon=True)
    flooding = _SPAWN.Process(target=flood, args=(name, target), daemon=True)
    working.start()
    try:
        assert await asyncio.to_thread(here.recv) == 200, "the operator's session of before"
        if name:
            flooding.start()
            await asyncio.sleep(1.5)  # the other process starts
        here.send("begin")
        used, began = time.process_time(), time.perf_counter()
        (pace, late), _ = await asyncio.gather(count_for(stage, seconds), meanwhile())
        processor = (time.process_time() - used) / (time.perf_counter() - began)
        here.send("end")
        service: Service = await asyncio.to_thread(here.recv)
    finally:
        for process in (working, flooding):
            if process.pid is not None:
                process.kill()
                process.join()
    return Measured(pace, processor, late, service)


async def measure(seconds: float, *, tls: bool) -> None:
    """Print a line for each load."""
    with tempfile.TemporaryDirectory() as folder:
        settings = WebSettings(operators=operators(OPERATOR))
        if tls:
            certificate, key = certificate_files(Path(folder))
            settings = settings.model_copy(update={"certificate_file": certificate, "key_file": key})
        async with staged(Path(folder), settings=settings) as stage:
            await stage.play(START + timedelta(minutes=100))
            for name in ("", *LOADS):
                found = await under(stage, name, seconds, tls=tls)
                service, usual = found.service, statistics.quantiles(found.late, n=100)[98]
                print(
                    f"{'https' if tls else 'http':5} {name or 'nothing':14} {found.pace:6.1f} batches/s,"
                    f" processor {found.processor:4.0%}"
                    f"   loop late by {usual:6.1f} ms (99 %), {max(found.late):6.1f} ms (worst)"
                    f"   operator served {service.served}/{service.sent}, slowest {service.slowest:5.2f} s,"
                    f" login {'good' if service.logged_in else 'REFUSED'} {' '.join(sorted(set(service.faults)))}",
                    flush=True,
                )
                await asyncio.sleep(1)


if __name__ == "__main__":
    for encrypted in (False, True):
        asyncio.run(measure(float([*sys.argv, "5"][1]), tls=encrypted))
