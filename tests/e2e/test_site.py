"""The documentation site from its folder, in a real browser without a network: it opens, and its search finds."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from playwright import async_api as playwright
else:
    playwright = pytest.importorskip("playwright.async_api", reason="sin playwright")
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(CHROMIUM is None, reason="sin Chromium")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site, built strictly from a copy of the documents."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=tmp_path, check=True)
    return tmp_path / "site"


async def test_the_search_finds_from_the_folder_and_without_a_network(site: Path) -> None:
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context()
        await context.set_offline(True)
        page = await context.new_page()
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto((site / "index.html").as_uri())
        await page.keyboard.press("/")
        await page.keyboard.type("watchdog")
        found = page.locator('a[href*="puesta-en-marcha.html"]', has_text="Como servicio").first
        await found.wait_for(timeout=10_000)
        await browser.close()
    assert errors == []
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data", "blob"}
