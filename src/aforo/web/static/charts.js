// The charts, by plotly. They come after the numbers: its script is fetched when all else is on the screen.
import * as format from "./format.js";
import { Series } from "./series.js";

let plotly = null;

export async function load() {
  if (plotly) return;
  await new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  plotly = window.Plotly;
  plotly.register({
    moduleType: "locale", name: "es",
    dictionary: {
      "Autoscale": "Ver todo", "Reset axes": "Ver todo", "Zoom": "Ampliar", "Pan": "Mover", "Zoom in": "Acercar",
      "Zoom out": "Alejar", "Download plot as a PNG": "Guardar como imagen", "Download plot as a png": "Guardar como imagen",
      "Double-click to zoom back out": "Doble clic para ver todo",
      "Click to enter Colorscale title": "", "Toggle Spike Lines": "Guías",
    },
    format: { days: ["domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"],
      shortDays: ["dom", "lun", "mar", "mié", "jue", "vie", "sáb"],
      months: ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
      shortMonths: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"], date: "%d/%m/%Y" },
  });
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const zoneColor = (place) => css(`--zone-${(place % 6) + 1}`);

function layout(more) {
  const text = css("--text-soft"), line = css("--line");
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: text, size: 14 }, automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: css("--font"), color: text, size: 14 },
    margin: { l: 52, r: 12, t: 8, b: 10 }, separators: ",.", dragmode: "zoom", hovermode: "x unified", autosize: true,
    hoverlabel: { bgcolor: css("--surface-high"), bordercolor: line, font: { color: css("--text"), size: 14 } },
    legend: { orientation: "h", y: 1.12, x: 0, font: { color: css("--text"), size: 15 } },
    uirevision: "kept", ...more,
    xaxis: { ...axis, type: "date", tickformat: "%H:%M", hoverformat: "%H:%M", ...(more.xaxis || {}) },
    yaxis: { ...axis, rangemode: "tozero", ...(more.yaxis || {}) },
  };
}

const config = { locale: "es", displaylogo: false, responsive: true, displayModeBar: "hover",
  modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

const narrow = () => window.matchMedia("(max-width: 700px)").matches;

export function curve(element, state, series) {
  if (!plotly) return;
  const range = spanOf(state);
  const traces = [];
  state.zones.forEach((zone, place) => {
    if (!series.zones.has(zone.name)) return;
    const points = series.curve(zone.name);
    const start = state.event ? Date.parse(state.event.since) / 1000 : points[0]?.[0];
    const known = Date.parse(state.trust.as_of || state.now) / 1000;
    const x = [format.wall(start), ...points.map(([at]) => format.wall(at))];
    const y = [series.zones.get(zone.name).initial, ...points.map(([, count]) => count)];
    if (points.length && known > points.at(-1)[0]) { x.push(format.wall(known - (known % 60))); y.push(points.at(-1)[1]); }
    traces.push({ type: "scatter", mode: "lines", name: zone.name, x, y,
      line: { shape: "hv", width: 3, color: zoneColor(place), dash: ["solid", "dash", "dot"][place % 3] },
      hovertemplate: "%{y:,d}" });
    const made = state.corrections.filter((one) => one.zone === zone.name);
    if (made.length) {
      traces.push({ type: "scatter", mode: "markers", name: `Corrección, ${zone.name}`, showlegend: false,
        x: made.map((one) => format.wall(Date.parse(one.at) / 1000)), y: made.map((one) => countAt(points, one.at)),
        marker: { symbol: "diamond", size: 13, color: zoneColor(place), line: { width: 2, color: css("--text") } },
        text: made.map((one) => `corrección ${format.signed(one.delta)} (${escape(one.author)}): ${escape(one.reason)}`),
        hovertemplate: "%{text}" });
    }
  });
  plotly.react(element, traces, layout({ xaxis: { range }, uirevision: `curve ${series.evening}` }), config);
}

// plotly reads a little HTML in texts: what people wrote is shown as they wrote it.
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%", "％");

function countAt(points, instant) {
  const seconds = Date.parse(instant) / 1000;
  let count = 0;
  for (const [at, value] of points) { if (at > seconds) break; count = value; }
  return count;
}

function spanOf(state) {
  if (!state.event) return undefined;
  const since = Date.parse(state.event.since) / 1000, until = Date.parse(state.event.until) / 1000;
  const now = Math.min(until, Date.parse(state.now) / 1000);
  // The first hour is not drawn into a corner: the axis grows with the evening.
  return [format.wall(since), format.wall(Math.min(until, Math.max(since + 3600, now + (now - since) * 0.04)))];
}

export function flow(element, state, series, name) {
  const zone = series.zones.get(name);
  if (!plotly || !zone) return;
  const sums = Series.fives(zone.minutes);
  const x = sums.map(([at]) => format.wall(at + 150));
  const bar = (label, color, values) => ({ type: "bar", name: label, x, y: values, marker: { color },
    customdata: values.map(Math.abs), hovertemplate: "%{customdata:,d}" });
  plotly.react(element, [
    bar("Entradas", css("--in"), sums.map(([, [entries]]) => entries)),
    bar("Salidas", css("--out"), sums.map(([, [, exits]]) => -exits)),
  ], layout({ barmode: "relative", bargap: 0.15, xaxis: { range: spanOf(state) }, yaxis: { rangemode: "normal" },
    uirevision: `flow ${name} ${series.evening}` }), config);
}

export function heat(element, state, series) {
  if (!plotly) return;
  const names = state.doors.map((door) => door.name).filter((name) => series.doors.has(name));
  if (!names.length || !state.event) { plotly.purge(element); return; }
  const since = Date.parse(state.event.since) / 1000;
  const now = Math.min(Date.parse(state.event.until), Date.parse(state.now)) / 1000;
  const starts = [];
  for (let at = since - (since % 300); at < now; at += 300) starts.push(at);
  const z = names.map((name) => {
    const sums = new Map(Series.fives(series.doors.get(name)).map(([at, [, , total]]) => [at, total]));
    return starts.map((at) => sums.get(at) || 0);
  });
  // One burst at one door does not dim all the rest.
  const sorted = z.flat().filter((value) => value > 0).sort((a, b) => a - b);
  const zmax = Math.max(5, sorted[Math.floor(sorted.length * 0.99)] || 0);
  element.style.height = `${Math.max(260, names.length * 26 + 60)}px`;
  plotly.react(element, [{ type: "heatmap", x: starts.map((at) => format.wall(at + 150)), y: names.map(shortName), z, zmin: 0, zmax, xgap: 1, ygap: 2,
    colorscale: [[0, css("--heat-0")], [0.5, css("--heat-1")], [1, css("--heat-2")]],
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: css("--text-soft"), size: 13 } }, showscale: !narrow(),
    hovertemplate: "%{y}, %{x|%H:%M}: %{z:,d}<extra></extra>" }],
  layout({ hovermode: "closest", yaxis: { type: "category", autorange: "reversed", rangemode: "normal", tickfont: { size: 12, color: css("--text-soft") } },
    xaxis: { range: spanOf(state) }, uirevision: `heat ${series.evening}` }), config);
}

const shortName = (name) => escape(name.length > 26 ? `${name.slice(0, 25)}…` : name);

export const resize = (...elements) => { if (plotly) for (const one of elements) if (one.data) plotly.Plots.resize(one); };
