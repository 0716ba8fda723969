import asyncio
import threading

import pytest

from aforo.web.login_queue import LoginQueue, LoginQueueFull


class Passwords:
    """Stands for the hashing: it holds the first password until ``release``, and notes the order of all."""

    def __init__(self) -> None:
        self.checked: list[str] = []
        self.first = threading.Event()
        self.release = threading.Event()

    def verify(self, password: str, _: str) -> bool:
        self.checked.append(password)
        self.first.set()
        assert self.release.wait(10)
        return password == "good"


@pytest.fixture
def passwords(monkeypatch: pytest.MonkeyPatch) -> Passwords:
    found = Passwords()
    monkeypatch.setattr("aforo.web.login_queue.verify_password", found.verify)
    return found


async def begun(queue: LoginQueue, password: str, tried: float) -> asyncio.Task[bool]:
    """Begin to check a password, as far as its place in the queue."""
    task = asyncio.create_task(queue.matches(password, "", tried))
    await asyncio.sleep(0)
    return task


async def test_who_has_tried_least_comes_first(passwords: Passwords) -> None:
    queue = LoginQueue()
    first = await begun(queue, "first", 6)
    assert await asyncio.to_thread(passwords.first.wait, 10)
    others = [await begun(queue, f"guess {tried}", tried) for tried in (5, 3, 4)]
    good = await begun(queue, "good", 0)
    passwords.release.set()
    assert await asyncio.gather(first, *others, good) == [False, False, False, False, True]
    assert passwords.checked == ["first", "good", "guess 3", "guess 4", "guess 5"]


async def test_where_too_many_wait_the_last_to_come_is_refused(passwords: Passwords) -> None:
    queue = LoginQueue()
    first = await begun(queue, "first", 0)
    assert await asyncio.to_thread(passwords.first.wait, 10)
    guesses = [await begun(queue, f"guess {number}", 1) for number in range(65)]
    good = await begun(queue, "good", 0)
    gone = await begun(queue, "gone", 0)
    gone.cancel()
    passwords.release.set()
    results = await asyncio.gather(first, *guesses, good, gone, return_exceptions=True)
    refused = [number for number, result in enumerate(results[1:66]) if isinstance(result, LoginQueueFull)]
    assert refused == [62, 63, 64]
    assert results[66] is True
    assert passwords.checked[1] == "good"
    assert "gone" not in passwords.checked
    assert await queue.matches("good", "", 0), "the queue goes on"
