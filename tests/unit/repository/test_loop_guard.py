"""The guard of every test against calls that block the event loop."""

import threading
from types import SimpleNamespace

import coverage
import pytest
from blockbuster import BlockingError

from aforo.background import Backoff
from aforo.clock import SystemClock


async def _acquired(lock: threading.Lock) -> bool:
    """Wait in the loop, in a frame of the program, for a lock that is held."""

    async def attempt() -> bool:
        return lock.acquire(timeout=0.01)

    with lock:
        return await Backoff(1.0, 1.0).retry(attempt, sleep=SystemClock().sleep, repeatable=lambda _: False)


async def test_a_lock_of_the_program_is_guarded_also_while_lines_are_measured() -> None:
    with pytest.raises(BlockingError):
        await _acquired(threading.Lock())


async def test_the_lock_of_the_tracer_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = threading.Lock()
    measuring = SimpleNamespace(_collector=SimpleNamespace(data_lock=lock))
    monkeypatch.setattr(coverage.Coverage, "current", lambda: measuring)
    assert not await _acquired(lock)
    with pytest.raises(BlockingError):
        await _acquired(threading.Lock())
