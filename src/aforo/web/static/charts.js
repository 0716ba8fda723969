// The charts, drawn by plotly. Its script is loaded after the numbers are on the screen.
import * as format from "./format.js";
import { Series } from "./series.js";

let plotly = null, loading = null;

export async function load() {
  if (plotly) return;
  await (loading ??= loadScript().finally(() => { loading = null; }));
  plotly = window.Plotly;
  plotly.register(SPANISH);
}

function loadScript() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

const SPANISH = {
  moduleType: "locale", name: "es",
  dictionary: {
    "Autoscale": "Ver todo", "Reset axes": "Ver todo", "Zoom": "Ampliar", "Pan": "Mover", "Zoom in": "Acercar",
    "Zoom out": "Alejar", "Download plot as a PNG": "Guardar como imagen", "Download plot as a png": "Guardar como imagen",
    "Double-click to zoom back out": "Doble clic para ver todo",
  },
  format: { days: ["domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"],
    shortDays: ["dom", "lun", "mar", "mié", "jue", "vie", "sáb"],
    months: ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
    shortMonths: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"], date: "%d/%m/%Y" },
};

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const zoneColor = (place) => css(`--zone-${(place % 6) + 1}`);

function layout(more) {
  const text = css("--text-soft"), line = css("--line");
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: text, size: 14 }, automargin: true,
    spikethickness: 1, spikedash: "dot", spikecolor: text, spikesnap: "cursor" };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: css("--font"), color: text, size: 14 },
    margin: { l: 52, r: 12, t: isTouch() ? 40 : 8, b: 10 }, separators: ",.", dragmode: isTouch() ? false : "zoom", hovermode: "x unified", autosize: true,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: text, activecolor: css("--accent") },
    hoverlabel: { bgcolor: css("--surface-high"), bordercolor: line, font: { color: css("--text"), size: 14 } },
    legend: { orientation: "h", ...(isNarrow() ? { y: -0.16, yanchor: "top" } : { y: 1.12 }), x: 0, font: { color: css("--text"), size: 15 } },
    ...more,
    xaxis: { ...axis, type: "date", tickformat: "%H:%M", hoverformat: "%H:%M", ...(more.xaxis || {}) },
    yaxis: { ...axis, rangemode: "tozero", tickformat: ",d", autorangeoptions: { include: [0, 5] }, ...(more.yaxis || {}) },
  };
}

const isNarrow = () => window.matchMedia("(max-width: 700px)").matches;
const isTouch = () => window.matchMedia("(hover: none)").matches;

// Only these buttons: another of plotly's sends the chart to its maker's server.
const config = () => ({ locale: "es", displaylogo: false, responsive: true, doubleClick: false,
  displayModeBar: isTouch() ? true : "hover",
  modeBarButtons: [[...(isTouch() ? [] : ["toImage", "zoom2d", "pan2d"]), "zoomIn2d", "zoomOut2d",
    { name: "resetZoom", title: "Ver todo", icon: plotly.Icons.home, click: resetZoom }]] });

// A zoom stays while the event goes on, until it is reset or another event begins.
const zooms = new Map(); // a chart's element: { range, resets: how often its zoom was reset }
let minutes = 0, event = -1, redraw = () => {};
const zoomOf = (element) => zooms.get(element) || { range: null, resets: 0 };
export const onResetZoom = (callback) => { redraw = callback; };

export function showLast(chosen) {
  minutes = chosen;
  for (const element of [...zooms.keys()]) dropZoom(element);
}

function dropZoom(element) { zooms.set(element, { range: null, resets: zoomOf(element).resets + 1 }); }

function resetZoom(element) { dropZoom(element); redraw(); }

// A chart is resized with its element.
const sizes = new ResizeObserver((changes) => {
  for (const { target } of changes) if (target.data && target.offsetHeight) plotly.Plots.resize(target);
});

function drawChart(element, traces, more, name, series) {
  if (series.event !== event) { event = series.event; zooms.forEach((_, one) => dropZoom(one)); }
  const zoom = zoomOf(element), first = !element.on;
  const xaxis = { ...more.xaxis, range: zoom.range || more.xaxis.range };
  plotly.react(element, traces, layout({ ...more, xaxis, uirevision: `${name} ${series.event} ${zoom.resets}` }), config());
  if (!first) return;
  sizes.observe(element);
  element.on("plotly_doubleclick", () => resetZoom(element));
  element.on("plotly_relayout", (change) => {
    const [from, to] = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    const known = zoomOf(element);
    zooms.set(element, { ...known, range: from === undefined ? known.range : [from, to] });
  });
}

// Before there is anything to draw, a sentence instead of empty axes.
function clearIf(element, isEmpty) {
  element.dataset.empty = isEmpty;
  if (isEmpty && element.on) { plotly.purge(element); zooms.delete(element); }
  return isEmpty;
}

