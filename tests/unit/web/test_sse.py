import asyncio

import pytest

from aforo.web.sse import Client


async def test_a_client_that_does_not_read_loses_frames_and_gets_a_full_state() -> None:
    client = Client()
    client.lost = False
    for number in range(16):
        client.offer(str(number).encode())
    assert not client.lost
    for number in range(16, 1000):
        client.offer(str(number).encode())
    assert client.lost
    assert await asyncio.wait_for(client.next(), 1) is None
    client.lost = False
    with pytest.raises(TimeoutError):  # no frame was kept
        await asyncio.wait_for(client.next(), 0.05)
    client.close()
    assert await asyncio.wait_for(client.next(), 1) is None
