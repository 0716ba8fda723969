"""The page as a control room has it: a wall full of zones and alerts, a phone, corrections, the program's end."""

from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.e2e.browser import MARKS, WAIT, chromium, count_of, displays, page_of, playwright
from tests.page_harness import PASSWORD, START, Stage, capped_zones, operators, staged

from aforo.models import EventPhase, Feed, Outcome, ReconciliationResult
from aforo.settings import WebSettings, ZoneSettings
from aforo.simulator import Scenario, ScenarioPlan
from aforo.storage import ManualCount
from aforo.wording import grouped

pytestmark = MARKS
FIRST = "Personas en el estadio"
STANDS = [
    ZoneSettings(
        name=f"Tribuna {name}", table=f"tribuna_{name}", entries=[f"contains:PUERTA {number} "],
        capacity=20_000 * (number % 2), initial=1250 * number,
    )
    for number, name in enumerate(
        ("Occidental", "Oriental", "Norte", "Sur", "Preferencial", "Familiar", "Prensa"), 1
    )
]  # fmt: skip
SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });"""
OUTSIDE = """() => [...document.querySelectorAll(".zone, .alert, #trust li, #curve, #doors")].filter((one) => {
  const { bottom, right } = one.getBoundingClientRect();
  return bottom > innerHeight + 1 || right > innerWidth + 1;
}).map((one) => one.textContent)"""
OVERFLOWING = """() => [...document.querySelectorAll(".zone")].filter((card) => {
  const edge = card.getBoundingClientRect();
  return [...card.querySelectorAll("*")].some((one) => {
    const { bottom, right, width } = one.getBoundingClientRect();
    return width && (bottom > edge.bottom + 1 || right > edge.right + 1);
  });
}).map((card) => card.dataset.key)"""
SIZE = "one => parseFloat(getComputedStyle(one).fontSize)"
# What axe-core finds serious or critical. plotly's own buttons and drawings are images here: each chart has its table.
AXE = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, ...one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]);
}"""


def crowded() -> Scenario:
    """Return a scenario with sixty doors."""
    scenario = Scenario(ScenarioPlan(START, START + timedelta(hours=7), cameras=24, events=9_000))
    for number in range(43):
        for minute in range(6 + number % 5):
            name = f"PUERTA {number + 30} ENTRADA PEATONAL {('ORIENTAL', 'NORTE')[number % 2]}"
            scenario.add(scenario.allowed[number % 20], name, START + timedelta(minutes=7 * minute, seconds=number))
    return scenario


async def fail(stage: Stage, feeds: list[Feed]) -> None:
    """Let these cameras be away for half an hour, each an alert."""
    for feed in feeds:
        stage.change_feed(feed, failing_since=stage.at(100), failing_alone_since=stage.at(100))
    stage.clock.instant = stage.at(131)
    stage.live.notify()


async def serious(page: Any) -> Any:
    return await page.evaluate(AXE)


