// The page: it receives the state and renders it.
import * as charts from "./charts.js";
import * as format from "./format.js";
import * as view from "./view.js";
import { makeDialogs, request } from "./dialogs.js";
import { Connection } from "./live.js";
import { Series } from "./series.js";

const { $ } = view;
const CHARTS_PACE = 1000; // ms between two drawings of the charts
const BANDS_PACE = 60000; // ms after which the intervals' bands are loaded again: no change carries them
let state = null, receivedAt = 0, link = { kind: "up", since: 0 }, loading = null, loadedAt = 0, drawAt = 0, drawTimer = 0;
const series = new Series();
const context = {
  session: { name: "", may_correct: false, accounts: false, logged_in: false, csrf: "" },
  zone: (name) => state?.zones.find((zone) => zone.name === name),
  onSession: async () => { await loadSession(); connection.open(); },
};
const dialogs = makeDialogs(context);

async function loadSession() {
  context.session = await request("GET", "/api/v1/session");
  $("account").textContent = context.session.logged_in ? `Salir${context.session.name ? ` (${format.name(context.session.name)})` : ""}` : "Entrar";
  $("account").hidden = !context.session.logged_in && !context.session.accounts;
  if (state) render();
  return context.session;
}

// Whether the program answers and lets this browser read; where it requires a login, the dialog opens.
async function mayRead() {
  const response = await fetch("/api/v1/zones", { cache: "no-store", signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (response?.status === 401 && !$("login").open) dialogs.login(state ? "Su sesión terminó: entre para seguir mirando." : undefined);
  return response?.ok ? "up" : response?.status === 401 ? "login" : "down";
}

const permissions = () => ({ offer: context.session.may_correct || context.session.accounts, correct: context.session.may_correct });

function render() {
  view.zones(state, permissions(), dialogs.correct);
  view.dataQuality(state);
  view.doors(state);
  view.cameras(state);
  view.corrections(state, permissions(), dialogs.undo);
  view.alerts(state);
  view.flowZones(state);
  tick();
  drawSoon();
  document.body.dataset.ready = "true";
}

function tick() {
  if (state) { view.header(state); view.time(state, link.kind === "up" ? 0 : performance.now() - receivedAt); }
  view.freshness(state, link);
}

function drawSoon() {
  if (drawTimer || document.hidden) return;
  drawTimer = setTimeout(draw, Math.max(0, drawAt + CHARTS_PACE - performance.now()));
}

function drawNow() {
  drawAt = 0;
  clearTimeout(drawTimer);
  drawTimer = 0;
  drawSoon();
}

function draw() {
  drawTimer = 0;
  drawAt = performance.now();
  if (!state || series.version < 0) return;
  if (link.kind === "up" && performance.now() - loadedAt > BANDS_PACE && state.zones.some((zone) => zone.interval)) loadSeries();
  charts.curve($("curve"), state, series);
  charts.flow($("flow"), state, series, $("flow-zone").value || view.counted(state)[0]?.name);
  charts.heat($("heat"), state, series);
  document.body.dataset.drawn = "true";
}

// Loads all series. The server's answer may be half a second old: then it is requested again.
function loadSeries() {
  loading ??= request("GET", "/api/v1/series").then((data) => {
    series.load(data);
    loadedAt = performance.now();
    drawSoon();
    if (series.version < state.series || series.event !== state.evening) setTimeout(loadSeries, 600);
  }, () => {}).finally(() => { loading = null; });
  return loading;
}

const connection = new Connection({
  mayRead,
  onState(data) {
    state = data;
    receivedAt = performance.now();
    format.useTimezone(state.timezone);
    loadSeries();
    render();
  },
  onChange({ patch: delta, ...changes }) {
    if (!state) return;
    Object.assign(state, changes);
    receivedAt = performance.now();
    if (state.evening !== series.event || (delta && !series.apply(delta))) loadSeries();
    if (Object.keys(changes).length === 1) tick(); // the time alone
    else render();
  },
  onLink(kind, before) {
    link = { kind, since: state ? Date.parse(state.now) : Date.now() };
    if (kind === "up" && before !== "up") { loadSession().catch(() => {}); loadCharts(); }
    if (kind !== "up") document.body.dataset.ready = "true";
    tick();
  },
});
setInterval(() => { if (link.kind !== "up") tick(); }, 1000); // the program sends the time itself
const loadCharts = () => charts.load().then(drawNow, () => {}); // after a failure it is tried again when the connection is back

$("account").addEventListener("click", async () => {
  if (!context.session.logged_in) { dialogs.login(); return; }
  await request("DELETE", "/api/v1/session", undefined, context.session.csrf);
  await loadSession();
  connection.open();
});
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("aforo-theme", theme); } catch { /* without storage the choice lasts until a reload */ }
  drawNow();
});
// Paper is white.
let screenTheme = "";
window.addEventListener("beforeprint", () => {
  screenTheme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  draw();
});
window.addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = screenTheme;
  draw();
});
$("flow-zone").addEventListener("change", drawNow);
$("span").addEventListener("change", () => { charts.showLast(Number($("span").value)); drawNow(); });
charts.onResetZoom(() => { $("span").value = "0"; charts.showLast(0); drawNow(); });
document.addEventListener("visibilitychange", drawSoon);

connection.open();
loadSession().catch(() => {});
loadCharts();
