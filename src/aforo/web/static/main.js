// The page: state in, screen out.
import * as charts from "./charts.js";
import * as format from "./format.js";
import * as view from "./view.js";
import { ask, makeDialogs } from "./dialogs.js";
import { Line } from "./live.js";
import { Series } from "./series.js";

const { $ } = view;
const CHARTS_PACE = 1000; // ms between two drawings of the charts
let state = null, downSince = null, loading = null, drawAt = 0, drawTimer = 0;
const series = new Series();
const context = {
  session: { name: "", may_correct: false, accounts: false, logged_in: false, csrf: "" },
  zone: (name) => state?.zones.find((zone) => zone.name === name),
  onSession: async () => { await whoAmI(); line.open(); },
};
const dialogs = makeDialogs(context);

async function whoAmI() {
  context.session = await ask("GET", "/api/v1/session");
  $("account").textContent = context.session.logged_in ? `Salir${context.session.name ? ` (${context.session.name})` : ""}` : "Entrar";
  $("account").hidden = !context.session.logged_in && !context.session.accounts;
  if (state) show();
  return context.session;
}

// Whether it is worth connecting: the program is there, and lets us read. Where it wants a login, it is asked for.
async function mayRead() {
  const answer = await fetch("/api/v1/zones", { cache: "no-store", signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (answer?.status === 401 && !$("login").open) dialogs.login();
  return Boolean(answer?.ok);
}

const may = () => ({ offer: context.session.may_correct || context.session.accounts, correct: context.session.may_correct });

function show() {
  view.zones(state, may(), dialogs.correct);
  view.trust(state);
  view.doors(state);
  view.cameras(state);
  view.corrections(state, may(), dialogs.undo);
  view.alerts(state);
  view.flowZones(state);
  tick();
  drawSoon();
}

function tick() {
  if (state) { view.header(state); view.time(state); }
  view.freshness(state, downSince);
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
  charts.curve($("curve"), state, series);
  charts.flow($("flow"), state, series, $("flow-zone").value || state.zones[0]?.name);
  charts.heat($("heat"), state, series);
  document.body.dataset.drawn = "true";
}

// All curves anew. What the server gives may be half a second old: then it is asked again.
function loadSeries() {
  loading ??= ask("GET", "/api/v1/series").then((told) => {
    series.load(told);
    drawSoon();
    if (series.version < state.series || series.evening !== state.evening) setTimeout(loadSeries, 600);
  }, () => {}).finally(() => { loading = null; });
  return loading;
}

const line = new Line({
  mayRead,
  onState(told) {
    state = told;
    format.useTimezone(state.timezone);
    loadSeries();
    show();
  },
  onChange(told) {
    if (!state) return;
    const patch = told.patch;
    delete told.patch;
    const only = Object.keys(told).length === 1;
    Object.assign(state, told);
    if (state.evening !== series.evening || (patch && !series.patch(patch))) loadSeries();
    if (only) tick();
    else show();
  },
  onDown() { downSince = state ? Date.parse(state.now) : Date.now(); tick(); },
  onUp() { downSince = null; whoAmI().catch(() => {}); loadCharts(); tick(); },
});
const loadCharts = () => charts.load().then(drawNow, () => {}); // not now: it is tried again when the line is back

$("account").addEventListener("click", async () => {
  if (!context.session.logged_in) { dialogs.login(); return; }
  await ask("DELETE", "/api/v1/session", undefined, context.session.csrf);
  await whoAmI();
  line.open();
});
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("aforo-theme", theme); } catch { /* a browser that keeps nothing: it holds until a reload */ }
  drawNow();
});
$("flow-zone").addEventListener("change", drawNow);
$("span").addEventListener("change", () => { charts.last(Number($("span").value)); drawNow(); });
charts.onWhole(() => { $("span").value = "0"; charts.last(0); drawNow(); });
document.addEventListener("visibilitychange", drawSoon);

line.open();
whoAmI().catch(() => {});
loadCharts();
