"""A flood from another process: the counting goes on and stays right, and an operator is served in all requests."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bench.web_load import OPERATOR, SILENT, under
from tests.page_harness import certificate_files, operators, staged

from aforo.logging_setup import logging_to
from aforo.settings import LogSettings, WebSettings

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="loads come from 127.0.0.2 and on")]

FEW_DESCRIPTORS = 256  # fewer than the connections of the flood, and than the places of the page and the rest need


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Lower this process's limit of descriptors."""
    import resource  # noqa: PLC0415 -- not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def small_log(tmp_path: Path) -> Iterator[Path]:
    """Log to a file that is rotated every few lines; gives its folder."""
    folder = tmp_path / "registro"
    folder.mkdir()
    settings = LogSettings(file=folder / "aforo.log", max_bytes=4_000, backups=50)
    with logging_to(settings, ZoneInfo("America/Bogota"), console=None):
        yield folder


@pytest.mark.parametrize(
    ("load", "tls"),
    [
        *((load, False) for load in ("requests", "silent", "half_requests", "wrong_logins", "slow_screens")),
        *((load, True) for load in ("requests", "silent", "wrong_logins")),
    ],
)
async def test_a_flood_disturbs_neither_the_counting_nor_an_operator(tmp_path: Path, load: str, tls: bool) -> None:
    settings = WebSettings(operators=operators(OPERATOR))
    if tls:
        certificate, key = certificate_files(tmp_path)
        settings = settings.model_copy(update={"certificate_file": certificate, "key_file": key})
    async with staged(tmp_path, settings=settings) as stage:
        await stage.play(stage.at(90))
        found = await under(stage, load, 1.5, tls=tls)
        assert found.pace > 0
        assert found.service.complete, found.service
        truth = stage.scenario.truth().between(stage.at(0), stage.played, stage.scenario.allowed)
        counted = {name: zone.count for name, zone in stage.live.occupancies.items()}
        assert counted == {name: zone.aforo for name, zone in truth.zones.items()}


async def test_silent_connections_neither_use_up_the_descriptors_nor_fill_the_log(
    tmp_path: Path, small_log: Path, few_descriptors: None
) -> None:
    certificate, key = certificate_files(tmp_path)
    settings = WebSettings(operators=operators(OPERATOR), certificate_file=certificate, key_file=key)
    assert SILENT > FEW_DESCRIPTORS
    async with staged(tmp_path, settings=settings) as stage:
        await stage.play(stage.at(90))
        used: list[int] = []
        found = await under(stage, "silent", 3.0, tls=True, meanwhile=lambda: log_much(used))
        assert found.service.complete, found.service
    assert max(used) <= FEW_DESCRIPTORS - 80, "96 are left to others, but for those that are accepted or end right now"
    written = await asyncio.to_thread(content, small_log)
    assert [number for number in range(1_000) if f"línea {number}\n" not in written] == []
    assert "Traceback" not in written
    of_the_page = [line for line in written.splitlines() if "línea" not in line]
    assert 0 < len(of_the_page) < 60


async def log_much(used: list[int]) -> None:
    """Log enough lines for many rotations of the file, and note how many descriptors are in use meanwhile."""
    for number in range(1_000):
        logging.getLogger("aforo.tests").info("línea %d", number)
        await asyncio.sleep(0.001)
        if number % 20 == 0:
            used.append(len(await asyncio.to_thread(os.listdir, "/proc/self/fd")))


def content(folder: Path) -> str:
    """Return what was logged; the handler's thread may still have some of it."""
    for _ in range(100):
        text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("aforo.log*"))
        if "línea 999\n" in text:
            break
        time.sleep(0.05)
    return text
