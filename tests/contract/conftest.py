"""The two sites that every test of the ACC client runs over."""

from collections.abc import AsyncIterator

import pytest
from tests.contract.acc_sites import Recorded, Simulated, Site


@pytest.fixture(params=["recorded", "simulated"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Each of the two sites in turn."""
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