async def test_twelve_zones_sixty_doors_and_seven_alerts_on_every_screen(tmp_path: Path) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    async with (
        chromium() as browser,
        staged(tmp_path, scenario=crowded(), zones=[*capped_zones(), *STANDS]) as stage,
    ):
        for minutes in range(10, 131, 10):
            await stage.play(stage.at(minutes))
        async with page_of(stage, browser) as page:
            await page.evaluate(SHIFTS)
            await fail(stage, list(stage.live.feeds)[:7])
            await playwright.expect(page.locator(".alert")).to_have_count(7, timeout=WAIT)
            assert await page.evaluate("window.shifted") < 0.05
            assert await page.evaluate(OUTSIDE) == [], "a wall is not scrolled"
            assert await page.evaluate(OVERFLOWING) == []
            sizes = [await page.eval_on_selector(count_of(zone), SIZE) for zone in (FIRST, "Zona Sur")]
            assert sizes[0] > 1080 / 8, "read from five metres: an eighth of the screen's height"
            assert sizes[0] > 2 * sizes[1]
            assert await page.locator(".zone").first.get_attribute("data-key") == FIRST
            labels = await page.eval_on_selector_all(
                "#curve .annotation-text", "all => all.map((one) => one.textContent)"
            )
            styles = await page.evaluate(
                "() => document.querySelector('#curve').data.map((one) => one.line.color + one.line.dash)"
            )
            assert len(labels) == len(set(labels)) == len(set(styles)) == 12, "the lines differ"
            for chart, rows in (("curve", 9), ("flow", 20), ("heat", 56)):
                table = page.locator(f".panel.{chart} .as-table")
                await table.locator("summary").click()
                assert await table.locator("tbody tr").count() >= rows
            await page.evaluate(axe)
            assert await serious(page) == []
            await page.click("#theme")
            assert await serious(page) == []
            for chart in ("curve", "flow", "heat"):
                await page.locator(f".panel.{chart} summary").click()
            await page.set_viewport_size({"width": 3840, "height": 2160})
            await page.wait_for_function("size => parseFloat(getComputedStyle(document.querySelector("
                                         "'.zone .figure')).fontSize) > 1.9 * size", arg=sizes[0])  # fmt: skip
            assert await page.evaluate(OUTSIDE) == []
            assert await page.evaluate(OVERFLOWING) == []
            await page.emulate_media(forced_colors="active")
            bar, card = [
                await page.eval_on_selector(
                    f".zone[data-key='{FIRST}'] {part}", "one => getComputedStyle(one).backgroundColor"
                )
                for part in (".bar span", ".bar")
            ]
            assert bar != card, "bars are seen with forced colours"
            await page.emulate_media(forced_colors="none")
            await page.click("#theme")
            await page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert await page.get_attribute("html", "data-theme") == "light", "dark prints as light"
            await page.evaluate("dispatchEvent(new Event('afterprint'))")
            assert await page.get_attribute("html", "data-theme") == "dark"
        phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
        async with page_of(stage, browser, **phone) as page:
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            pinned = "() => document.getElementById('pinned').getBoundingClientRect().top"
            assert await page.evaluate(pinned) < 0
            await page.evaluate("document.getElementById('corrections').scrollIntoView()")
            await page.wait_for_function(f"() => ({pinned})() === 0")
            await displays(page, "#pinned", grouped(stage.live.occupancies[FIRST].count))


async def open_correction(page: Any, zone: str) -> None:
    await page.get_by_role("button", name=f"Corregir {zone}", exact=True).click()


async def refused(page: Any, how: str, amount: str, reason: str) -> str:
    """What the dialog answers to an order that it does not send."""
    await page.check(f'#correct [name="how"][value="{how}"]', force=True)
    await page.fill('#correct [name="amount"]', amount)
    await page.fill('#correct [name="reason"]', reason)
    await page.click("#correct .main")
    await page.wait_for_selector("#correct .error:not([hidden])")
    return str(await page.text_content("#correct .error"))


async def log_in(page: Any) -> None:
    await page.fill('#login [name="name"]', "Ana Ruiz")
    await page.fill('#login [name="password"]', PASSWORD)
    await page.click("#login .main")


async def test_a_correction_on_a_phone_keeps_its_draft_when_the_login_has_expired(tmp_path: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(60))
        before = stage.live.occupancies["Zona Sur"].count
        async with page_of(stage, browser, **phone) as page:
            await open_correction(page, "Zona Sur")
            await displays(page, "#login-why", "Para corregir Zona Sur")
            await log_in(page)
            await displays(page, "#correct-title", "Corregir Zona Sur")
            for how, amount, reason, sentence in (
                ("in", "0", "conteo", "entre 1 y 1.000.000"),
                ("in", "", "conteo", "Cantidad: escriba un número entero"),
                ("out", "1,5", "conteo", "Cantidad: escriba un número entero"),
                ("count", str(before), "conteo", f"El aforo ya es {before}"),
                ("out", "12", "  ", "Motivo: escriba por qué"),
            ):
                assert sentence in await refused(page, how, amount, reason)
            await page.context.clear_cookies()
            await page.fill('#correct [name="reason"]', "salieron por la puerta de servicio")
            await page.click("#correct .main")
            await displays(page, "#login-why", "Su sesión terminó")
            await log_in(page)
            await page.wait_for_selector("#login:not([open])", state="attached")
            assert await page.input_value('#correct [name="amount"]') == "12"
            await displays(page, "#correct-preview", f"de {before} a {before - 12} (−12)")
            await page.click("#correct .main")
            await displays(page, count_of("Zona Sur"), str(before - 12))
            await displays(page, '.zone[data-key="Zona Sur"] .corrected', "corregido −12")
            (correction,) = stage.live.corrections.values()
            assert (correction.delta, correction.author) == (-12, "Ana Ruiz")