export function curve(element, state, series) {
  if (!plotly || clearIf(element, !state.event || !state.zones.length)) return;
  const range = timeRange(state);
  const traces = [];
  state.zones.forEach((zone, place) => {
    if (!series.zones.has(zone.name)) return;
    const points = series.curve(zone.name);
    const start = state.event ? Date.parse(state.event.since) / 1000 : points[0]?.[0];
    const known = Date.parse(state.trust.as_of || state.now) / 1000;
    const x = [format.wall(start), ...points.map(([at]) => format.wall(at))];
    const y = [series.zones.get(zone.name).initial, ...points.map(([, count]) => count)];
    if (points.length && known > points.at(-1)[0]) { x.push(format.wall(known - (known % 60))); y.push(points.at(-1)[1]); }
    traces.push({ type: "scatter", mode: "lines", name: label(zone.name, LEGEND), x, y,
      line: { shape: "hv", width: 3, color: zoneColor(place), dash: ["solid", "dash", "dot"][place % 3] },
      hovertemplate: "%{y:,d}" });
    const corrections = state.corrections.filter((one) => one.zone === zone.name);
    if (corrections.length) {
      traces.push({ type: "scatter", mode: "markers", name: `Corrección, ${label(zone.name, LEGEND)}`, showlegend: false,
        x: corrections.map((one) => format.wall(Date.parse(one.at) / 1000)), y: corrections.map((one) => countAt(points, one.at)),
        marker: { symbol: "diamond", size: 13, color: zoneColor(place), line: { width: 2, color: css("--text") } },
        text: corrections.map((one) => `corrección ${format.signed(one.delta)} (${label(one.author, LEGEND)}): ${label(one.reason, HOVER)}`),
        hovertemplate: "%{text}" });
    }
  });
  drawChart(element, traces, { xaxis: { range } }, "curve", series);
}

// plotly interprets some HTML in texts: what people wrote is escaped.
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%", "％");
const LEGEND = 40, HOVER = 120; // characters
const label = (text, most) => escape(format.name(format.shortened(text, most)));

function countAt(points, instant) {
  const seconds = Date.parse(instant) / 1000;
  let count = 0;
  for (const [at, value] of points) { if (at > seconds) break; count = value; }
  return count;
}

function timeRange(state) {
  const since = Date.parse(state.event.since) / 1000, until = Date.parse(state.event.until) / 1000;
  const now = Math.min(until, Date.parse(state.now) / 1000);
  if (minutes) return [format.wall(Math.max(since, now - minutes * 60)), format.wall(now + minutes)];
  // The first hour is not drawn into a corner: the axis grows with the event.
  return [format.wall(since), format.wall(Math.min(until, Math.max(since + 3600, now + (now - since) * 0.04)))];
}

export function flow(element, state, series, name) {
  const zone = series.zones.get(name);
  if (!plotly || clearIf(element, !state.event || !zone)) return;
  const sums = Series.byFiveMinutes(zone.minutes);
  const x = sums.map(([at]) => format.wall(at + 150));
  const bar = (label, color, values) => ({ type: "bar", name: label, x, y: values, marker: { color },
    customdata: values.map(Math.abs), hovertemplate: "%{customdata:,d}" });
  drawChart(element, [
    bar("Entradas", css("--in"), sums.map(([, [entries]]) => entries)),
    bar("Salidas", css("--out"), sums.map(([, [, exits]]) => -exits)),
  ], { barmode: "relative", bargap: 0.15, xaxis: { range: timeRange(state) },
    yaxis: { rangemode: "normal", autorangeoptions: { include: [-4, 4] }, labelalias: unsigned(sums) } },
  `flow ${name}`, series);
}

// Exits are drawn downwards, and are no negative number.
function unsigned(sums) {
  const most = Math.max(10, ...sums.map(([, [, exits]]) => exits)) * 2;
  return Object.fromEntries(Array.from({ length: most }, (_, at) => [`−${format.number(at + 1)}`, format.number(at + 1)]));
}

export function heat(element, state, series) {
  const names = state.doors.map((door) => door.name).filter((name) => series.doors.has(name));
  if (!plotly || clearIf(element, !state.event || !names.length)) return;
  const since = Date.parse(state.event.since) / 1000;
  const now = Math.min(Date.parse(state.event.until), Date.parse(state.now)) / 1000;
  const starts = [];
  for (let at = since - (since % 300); at < now; at += 300) starts.push(at);
  const z = names.map((name) => {
    const sums = new Map(Series.byFiveMinutes(series.doors.get(name)).map(([at, [, , total]]) => [at, total]));
    return starts.map((at) => sums.get(at) || 0);
  });
  // One burst at one door does not dim all the rest.
  const sorted = z.flat().filter((value) => value > 0).sort((a, b) => a - b);
  const zmax = Math.max(5, sorted[Math.floor(sorted.length * 0.99)] || 0);
  // A row for each door, by its place: two names may be shortened to the same text.
  element.style.height = `${Math.max(260, names.length * 26 + 60)}px`;
  drawChart(element, [{ type: "heatmap", x: starts.map((at) => format.wall(at + 150)), y: names.map((_, place) => `${place}`), z, zmin: 0, zmax, xgap: 1, ygap: 2,
    colorscale: [[0, css("--heat-0")], [0.5, css("--heat-1")], [1, css("--heat-2")]],
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: css("--text-soft"), size: 13 } }, showscale: !isNarrow(),
    text: names.map((name) => starts.map(() => label(name, HOVER))), hovertemplate: "%{text}, %{x|%H:%M}: %{z:,d}<extra></extra>" }],
  { hovermode: "closest", xaxis: { range: timeRange(state) }, margin: { l: 52, r: 12, t: isTouch() ? 40 : 8, b: 10 },
    yaxis: { type: "category", tickmode: "array", tickvals: names.map((_, place) => place), ticktext: names.map((name) => label(name, isNarrow() ? 18 : 26)), autorange: "reversed", rangemode: "normal", tickformat: "", autorangeoptions: {}, tickfont: { size: 12, color: css("--text-soft") } } },
  "heat", series);
}
