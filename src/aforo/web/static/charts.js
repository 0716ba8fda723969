// The charts, drawn by plotly. Its script is loaded after the numbers are on the screen.
import * as format from "./format.js";
import * as tables from "./tables.js";
import { Series } from "./series.js";
import { between, counted, isNarrow } from "./view.js";

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

// A color of the style sheet as plotly reads it: system colors, in a theme of high contrast, are resolved.
const probe = document.createElement("span");
function css(name) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  if (!/^[A-Z]/.test(value)) return value;
  if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
  probe.style.color = value;
  return getComputedStyle(probe).color;
}
const font = (part) => parseFloat(getComputedStyle(document.documentElement).fontSize) * part; // px, of the page's size
// Seven and more lines differ by colour and by dash, and each has its name at the line's end.
const zoneColor = (place) => css(`--zone-${(place % 6) + 1}`);
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"], SIGNS = ["━", "╍", "┈", "━·", "━ ━"];

function layout(more) {
  const text = css("--text-soft"), line = css("--line"), size = Math.max(12, font(0.72));
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: text, size }, automargin: true,
    spikethickness: 1, spikedash: "dot", spikecolor: text, spikesnap: "cursor" };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: css("--font"), color: text, size },
    margin: { l: 52, r: 12, t: isTouch() ? 40 : 8, b: 10 }, separators: ",.", dragmode: isTouch() ? false : "zoom", hovermode: "x unified", autosize: true,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: text, activecolor: css("--accent") },
    hoverlabel: { bgcolor: css("--surface-high"), bordercolor: line, font: { color: css("--text"), size } },
    legend: { orientation: "h", ...(isNarrow() ? { y: -0.16, yanchor: "top" } : { y: 1.12 }), x: 0, font: { color: css("--text"), size } },
    ...more,
    xaxis: { ...axis, type: "date", tickformat: "%H:%M", hoverformat: "%H:%M", ...(more.xaxis || {}) },
    yaxis: { ...axis, rangemode: "tozero", tickformat: ",d", autorangeoptions: { include: [0, 5] }, ...(more.yaxis || {}) },
    ...(more.yaxis2 ? { yaxis2: { ...axis, rangemode: "tozero", tickformat: ",d", ...more.yaxis2 } } : {}),
  };
}

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

// What comes first has the upper half for itself, with the interval in which the truth lies; the others share the lower.
export function curve(element, state, series) {
  const items = counted(state).filter((item) => series.has(item));
  if (!plotly || clearIf(element, !state.event || !items.length)) return;
  const range = timeRange(state), traces = [], halves = items.length > 1 && items[0].name === state.first;
  const since = Date.parse(state.event.since) / 1000, known = Date.parse(state.trust.as_of || state.now) / 1000;
  const lines = items.map((item) => {
    const points = series.curve(item), x = [format.wall(since), ...points.map(([at]) => format.wall(at))];
    const y = [series.initial(item), ...points.map(([, count]) => count)];
    if (points.length && known > points.at(-1)[0]) { x.push(format.wall(known - (known % 60))); y.push(points.at(-1)[1]); }
    return { item, points, x, y, axis: halves && item !== items[0] ? "y2" : "y", color: zoneColor(item.place) };
  });
  const domains = halves ? { y: [0.46, 1], y2: [0, 0.4] } : { y: [0, 1] };
  const highest = Math.max(0, ...series.band(items[0].name).map(([, , high]) => high)); // of the interval
  const upTo = (axis) => [0, Math.max(5, axis === "y" ? highest : 0, ...lines.filter((line) => line.axis === axis).map((line) => Math.max(...line.y))) * 1.05];
  traces.push(...band(lines[0], series));
  for (const { item, points, x, y, axis, color } of lines) {
    traces.push({ type: "scatter", mode: "lines", name: label(item.name, LEGEND), x, y, yaxis: axis,
      line: { shape: "hv", width: Math.max(2.5, font(0.15)), color, dash: DASHES[item.place % DASHES.length] },
      hovertemplate: "%{y:,d}" });
    const corrections = state.corrections.filter((one) => one.zone === item.name);
    if (corrections.length) {
      traces.push({ type: "scatter", mode: "markers", name: `Corrección, ${label(item.name, LEGEND)}`, showlegend: false, yaxis: axis,
        x: corrections.map((one) => format.wall(Date.parse(one.at) / 1000)), y: corrections.map((one) => countAt(points, one.at)),
        marker: { symbol: "diamond", size: 13, color, line: { width: 2, color: css("--text") } },
        text: corrections.map((one) => `corrección ${format.signed(one.delta)} (${label(one.author, LEGEND)}): ${label(one.reason, HOVER)}`),
        hovertemplate: "%{text}" });
    }
  }
  const named = !isNarrow();
  element.style.height = named ? "" : `${font(18 + 1.5 * lines.length)}px`; // with its legend
  drawChart(element, traces, { xaxis: { range, anchor: halves ? "y2" : "y" }, showlegend: !named,
    margin: { l: 52, r: named ? font(10) : 12, t: isTouch() ? 40 : 8, b: 10 },
    annotations: named ? endLabels(element, lines, domains) : [],
    yaxis: { domain: domains.y, range: upTo("y"), fixedrange: true }, ...(halves ? { yaxis2: { domain: domains.y2, range: upTo("y2"), fixedrange: true } } : {}),
  }, `curve ${halves}`, series);
  tables.fill(element, () => ({
    head: ["Hora", ...items.map((item) => format.name(item.name)), ...(items[0].interval ? ["Entre"] : [])],
    rows: quarters(state).map((at) => [format.short(at * 1000), ...lines.map(({ item, points }) => format.number(countAt(points, at * 1000, series.initial(item)))),
      ...(items[0].interval ? [bandAt(series.band(items[0].name), at)] : [])]),
  }));
}

