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


# Tests in which coverage is not measured: it makes them slower by half, or by more. They run whole events, or thousands
# of examples, over code that other tests cover; or they read the repository.
NOT_MEASURED = (
    "tests/e2e/",
    "tests/freeze/",
    "tests/fuzz/",
    "tests/unit/repository/",
    *(
        f"tests/flow/test_{name}.py"
        for name in (
            "alerts", "camera_health", "clocks", "continuous", "event_report", "events", "hanging", "late_events",
            "later_comparisons", "odd_servers", "pushes", "replaced_database", "zones",
        )
    ),
    "tests/contract/storage/test_store.py::test_any_split",
    "tests/contract/storage/test_store.py::test_killed_at_any_point",
    "tests/unit/avigilon/test_pagination.py::test_a_reading_that_fails",
    "tests/unit/avigilon/test_pagination.py::test_every_event_once",
    "tests/unit/counting/test_rules.py::test_a_name_is_new_once",
    "tests/unit/ingestion/test_fetch_planner.py::test_every_change",
    "tests/unit/ingestion/test_sweep.py::test_the_requests_of_a_site",
    "tests/unit/test_outside_text.py::test_every_character",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in those tests."""
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
