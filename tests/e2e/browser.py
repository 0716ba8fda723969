"""A page in headless Chromium, for the tests that read and use it. Nothing is run where there is no Chromium."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.page_harness import Stage

__all__ = [
    "CHROMIUM", "FLAGS", "MARKS", "WAIT", "chromium", "count_of", "displays", "page_of", "playwright", "tab_to",
]  # fmt: skip

if TYPE_CHECKING:
    from playwright import async_api as playwright
else:
    playwright = pytest.importorskip("playwright.async_api", reason="sin playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MARKS = [pytest.mark.e2e, pytest.mark.skipif(CHROMIUM is None, reason="sin Chromium")]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT = 15_000  # ms
# What the browser itself logs of a request that fails: a program that ends, a login that is asked for.
EXPECTED = ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE", "status of 401", "status of 403")


@asynccontextmanager
async def chromium() -> AsyncIterator["playwright.Browser"]:
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page_of(stage: Stage, browser: "playwright.Browser", **how: Any) -> AsyncIterator["playwright.Page"]:
    """Open the page and wait until it is drawn. Nothing may be requested elsewhere, and no script may fail."""
    context = await browser.new_context(**{"viewport": {"width": 1920, "height": 1080}, "color_scheme": "dark", **how})
    page = await context.new_page()
    page.set_default_timeout(WAIT)
    urls: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    await page.goto(stage.url)
    await page.wait_for_selector("body[data-drawn]")
    try:
        yield page
        assert [url for url in urls if not url.startswith((stage.url, "data:", "blob:"))] == []
        assert [fault for fault in faults if not any(word in fault for word in EXPECTED)] == []
    finally:
        await context.close()


def count_of(zone: str) -> str:
    return f'.zone[data-key="{zone}"] [data-part="count"]'


async def displays(page: "playwright.Page", selector: str, text: str) -> None:
    await playwright.expect(page.locator(selector)).to_contain_text(text, timeout=WAIT)


async def tab_to(page: "playwright.Page", selector: str) -> None:
    """Press Tab until that element has the focus, and check that the focus is visible."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"no se llega a {selector} con el teclado")
