"""The end of the job: by a stop from another thread, by a signal, and when it does not end in time."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from aforo.os_service import ShutdownRequest, until_stopped


async def test_the_exit_code_of_a_job_that_ends_by_itself() -> None:
    async def job() -> int:
        return 6

    assert await until_stopped(asyncio.create_task(job()), asyncio.Event()) == 6


@pytest.mark.parametrize("before", [True, False])
async def test_a_stop_from_another_thread_before_and_after_the_job_is_attached(before: bool) -> None:
    stopping, request = asyncio.Event(), ShutdownRequest()
    thread = threading.Thread(target=request.stop)
    if before:
        thread.start()
        thread.join()
    request.attach(asyncio.get_running_loop(), stopping)
    if not before:
        thread.start()
    async with asyncio.timeout(5):
        await stopping.wait()
    thread.join()
    assert request.stopped.is_set()


async def test_after_a_stop_the_job_may_finish() -> None:
    stopping, stored = asyncio.Event(), asyncio.Event()

    async def job() -> int:
        await stopping.wait()
        await stored.wait()
        return 0

    waiting = asyncio.create_task(until_stopped(asyncio.create_task(job()), stopping))
    stopping.set()
    await asyncio.sleep(0)
    assert not waiting.done()
    stored.set()
    assert await waiting == 0


async def test_a_job_that_does_not_end_after_a_stop_is_left(caplog: pytest.LogCaptureFixture) -> None:
    stopping = asyncio.Event()
    stopping.set()
    job = asyncio.create_task(asyncio.Event().wait())

    async def endless() -> int:
        await job
        return 1

    with caplog.at_level(logging.WARNING, "aforo"):
        assert await until_stopped(asyncio.create_task(endless()), stopping, patience=0.01) == 0
    assert "No se pudo guardar todo antes de salir" in caplog.text
    assert job.cancelled()


@pytest.mark.skipif(os.name == "nt", reason="signals as Linux has them")
def test_the_first_signal_stops_the_job_and_the_second_ends_it_at_once() -> None:
    code = (
        "import asyncio; from aforo.os_service import stop_on_signals\n"
        "async def job():\n"
        "    stopping = asyncio.Event(); stop_on_signals(stopping); print('ready', flush=True)\n"
        "    await stopping.wait(); print('stopping', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(job())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 128 + signal.SIGTERM
