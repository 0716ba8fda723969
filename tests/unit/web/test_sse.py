import asyncio

import pytest

from aforo.web.sse import MAX_QUEUED_FRAMES, Client


async def test_a_client_that_does_not_read_loses_frames_and_gets_a_full_state() -> None:
    client = Client()
    client.needs_state = False
    for number in range(MAX_QUEUED_FRAMES):
        client.offer(str(number).encode())
    assert not client.needs_state
    for number in range(MAX_QUEUED_FRAMES, 1000):
        client.offer(str(number).encode())
    assert client.needs_state
    assert await asyncio.wait_for(client.next(), 1) is None
    client.needs_state = False
    with pytest.raises(TimeoutError):  # no frame was kept
        await asyncio.wait_for(client.next(), 0.05)
    client.close()
    assert await asyncio.wait_for(client.next(), 1) is None


async def test_the_last_frames_are_sent_before_a_stream_ends_and_none_after_a_logout() -> None:
    ending, logged_out = Client(), Client()
    for client in (ending, logged_out):
        client.needs_state = False
        client.offer(b"change")
    ending.finish(b"end")
    logged_out.close()
    assert [await asyncio.wait_for(ending.next(), 1) for _ in range(3)] == [b"change", b"end", None]
    assert await asyncio.wait_for(logged_out.next(), 1) is None
