"""Fixtures of every test: virtual time, and a failure where the program blocks the event loop."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import coverage
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings
from tests.fake_clock import FakeClock

# A slow example on a busy machine is no failure. The other settings are those of the profile: CI's or the default.
settings.register_profile("busy", settings(settings.default, deadline=None))
settings.load_profile("busy")


# Tests that run whole programs over code that the others cover: measuring costs them half as much time again.
NOT_MEASURED = (
    "tests/e2e/",
    "tests/freeze/",
    "tests/flow/test_alerts.py",
    "tests/flow/test_continuous.py",
    "tests/flow/test_events.py",
    "tests/flow/test_odd_servers.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in tests that run whole programs."""
    for item in items:
        if item.nodeid.startswith(NOT_MEASURED):
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """Fail the test when the program makes a call that blocks the loop it runs in."""
    with blockbuster_ctx("aforo") as guard:
        for function in guard.functions.values():
            # The two JSON files are first read in a constructor, before anything else runs.
            function.can_block_in("aforo/inputs/watched_file.py", "__init__")
        _exempt_tracer(guard)
        yield


def _exempt_tracer(guard: BlockBuster) -> None:
    """Let coverage's tracer take its own lock, and no other, in whatever frame of the program it interrupts."""
    function = guard.functions["threading.Lock.acquire"]
    may_block = function.can_block_predicate

    def may_block_or_is_of_tracer(lock: Any, *args: Any, **kwargs: Any) -> bool:
        measuring: Any = coverage.Coverage.current()
        collector = getattr(measuring, "_collector", None)
        return (collector is not None and lock is collector.data_lock) or may_block(lock, *args, **kwargs)

    function.deactivate()
    function.can_block_predicate = may_block_or_is_of_tracer
    function.activate()


@pytest.fixture
async def fake_clock() -> AsyncIterator[FakeClock]:
    """Virtual time from 2026-01-27 19:00 UTC on, which is 14:00 in Bogotá."""
    async with FakeClock() as clock:
        yield clock
