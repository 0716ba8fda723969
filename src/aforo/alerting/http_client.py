"""The HTTP client of webhook and heartbeat."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from aforo.connections import trusted_context


@asynccontextmanager
async def client_session(seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session without cookies, whose requests may take that long."""
    trusted = await asyncio.to_thread(trusted_context)
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(ssl=trusted),
    ) as session:
        yield session
