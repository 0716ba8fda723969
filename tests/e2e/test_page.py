"""The page in headless Chromium: what an operator reads and does. Skipped where there is no Chromium."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.e2e.browser import MARKS, WAIT, chromium, count_of, displays, page_of, playwright, tab_to
from tests.page_harness import CAPACITIES, PASSWORD, START, capped_zones, operators, staged

from aforo.models import EventPhase, Outcome, ReconciliationResult, Reservation, ReservationKind
from aforo.outside_text import visible
from aforo.settings import WebSettings
from aforo.simulator import Scenario, ScenarioPlan
from aforo.web.sse import Client

pytestmark = MARKS
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text("utf-8").split("\n", 1)[1]
SMALL_BUTTONS = (
    "[...document.querySelectorAll('button')].filter((it) => it.offsetHeight && it.offsetHeight < 28).length"
)
RULES = "[...document.getElementById('plotly.js-style-global').sheet.cssRules].map((rule) => rule.cssText).reverse()"


async def test_the_number_changes_by_itself_and_an_old_one_never_looks_fresh(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(60))
        async with page_of(stage, browser) as page:
            await displays(page, count_of("Zona Sur"), str(stage.live.occupancies["Zona Sur"].count))
            await displays(page, "#freshness", "Al día")
            before = stage.live.occupancies["Zona Sur"].count
            await stage.play(stage.at(75))
            now = stage.live.occupancies["Zona Sur"].count
            assert now != before
            await playwright.expect(page.locator(count_of("Zona Sur"))).to_have_text(str(now), timeout=1_500)
            assert await page.locator("#doors li").count() == len([door for door in stage.live.doors if door.people])
            stage.clock.instant = stage.at(90)
            await displays(page, "#freshness", "atrasado 15 min")
            await displays(page, "#alerts", "El aforo no es de ahora")
            style = await page.eval_on_selector(count_of("Zona Sur"), "one => getComputedStyle(one).textDecorationLine")
            assert style == "line-through"


async def test_before_the_event_it_shows_what_comes_and_when(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path, opened=False) as stage:
        live, event = stage.live, stage.event
        live.connect(replace(live.probes, upcoming=lambda: event))
        stage.clock.instant = stage.at(-95)
        live.notify()
        async with page_of(stage, browser) as page:
            await displays(page, "#event-name", "Próximo: Millonarios")
            await displays(page, "#event-phase", "a las 16:00")
            await displays(page, "#left", "1 h 35 min")
            await displays(page, "#freshness", "Sin evento en curso")
            assert await page.locator("main svg.main-svg").count() == 0, "no empty axes"
            stage.clock.instant = stage.at(-24 * 60)
            await displays(page, "#event-phase", "a las 16:00 del martes 24 de noviembre")


async def test_a_number_without_all_cameras_does_not_look_whole(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(60))
        async with page_of(stage, browser) as page:
            await displays(page, "#freshness-spoken", "Al día")
            stage.change_feed(next(iter(stage.live.feeds)), failing_since=stage.at(55))
            stage.live.notify()
            await displays(page, "#freshness-text", "Al día, sin 1 cámara · hace")
            await playwright.expect(page.locator("#freshness-spoken")).to_have_text("Al día, sin 1 cámara")
            assert await page.get_attribute("body", "data-fresh") == "pending"
            stage.clock.instant = stage.at(430)
            stage.live.enter(stage.record, EventPhase.OVER)
            stage.live.notify()
            await displays(page, "#freshness", "Final incompleto: se conoce hasta las 17:00")


LAST = "document.querySelector('#curve').data?.find((one) => one.name === 'Zona Sur')?.y.at(-1)"
SPAN = "() => document.querySelector('#curve').layout.xaxis.range.map((it) => it.slice(11, 16))"


async def test_what_was_zoomed_into_stays_while_the_event_goes_on(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(90))
        async with page_of(stage, browser) as page:
            whole = await page.evaluate(SPAN)
            box = await page.locator('#curve .nsewdrag[data-subplot="xy2"]').bounding_box()
            assert box is not None
            y = box["y"] + box["height"] / 2
            await page.mouse.move(box["x"] + box["width"] * 0.25, y)
            await displays(page, "#curve .hoverlayer", "Parqueadero Norte")
            await page.mouse.down()
            await page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
            await page.mouse.up()
            await page.wait_for_function(f"whole => String(({SPAN})()) !== String(whole)", arg=whole)
            near = await page.evaluate(SPAN)
            await stage.play(stage.at(150))
            last = stage.live.occupancies["Zona Sur"].count
            await page.wait_for_function(f"last => ({LAST}) === last", arg=last, timeout=WAIT)
            assert await page.evaluate(SPAN) == near
            await page.mouse.dblclick(box["x"] + box["width"] * 0.25, y)
            await page.wait_for_function(f"() => ({SPAN})()[1] > '18:30'")
            titles = await page.eval_on_selector_all("#curve .modebar-btn", "all => all.map((it) => it.dataset.title)")
            assert titles == ["Guardar como imagen", "Ampliar", "Mover", "Acercar", "Alejar", "Ver todo"]
            await tab_to(page, "#span")
            await page.keyboard.press("ArrowDown")
            await page.wait_for_function(f"() => ({SPAN})()[0] === '17:30'")
            await page.keyboard.press("ArrowUp")
            await page.wait_for_function(f"() => ({SPAN})()[0] === '16:00'")
            await page.mouse.move(box["x"] + box["width"] * 0.25, y)
            await page.mouse.down()
            await page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
            await page.mouse.up()
            await page.wait_for_function(f"() => ({SPAN})()[0] > '16:05'")
            assert stage.live.record is not None
            stage.live.load(await stage.database.stored_history(stage.live.record))
            await page.wait_for_function(f"() => ({SPAN})()[0] === '16:00'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_lost_connection_is_shown_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    finish = Client.finish
    # As a cut network or a killed program ends a stream: no last frame says so.
    monkeypatch.setattr(Client, "finish", lambda client, *_last: finish(client))
    async with chromium() as browser:
        async with staged(tmp_path, port=port) as first:
            await first.play(first.at(45))
            context = await browser.new_context(viewport={"width": 1366, "height": 768})
            page = await context.new_page()
            requests: list[playwright.Route] = []

            async def lose_first(route: playwright.Route) -> None:
                """Never answer the first request after the loss, as some networks do."""
                if requests:
                    await route.continue_()
                requests.append(route)

            await page.route("**/api/v1/zones", lose_first)
            await page.goto(first.url)
            await displays(page, count_of("Zona Sur"), str(first.live.occupancies["Zona Sur"].count))
        await displays(page, "#freshness", "Sin conexión con el programa")
        assert await page.get_attribute("body", "data-fresh") == "lost"
        for width in (1920, 1366, 1280, 1101, 1024, 800, 390):
            await page.set_viewport_size({"width": width, "height": 768})
            lines = await page.eval_on_selector(
                "#event-name", "one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)"
            )
            assert round(lines) <= 2, f"beside the longest message the name must be read at {width} px"
            assert await page.eval_on_selector(".top", "one => one.scrollWidth <= one.clientWidth")
        async with staged(tmp_path, port=port) as second:
            second.clock.instant = second.played = second.at(45)
            await second.play(second.at(70))
            await playwright.expect(page.locator("#freshness")).to_contain_text("Al día", timeout=15_000)
            now = second.live.occupancies["Zona Sur"].count
            await playwright.expect(page.locator(count_of("Zona Sur"))).to_have_text(str(now))
            await page.wait_for_function(
                f"last => ({LAST}) === last",
                arg=now,
                timeout=WAIT,
            )
            assert len(requests) > 1
            await context.close()


async def test_an_operator_corrects_a_zone_with_the_keyboard_alone(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(60))
        before = stage.live.occupancies["Zona Sur"].count
        async with page_of(stage, browser) as page:
            await tab_to(page, "#account")
            await page.keyboard.press("Enter")
            await page.keyboard.type("Ana Ruiz")
            await page.keyboard.press("Tab")
            await page.keyboard.type(PASSWORD)
            await page.keyboard.press("Enter")
            await displays(page, "#account", "Salir (Ana Ruiz)")
            await tab_to(page, '.zone[data-key="Zona Sur"] button')
            await page.keyboard.press("Enter")
            await tab_to(page, '#correct [name="amount"]')
            await page.keyboard.type("12")
            await page.keyboard.press("Tab")
            await page.keyboard.type("<b>segundo</b> contador averiado")
            await displays(page, "#correct-preview", f"de {before} a {before + 12}")
            await page.keyboard.press("Enter")
            await playwright.expect(page.locator(count_of("Zona Sur"))).to_have_text(str(before + 12))
            await displays(page, "#corrections", "<b>segundo</b> contador averiado")
            await page.wait_for_function(
                "() => document.querySelector('#curve').data?.some((one) => one.mode === 'markers') === true"
            )
            await tab_to(page, "#corrections button")
            await page.keyboard.press("Enter")
            await page.keyboard.type("era otro")
            await page.keyboard.press("Enter")
            await playwright.expect(page.locator(count_of("Zona Sur"))).to_have_text(str(before))
            await displays(page, "#corrections", "(deshecha)")
            await page.keyboard.press("Escape")


async def test_after_the_close_the_page_lists_the_reservations(tmp_path: Path) -> None:
    silent = Reservation(ReservationKind.SILENT_CAMERA, "La cámara <b>«Puerta 9»</b> no envió nada.", "CAM9")
    reserved = ReconciliationResult(Outcome.RESERVED, (silent,), {"sin regla": 3, "sin timestamp": 4})
    async with chromium() as browser, staged(tmp_path) as stage:
        await stage.play(stage.at(50))
        stage.live.enter(stage.record, EventPhase.OVER)
        stage.live.reconcile(reserved)
        async with page_of(stage, browser) as page:
            await displays(page, "#reservations", silent.text)
            await displays(page, "#trust", "Conciliado con reservas")
            assert await page.locator("#trust li", has_text="Rechazados").text_content() == "Rechazados7"
            stage.live.reconcile(ReconciliationResult(Outcome.RECONCILED))
            await displays(page, "#trust", "Cierre")
            await page.wait_for_function("() => document.querySelector('#reservations').hidden")


async def test_no_name_from_a_camera_becomes_markup(tmp_path: Path) -> None:
    scenario = Scenario(ScenarioPlan(START, START + timedelta(hours=7), cameras=24, events=3_000))
    evil = '<img src=x onerror="window.evil=1"><b>PUERTA 99</b>'
    for second in range(40):
        scenario.add(scenario.allowed[0], evil, START.replace(minute=second))
    async with chromium() as browser, staged(tmp_path, scenario=scenario) as stage:
        stage.live.list_cameras({scenario.allowed[1]: evil})
        await stage.play(stage.at(50), silent=[scenario.allowed[1]])
        gone = next(feed for feed in stage.live.feeds if feed.camera_id == scenario.allowed[1])
        stage.change_feed(gone, failing_since=stage.at(1), failing_alone_since=stage.at(1))
        stage.live.notify()
        async with page_of(stage, browser) as page:
            await displays(page, "#doors", evil)
            await displays(page, "#cameras", evil)
            await displays(page, "#alerts", evil)
            await page.hover("#heat .nsewdrag")
            assert await page.locator("#doors img, #cameras img, #alerts img, #heat b").count() == 0
            assert await page.evaluate("window.evil") is None


# What is shown (texts, hints, labels of the charts) with a character that hides or acts, but for an isolate's marks.
UNSEEN = r"""() => {
  const shown = [...document.querySelectorAll("body *")].flatMap((it) => [it.title, it.getAttribute("aria-label"),
    ...[...it.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data)]);
  const unseen = /(?![\u2068\u2069\n])[\p{C}\p{Zl}\p{Zp}\ufe00-\ufe0f\u3164]/u;
  return [document.title, ...shown].filter((text) => unseen.test(text || ""));
}"""
ROWS = "() => [...document.querySelectorAll('#heat .ytick text')].map((it) => it.textContent).sort()"


async def test_names_show_what_hides_and_turn_nothing_that_stands_beside_them(tmp_path: Path) -> None:
    scenario = Scenario(ScenarioPlan(START, START + timedelta(hours=7), cameras=24, events=300))
    long = "PUERTA ORIENTAL PRINCIPAL DE ABONADOS"
    hidden, hebrew = "PUERTA \u202e\x9b31m\u2028\u3164\ufe0f\u2066", "PUERTA שער 7"
    for door in (hidden, hebrew, f"{long} 1", f"{long} 2", "PUERTA <b>%{y}</b>"):
        for second in range(3):
            scenario.add(scenario.allowed[0], door, START.replace(minute=2, second=second))
    zones = [zone.model_copy(update={"name": f"<i>{zone.name}</i>{hidden}"}) for zone in capped_zones()]
    async with chromium() as browser, staged(tmp_path, scenario=scenario, zones=zones) as stage:
        event = replace(stage.event, name=f"Final {hidden}")
        stage.live.list_cameras({scenario.allowed[1]: hidden, scenario.allowed[2]: hebrew})
        stage.live.connect(replace(stage.live.probes, upcoming=lambda: event))
        await stage.play(stage.at(50), silent=scenario.allowed[1:3])
        for feed in [feed for feed in stage.live.feeds if feed.camera_id in scenario.allowed[1:3]]:
            stage.change_feed(feed, failing_since=stage.at(1), failing_alone_since=stage.at(1))
        stage.live.notify()
        async with page_of(stage, browser) as page:
            await displays(page, "#doors", visible(hidden))
            await displays(page, "#zones", visible(zones[0].name))
            await displays(page, "#cameras", visible(hidden))
            await displays(page, "#cameras", f"\u2068{hebrew}\u2069")
            await displays(page, "#event-phase", f"Después: Final {visible(hidden)}, a las")
            await playwright.expect(page.locator("#curve .annotation", has_text="<i>")).to_have_count(len(zones))
            await page.hover("#heat .nsewdrag")
            assert await page.evaluate(UNSEEN) == []
            rows = await page.evaluate(ROWS)
            assert len(rows) == len(set(rows)) == len([door for door in stage.live.doors if door.people])
            drawn = await page.evaluate("() => document.querySelector('#heat').data[0].z.length")
            assert drawn == len(rows), "a row for each door, also where names begin alike"


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_both_themes_can_be_read_on_a_wall_and_on_a_phone(tmp_path: Path, theme: str) -> None:
    async with chromium() as browser, staged(tmp_path, zones=capped_zones((CAPACITIES[0], 300, 100))) as stage:
        for minutes in range(10, 131, 10):
            await stage.play(stage.at(minutes))
        async with page_of(stage, browser, color_scheme=theme) as page:
            await displays(page, "#alerts", "Zona Sur está llena")
            await displays(page, '.zone[data-key="Campinsito"] .level', "Casi llena")
            assert await page.get_attribute("html", "data-theme") == theme
            assert await page.evaluate(CONTRASTS) == []
            size = await page.eval_on_selector(
                count_of("Personas en el estadio"), "one => parseFloat(getComputedStyle(one).fontSize)"
            )
            assert size > 1080 / 8, "read from five metres: an eighth of the screen's height"
            bottom = await page.eval_on_selector("#curve", "one => one.getBoundingClientRect().bottom")
            assert bottom <= 1080, "what matters is on one screen"
        phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": theme}
        async with page_of(stage, browser, **phone) as page:
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            assert await page.evaluate(CONTRASTS) == []
            assert await page.evaluate(SMALL_BUTTONS) == 0


async def test_the_documentation_of_the_api_works_without_the_internet(tmp_path: Path) -> None:
    async with chromium() as browser, staged(tmp_path) as stage:
        context = await browser.new_context()
        page = await context.new_page()
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        await page.goto(f"{stage.url}docs")
        await page.wait_for_selector(".opblock", timeout=WAIT)
        assert await page.locator(".opblock").count() >= 15
        assert [url for url in urls if not url.startswith((stage.url, "data:"))] == []
        await context.close()


async def test_a_wall_from_the_network_logs_in_with_the_read_token(tmp_path: Path) -> None:
    token = SecretStr("clave-de-lectura-1938")
    settings = WebSettings(host="0.0.0.0", operators=operators("Ana Ruiz"), read_token=token)
    async with chromium() as browser, staged(tmp_path, settings=settings) as stage:
        await stage.play(stage.at(30))
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{stage.url.rstrip('/').rpartition(':')[2]}/")
        await page.wait_for_selector("#login[open]", timeout=WAIT)
        await page.fill('#login [name="password"]', token.get_secret_value())
        await page.keyboard.press("Enter")
        await displays(page, count_of("Zona Sur"), str(stage.live.occupancies["Zona Sur"].count))
        await displays(page, "#account", "Salir")
        assert await page.locator("#corrections button").count() == 0
        await context.close()


async def test_the_stylesheet_for_plotly_is_the_one_it_would_write(tmp_path: Path) -> None:
    """plotly may not write a style sheet of its own: a newer plotly needs a newer ``plotly.css``."""
    async with chromium() as browser, staged(tmp_path) as stage:
        page = await browser.new_page()
        async with asyncio.timeout(10):
            answer = await page.request.get(f"{stage.url}static/plotly.min.js")
            script = await answer.text()
        await page.set_content("<div></div>")
        await page.add_script_tag(content=script)
        rules = await page.evaluate(RULES)
        kept = (await (await page.request.get(f"{stage.url}static/plotly.css")).text()).splitlines()[1:]
        assert kept == "\n".join(rules).splitlines()
