"""What the contract files run over: the two sites of the ACC client, and every database of the store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.contract.avigilon.sites import Recorded, Simulated, Site
from tests.contract.storage.databases import DatabaseUnderTest, names, urls

from aforo.storage import Store


@pytest.fixture(params=["recorded", "simulated"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Each of the two sites."""
    async with Recorded() if request.param == "recorded" else Simulated() as one:
        yield one


@pytest.fixture
async def recorded() -> AsyncIterator[Recorded]:
    async with Recorded() as one:
        yield one


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    async with Simulated() as one:
        yield one


@pytest.fixture(params=names())
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    """Each database, empty."""
    made = DatabaseUnderTest(urls(tmp_path)[request.param])
    made.clear()
    yield made
    made.close()


@pytest.fixture
def store(database: DatabaseUnderTest) -> Store:
    return database.store()
