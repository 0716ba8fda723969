// A chart's table: the same figures, for who does not see the chart. It is made while it is open.
import { make } from "./view.js";

const latest = new Map(); // a chart's element: what returns { head, rows }

export function fill(chart, figures) {
  if (!latest.has(chart)) {
    const title = chart.closest(".panel").querySelector("h2").textContent;
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, como tabla` });
    const details = make("details", { class: "as-table" }, make("summary", {}, "Ver como tabla"), scroll);
    details.addEventListener("toggle", () => draw(chart, scroll));
    chart.closest(".panel").querySelector(".panel-head").append(details);
  }
  latest.set(chart, figures);
  const details = chart.closest(".panel").querySelector(".as-table");
  if (details.open) draw(chart, details.querySelector(".scroll"));
}

function draw(chart, scroll) {
  const { head, rows } = latest.get(chart)();
  const cell = (text, place) => (place ? make("td", {}, text) : make("th", { scope: "row" }, text));
  scroll.replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell))))));
}