async def test_a_zone_that_is_empty_now_needs_no_amount(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(60))
        before = stage.live.occupancies["Zona Sur"].count
        assert before > 0
        async with page_of(stage, browser) as page:
            await open_correction(page, "Zona Sur")
            await log_in(page)
            await displays(page, "#correct-title", "Corregir Zona Sur")
            await page.check('#correct [name="how"][value="empty"]', force=True)
            await page.wait_for_selector("#amount", state="hidden")
            await displays(page, "#correct-preview", f"de {before} a 0 (−{before})")
            await page.fill('#correct [name="reason"]', "se revisó: no queda nadie")
            await page.click("#correct .main")
            await displays(page, count_of("Zona Sur"), "0")
            entries = await stage.database.entries(stage.record)
            (count,) = filter(None, map(ManualCount.of, entries))
            assert (count.value, count.error, count.author) == (0, 0.0, "Ana Ruiz")


@pytest.mark.parametrize("over", [True, False])
async def test_a_program_that_ends_is_no_lost_connection(tmp_path: Path, *, over: bool) -> None:
    async with chromium() as browser:
        async with staged(tmp_path) as stage:
            await stage.play(stage.at(60))
            context = await browser.new_context(viewport={"width": 1366, "height": 768})
            page = await context.new_page()
            await page.goto(stage.url)
            await displays(page, count_of("Zona Sur"), str(stage.live.occupancies["Zona Sur"].count))
            if over:
                await stage.play(stage.at(420))
                await displays(page, "#clock", "23:00")  # on a busy machine the page may have had to connect again
                stage.live.enter(stage.record, EventPhase.OVER)
                stage.live.reconcile(ReconciliationResult(Outcome.RECONCILED))
            final = stage.live.occupancies["Zona Sur"].count
        await displays(
            page, "#freshness-text", "Dato final · el programa terminó" if over else "El programa se detuvo a las 17:00"
        )
        assert await page.get_attribute("body", "data-fresh") == ("ok" if over else "lost")
        assert await page.text_content(count_of("Zona Sur")) == f"{final}"
        await context.close()


async def test_before_the_start_and_before_the_login(tmp_path: Path) -> None:
    token = SecretStr("clave-de-lectura-1938")
    web = WebSettings(host="0.0.0.0", operators=operators("Ana Ruiz"), read_token=token)
    async with chromium() as browser, staged(tmp_path, settings=web, opened=False) as stage:
        stage.live.connect(replace(stage.live.probes, upcoming=lambda: stage.event))
        stage.clock.instant = stage.at(-95)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{stage.url.rstrip('/').rpartition(':')[2]}/")
        await displays(page, "#freshness-text", "Entre para ver el aforo")
        await page.fill('#login [name="password"]', token.get_secret_value())
        await page.keyboard.press("Enter")
        await displays(page, "#event-name", "Próximo: Millonarios")
        counts = await page.eval_on_selector_all(".zone .figure", "all => all.map((one) => one.textContent)")
        assert counts == ["0"] * 5
        await page.context.clear_cookies()
        await page.evaluate("fetch('/api/v1/session', { method: 'DELETE' })")
        await context.close()
