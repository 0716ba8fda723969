"""What every test has: a loop that nothing may block."""

from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings
from tests.fake_clock import FakeClock

# A busy machine is no fault of an example; the rest stays as the profile of the place (CI's, or a desk's) has it.
settings.register_profile("busy", settings(settings.default, deadline=None))
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """Fail the test when the program makes a call that blocks the loop it runs in."""
    with blockbuster_ctx("aforo") as guard:
        for function in guard.functions.values():
            # The two JSON files are read for the first time as the job is made: nothing else runs yet.
            function.can_block_in("aforo/inputs/watched_file.py", "__init__")
        yield


@pytest.fixture
async def fake_clock() -> AsyncIterator[FakeClock]:
    """Virtual time from 2026-01-27 19:00 UTC on, which is 14:00 in Bogotá."""
    async with FakeClock() as clock:
        yield clock