// The names at the ends of the lines, moved apart where lines end close to each other: places are shares of the height.
function endLabels(element, lines, domains) {
  const size = Math.max(11, font(0.66)), step = Math.min((size * 1.25) / Math.max(120, element.clientHeight - font(2)), 1 / lines.length);
  const labels = lines.map((line) => {
    const mine = lines.filter((one) => one.axis === line.axis), top = Math.max(5, ...mine.map((one) => Math.max(...one.y))) * 1.05;
    const [from, to] = domains[line.axis];
    return { line, at: from + (to - from) * (line.y.at(-1) / top) };
  }).sort((a, b) => a.at - b.at);
  labels.forEach((one, place) => { if (place) one.at = Math.max(one.at, labels[place - 1].at + step); });
  let limit = 1;
  for (const one of labels.reverse()) { one.at = Math.min(one.at, limit); limit = one.at - step; }
  return labels.map(({ line, at }) => ({ xref: "paper", x: 1, xanchor: "left", xshift: 6, yref: "paper", y: at, yanchor: "middle", showarrow: false,
    text: `${SIGNS[line.item.place % SIGNS.length]} ${label(line.item.name, END)}`, font: { size, color: line.color } }));
}

// The interval of the first line, as an area around it.
function band(line, series) {
  const points = series.band(line.item.name);
  if (!points.length) return [];
  const x = points.map(([at]) => format.wall(at)), edge = { type: "scatter", mode: "lines", x, line: { width: 0, color: line.color }, hoverinfo: "skip", showlegend: false };
  return [{ ...edge, y: points.map(([, low]) => low) }, { ...edge, y: points.map(([, , high]) => high), fill: "tonexty", opacity: 1, fillcolor: translucent(line.color), name: "Intervalo" }];
}

function bandAt(points, at) {
  const known = points.filter(([from]) => from <= at).at(-1);
  return known ? between({ interval: { low: known[1], high: known[2] } }) : "";
}

function translucent(color) {
  const [red, green, blue] = color.startsWith("#") ? [1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16)) : color.match(/\d+/g);
  return `rgba(${red}, ${green}, ${blue}, 0.22)`;
}

// The instants of the tables: each quarter of an hour, and the last that is known.
function quarters(state) {
  const since = Date.parse(state.event.since) / 1000, until = Math.min(Date.parse(state.event.until), Date.parse(state.trust.as_of || state.now)) / 1000;
  const found = [];
  for (let at = since; at < until; at += 900) found.push(at);
  return [...found, until];
}

// plotly interprets some HTML in texts: what people wrote is escaped.
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%", "％");
const LEGEND = 40, HOVER = 120, END = 18; // characters
const label = (text, most) => escape(format.name(format.shortened(text, most)));

function countAt(points, instant, initial = 0) {
  const seconds = typeof instant === "number" ? instant / 1000 : Date.parse(instant) / 1000;
  let count = initial;
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
  const item = counted(state).find((one) => one.name === name);
  if (!plotly || clearIf(element, !state.event || !item || !series.has(item))) return;
  const sums = Series.byFiveMinutes(series.flows(item));
  const x = sums.map(([at]) => format.wall(at + 150));
  const bar = (label, color, values) => ({ type: "bar", name: label, x, y: values, marker: { color },
    customdata: values.map(Math.abs), hovertemplate: "%{customdata:,d}" });
  drawChart(element, [
    bar("Entradas", css("--in"), sums.map(([, [entries]]) => entries)),
    bar("Salidas", css("--out"), sums.map(([, [, exits]]) => -exits)),
  ], { barmode: "relative", bargap: 0.15, xaxis: { range: timeRange(state) },
    yaxis: { rangemode: "normal", autorangeoptions: { include: [-4, 4] }, labelalias: unsigned(sums) } },
  `flow ${name}`, series);
  tables.fill(element, () => ({ head: ["Desde", "Entradas", "Salidas"],
    rows: sums.map(([at, [entries, exits]]) => [format.short(at * 1000), format.number(entries), format.number(exits)]) }));
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
  element.style.height = `${Math.max(260, names.length * Math.max(22, font(1.25)) + 60)}px`;
  drawChart(element, [{ type: "heatmap", x: starts.map((at) => format.wall(at + 150)), y: names.map((_, place) => `${place}`), z, zmin: 0, zmax, xgap: 1, ygap: 2,
    colorscale: [[0, css("--heat-0")], [0.5, css("--heat-1")], [1, css("--heat-2")]],
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: css("--text-soft"), size: 13 } }, showscale: !isNarrow(),
    text: names.map((name) => starts.map(() => label(name, HOVER))), hovertemplate: "%{text}, %{x|%H:%M}: %{z:,d}<extra></extra>" }],
  { hovermode: "closest", xaxis: { range: timeRange(state) }, margin: { l: 52, r: 12, t: isTouch() ? 40 : 8, b: 10 },
    yaxis: { type: "category", tickmode: "array", tickvals: names.map((_, place) => place), ticktext: names.map((name) => label(name, isNarrow() ? 18 : 26)), autorange: "reversed", rangemode: "normal", tickformat: "", autorangeoptions: {}, tickfont: { size: Math.max(12, font(0.62)), color: css("--text-soft") } } },
  "heat", series);
  tables.fill(element, () => ({ head: ["Puerta", ...starts.map((at) => format.short(at * 1000))],
    rows: names.map((name, row) => [format.name(name), ...z[row].map(format.number)]) }));
}
