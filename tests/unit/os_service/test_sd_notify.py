"""systemd's notify protocol: status, readiness, watchdog and stop."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aforo.os_service.sd_notify import Notifier, notifying

LINUX = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's")


class Manager:
    """systemd's side of the notify protocol."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    async def next_with(self, word: str) -> dict[str, str]:
        """Return the next message that has that name."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            while True:
                message = dict(
                    line.partition("=")[::2] for line in (await loop.sock_recv(self.socket, 4096)).decode().splitlines()
                )
                if word in message:
                    return message


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "notify")
    yield one
    one.socket.close()


@LINUX
async def test_the_messages_to_the_manager(manager: Manager) -> None:
    ready, stopping, texts = asyncio.Event(), asyncio.Event(), ["Conectando"]
    notifier = Notifier.of({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"})
    assert notifier.watchdog == 0.3
    async with notifying(notifier, ready, stopping, lambda: texts[0]):
        first = await manager.next_with("STATUS")
        assert first["STATUS"] == "Conectando"
        assert "READY" not in first
        texts[0] = "«Clásico» en curso:\nNorte 12"
        ready.set()
        message = await manager.next_with("READY")
        assert message["STATUS"] == "«Clásico» en curso: Norte 12"
        assert (await manager.next_with("WATCHDOG"))["WATCHDOG"] == "1"
        stopping.set()
        assert (await manager.next_with("STOPPING"))["STOPPING"] == "1"


@LINUX
async def test_an_abstract_address_and_a_manager_that_is_gone(manager: Manager) -> None:
    manager.socket.close()
    manager.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.socket.bind("\0aforo-test-notify")
    manager.socket.setblocking(False)
    notifier = Notifier.of({"NOTIFY_SOCKET": "@aforo-test-notify"})
    notifier.send("READY=1")
    assert await manager.next_with("READY") == {"READY": "1"}
    manager.socket.close()
    notifier.send("WATCHDOG=1")  # without a receiver, nothing happens


def test_a_watchdog_of_another_process_is_ignored() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier.of(environ).watchdog == 0
    assert not Notifier.of({}).enabled
