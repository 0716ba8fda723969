"""A simulated site that pushes to a real receiver, with a real database, on a virtual clock."""

import hmac
import socket
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from tests.contract.avigilon.sites import acc_settings
from tests.fake_clock import FakeClock

from aforo.avigilon import AvigilonClient
from aforo.ingestion.hints import HintSink
from aforo.models import PushState, PushStatus
from aforo.push import Pushes
from aforo.settings import PushSettings
from aforo.simulator import Scenario, ScenarioPlan, ServerProfile, Simulator
from aforo.storage import Database, Store

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
PLAN = ScenarioPlan(START, START + timedelta(hours=1), events=30, cameras=3, strangers=0, edges=False)


@dataclass
class Hints(HintSink):
    """What the ingestion would get."""

    seen: list[tuple[str, str, datetime]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def camera_event_seen(self, server_id: str, camera_id: str, occurred_at: datetime) -> None:
        self.seen.append((server_id, camera_id, occurred_at))

    def something_missed(self, server_id: str | None, why: str) -> None:
        assert server_id is None
        self.missed.append(why)


@dataclass
class Process:
    """One process that receives pushes. ``kill`` ends it as a kill does: nothing is cleaned up at the server."""

    hints: Hints
    pushes: Pushes
    stack: AsyncExitStack
    client: AvigilonClient

    @property
    def state(self) -> PushState:
        return self.status.state

    @property
    def status(self) -> PushStatus:
        status = self.pushes.status()
        assert status is not None
        return status

    async def end(self) -> None:
        await self.stack.aclose()

    async def kill(self) -> None:
        await self.client.logout()  # a dead process asks the server for nothing any more
        self.client.webhooks.listed = _dead  # type: ignore[method-assign]
        await self.stack.aclose()


async def _dead() -> Any:
    raise TimeoutError


@dataclass
class PushSite:
    """The site, and what processes on it share."""

    simulator: Simulator
    clock: FakeClock
    folder: Path
    settings: PushSettings
    stack: AsyncExitStack

    async def start(self) -> Process:
        """Start a process."""
        stack, hints = await self.stack.enter_async_context(AsyncExitStack()), Hints()
        settings = acc_settings(url=self.simulator.url, fingerprint=self.simulator.fingerprint)
        client = await stack.enter_async_context(AvigilonClient(settings, self.clock))
        store = Store(f"sqlite:///{self.folder / 'aforo.db'}", (), ZoneInfo("America/Bogota"))
        database = await stack.enter_async_context(Database(store, self.clock))
        await database.open()
        await client.login()
        pushes = Pushes(self.settings, client=client, database=database, sink=hints, clock=self.clock)
        await stack.enter_async_context(pushes.receiving())
        return Process(hints, pushes, stack, client)

    async def until(self, condition: Callable[[], object], seconds: float = 300.0) -> None:
        """Wait for a condition, by the site's clock."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while not condition():
            assert self.clock.now() < until, "waited in vain"
            await self.clock.sleep(0.5)

    def token(self) -> str:
        """The token in the database."""
        with closing(sqlite3.connect(self.folder / "aforo.db")) as database:
            return str(database.execute("SELECT token FROM aforo_push").fetchone()[0])

    async def post(self, body: bytes, authorization: str | None = None, method: str = "POST") -> int:
        """Push something by hand; returns the answer's status. Without ``authorization`` with the right proof."""
        if authorization is None:
            authorization = b64encode(hmac.digest(b64decode(self.token()), body, sha256)).decode()
        url, headers = self.settings.url, {"authorization": authorization, "Content-Type": "plain/text"}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, data=BytesIO(body), headers=headers, ssl=False) as answer,
        ):
            return answer.status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def push_site(folder: Path, *, plan: ScenarioPlan = PLAN, **profile: Any) -> AsyncIterator[PushSite]:
    async with (
        FakeClock(START) as clock,
        Simulator(Scenario(plan), clock=clock, profile=ServerProfile(**profile)) as simulator,
        AsyncExitStack() as stack,
    ):
        port = free_port()
        settings = PushSettings(url=f"http://127.0.0.1:{port}/avisos", host="127.0.0.1", port=port)
        yield PushSite(simulator, clock, folder, settings, stack)
