// Renders a state. All text is set as text: no name from outside can become markup.
import * as format from "./format.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function text(element, value) { if (element.textContent !== value) element.textContent = value; }

// One element per key, kept while its item is there: changes do not disturb focus and screen readers.
function keyed(parent, items, key, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const name = key(item);
    let element = known.get(name);
    if (!element) { element = create(item); element.dataset.key = name; }
    known.delete(name);
    if (parent.children[place] !== element) parent.insertBefore(element, parent.children[place] || null);
    update(element, item, place);
  });
  for (const gone of known.values()) gone.remove();
}

const LEVELS = {
  unknown: ["Sin cupo", "○"], normal: ["Normal", "●"], warning: ["Casi llena", "▲"], full: ["Llena", "■"],
};

export function zones(state, may, onCorrect) {
  $("zones").style.setProperty("--zones", Math.max(1, state.zones.length));
  keyed($("zones"), state.zones, (zone) => zone.name, (zone) => {
    const part = (name, tag = "span", more = {}) => make(tag, { "data-part": name, ...more });
    const fact = (label, name) => make("div", {}, make("dt", {}, label), part(name, "dd"));
    const button = make("button", { type: "button", class: "quiet", "data-part": "correct" }, "Corregir");
    button.addEventListener("click", () => onCorrect(zone.name));
    return make("article", { class: "zone" },
      make("header", {}, part("name", "h2"), part("level", "span", { class: "level" })),
      make("p", { class: "count" }, part("count", "span", { class: "figure" }), part("note", "span", { class: "note", hidden: true })),
      make("div", { class: "capacity", "data-part": "capacity" }, make("div", { class: "bar", "aria-hidden": true }, part("bar")), part("percent", "p")),
      make("dl", {}, fact("Entradas", "entries"), fact("Salidas", "exits"), fact("En 15 min", "trend"), fact("En cero", "swallowed"), button));
  }, (card, zone, place) => {
    const part = (name) => card.querySelector(`[data-part="${name}"]`);
    const [word, sign] = LEVELS[zone.level];
    card.dataset.level = zone.level;
    card.style.setProperty("--own", `var(--zone-${(place % 6) + 1})`);
    card.setAttribute("aria-label", `${format.name(zone.name)}: ${zone.count}`);
    text(part("name"), format.name(zone.name));
    text(part("level"), `${sign} ${word}`);
    text(part("count"), format.number(zone.count));
    part("note").hidden = !zone.provisional;
    text(part("note"), zone.provisional ? `aún no guardado; en la base ${format.number(zone.stored)}` : "");
    text(part("entries"), format.number(zone.entries));
    text(part("exits"), format.number(zone.exits));
    text(part("trend"), `${format.signed(zone.trend)} ${zone.trend > 0 ? "↗" : zone.trend < 0 ? "↘" : "→"}`);
    part("capacity").dataset.known = zone.capacity !== null;
    part("bar").style.width = `${Math.min(100, zone.percent ?? 0)}%`;
    text(part("percent"), zone.capacity === null ? "Cupo sin definir" : `${format.percent(zone.percent)} de ${format.number(zone.capacity)}`);
    text(part("swallowed"), format.number(zone.swallowed));
    part("swallowed").parentElement.title = "Salidas que encontraron la zona en cero: mide cuánto fallan las cámaras";
    part("correct").hidden = !may.offer;
  });
}

export function header(state) {
  text($("event-name"), state.event ? format.name(state.event.name) : state.next ? `Próximo: ${format.name(state.next.name)}` : "Sin evento");
  const waits = state.close_waits_until ? `, espera eventos tardíos hasta las ${format.clock(state.close_waits_until)}` : "";
  const phase = state.phase[0].toUpperCase() + state.phase.slice(1) + waits;
  const parts = [phase, ...state.beside.map((other) => `«${format.name(other.name)}» ${other.phase}`)];
  if (state.event) parts.push(`de ${format.hour(state.event.since, state.now)} a ${format.hour(state.event.until, state.event.since)}`);
  if (state.next && (state.phase !== "en curso" || format.day(state.next.since) === format.day(state.now))) parts.push(`${state.event ? `Después: ${format.name(state.next.name)}, ` : ""}a las ${format.hour(state.next.since, state.now)}`);
  text($("event-phase"), parts.join(" · "));
  document.title = state.event ? `Aforo · ${format.name(state.event.name)}` : "Aforo";
}

export function time(state) {
  text($("clock"), format.clock(state.now));
  const now = Date.parse(state.now);
  const shown = !state.event || (state.phase === "terminado" && state.next) ? state.next : state.event;
  if (!shown) { text($("left-label"), ""); text($("left"), ""); return; }
  const since = Date.parse(shown.since), until = Date.parse(shown.until);
  const [label, seconds] = now < since ? ["Empieza en", since - now] : now < until ? ["Termina en", until - now] : ["Terminó hace", now - until];
  text($("left-label"), label);
  text($("left"), format.countdown(seconds / 1000));
}

const LIVE = 10; // seconds: twice the pause between two live reads

export function freshness(state, down) {
  const [kind, words] = freshnessOf(state, down);
  $("freshness").dataset.state = kind;
  document.body.dataset.fresh = kind;
  text($("freshness-text"), words);
  // Read aloud when it changes, and not each second that the number is older.
  text($("freshness-spoken"), words.replace(/ · en vivo| · hace .*| · dato de .*|: atrasado .*/, ""));
}

function freshnessOf(state, down) {
  if (down) return ["lost", `Sin conexión con el programa desde las ${format.short(down)}. Se reintenta sola.`];
  if (!state) return ["wait", "Conectando…"];
  const trust = state.trust;
  if (!state.event) return ["wait", "Sin evento en curso"];
  if (trust.age === null) return ["wait", "Sin dato todavía"];
  const silent = trust.cameras.filter((one) => !one.answers || faults(one).length).length;
  const without = silent ? `, sin ${silent} ${silent === 1 ? "cámara" : "cámaras"}` : "";
  if (state.phase === "terminado") return finalFreshness(trust, without, state.reconciliation);
  if (trust.stale) return ["old", `Dato de las ${format.short(trust.as_of)}: atrasado ${format.duration(trust.age)}`];
  if (!trust.acc.up) return ["pending", `Sin servidor de cámaras · dato de hace ${format.duration(trust.age)}`];
  if (!trust.database.up) return ["pending", `Al día, aún sin guardar${without} · hace ${format.duration(trust.age)}`];
  if (!without && trust.age <= LIVE) return ["ok", "Al día · en vivo"];
  return [without ? "pending" : "ok", `Al día${without} · hace ${format.duration(trust.age)}`];
}

// The final number, and what it lacks.
function finalFreshness(trust, without, reconciliation) {
  if (trust.age > 0) return ["old", `Final incompleto: se conoce hasta las ${format.short(trust.as_of)}`];
  if (!trust.database.up || trust.pending) return ["pending", "Dato final, aún sin guardar"];
  if (reconciliation && reconciliation.outcome !== "conciliado") return ["pending", `Dato final, ${reconciliation.outcome}${without}`];
  return without ? ["pending", `Dato final${without}`] : ["ok", "Dato final"];
}

function deliveryText({ delivery }) {
  if (!delivery) return "—";
  return delivery.late ? `${format.number(delivery.late)} tarde, hasta ${format.duration(delivery.worst)}` : "Puntual";
}

function pushText(push) {
  return { live: "En vivo", starting: "Empezando" }[push.state] || `No llegan desde las ${format.short(push.since)}`;
}

function clockText(camera) {
  return `${camera.clock_offset > 0 ? "adelantado" : "atrasado"} ${format.duration(Math.abs(camera.clock_offset))}`;
}

export function dataQuality(state) {
  const trust = state.trust, answering = trust.cameras.filter((one) => one.answers).length;
  const failing = trust.cameras.filter((one) => !one.answers);
  const behind = trust.cameras.filter((one) => one.answers && one.behind > 600);
  const clocks = trust.cameras.filter((one) => one.clock_offset !== null);
  const excluded = Object.values(trust.refused).reduce((sum, count) => sum + count, 0);
  const items = [
    ["data", "Dato", trust.age === null ? "—" : state.phase === "terminado" ? "Final" : `hace ${format.duration(trust.age)}`, trust.stale ? "bad" : "ok", trust.as_of ? `Se conoce todo hasta las ${format.clock(trust.as_of)}` : ""],
    ["base", "Base de datos", trust.database.up ? "Responde" : `No responde desde las ${format.short(trust.database.since)}`, trust.database.up ? "ok" : "bad", ""],
    ["acc", "Servidor de cámaras", trust.acc.up ? "Responde" : `No responde desde las ${format.short(trust.acc.since)}`, trust.acc.up ? "ok" : "bad", ""],
    ...(trust.push ? [["push", "Notificaciones de ACC", pushText(trust.push), trust.push.state === "failing" ? "warn" : "ok", trust.push.reason || "ACC notifica cada paso, que así se ve en un segundo"]] : []),
    ["cameras", "Cámaras", !trust.cameras.length ? "—" : `${answering} de ${trust.cameras.length}`, failing.length ? "warn" : "ok", failing.length ? `No contestan: ${failing.map((one) => format.name(one.name)).join(", ")}` : trust.cameras.length ? "Contestan todas" : ""],
    ["behind", "Recuperando", behind.length ? `${behind.length} hasta ${format.short(behind[0].known_until)}` : "Nada", behind.length ? "warn" : "ok", behind.map((one) => format.name(one.name)).join(", ")],
    ["late", "Llegan tras", trust.lateness ? `${format.duration(trust.lateness.median)} (95 %: ${format.duration(trust.lateness.p95)})` : "—", "ok", "Del paso a la base de datos, en los últimos 15 minutos"],
    ["delivery", "ACC entrega", deliveryText(trust), trust.delivery && trust.delivery.late ? "warn" : "ok", trust.delivery ? `${format.number(trust.delivery.late)} de ${format.number(trust.delivery.passages)} eventos llegaron tarde: la mitad, en ${format.duration(trust.delivery.median)} o menos; 95 de cada 100, en ${format.duration(trust.delivery.p95)}; el que más, en ${format.duration(trust.delivery.worst)}` : ""],
    ["clocks", "Relojes", clocks.length ? `${clocks.length} ${clocks.length === 1 ? "desajustado" : "desajustados"}` : trust.cameras.length ? "En hora" : "—", clocks.length ? "warn" : "ok", clocks.map((one) => `${format.name(one.name)}: ${clockText(one)}`).join(", ")],
    ["pending", "Por guardar", format.number(trust.pending), trust.database.up ? "ok" : "warn", "Leído y aún no guardado"],
    ["refused", "Rechazados", format.number(excluded), "ok", Object.entries(trust.refused).map(([reason, count]) => `${count} ${reason}`).join(", ")],
  ];
  const reconciliation = state.reconciliation, reservations = reconciliation ? reconciliation.reservations : [];
  if (reconciliation) {
    const outcome = reconciliation.outcome[0].toUpperCase() + reconciliation.outcome.slice(1);
    const kind = { conciliado: "ok", "conciliado con reservas": "warn" }[reconciliation.outcome] || "bad";
    items.push(["closing", "Cierre", outcome, kind, reservations.map((one) => format.visible(one.text)).join("\n")]);
  }
  $("reservations").hidden = !reservations.length;
  keyed($("reservations"), reservations, (one) => one.kind + one.subject, () => make("li", {}), (element, one) => text(element, format.visible(one.text)));
  keyed($("trust"), items, (item) => item[0], () => make("li", {}, make("span", { class: "label" }), make("span", { class: "value" })),
    (element, [, label, value, kind, more]) => {
      element.dataset.state = kind;
      element.title = more;
      text(element.children[0], label);
      text(element.children[1], (kind === "bad" ? "✕ " : kind === "warn" ? "▲ " : "") + value);
    });
}

export function doors(state) {
  const most = Math.max(1, ...state.doors.map((door) => door.last_15));
  keyed($("doors"), state.doors, (door) => door.name, () => make("li", {},
    make("span", { class: "door-name" }), make("span", { class: "door-total figure" }), make("span", { class: "door-last" }), make("span", { class: "door-bar", "aria-hidden": true }, make("span"))),
  (element, door) => {
    element.dataset.silent = door.silent;
    const [name, total, last, bar] = element.children;
    text(name, format.name(door.name));
    text(total, format.number(door.total));
    text(last, door.silent ? "▲ callada" : `+${format.number(door.last_5)}/+${format.number(door.last_15)}`);
    element.title = `${format.name(door.name)}: ${door.entries} entradas, ${door.exits} salidas; +${door.last_5} en 5 minutos, +${door.last_15} en 15`;
    bar.firstChild.style.width = `${(100 * door.last_15) / most}%`;
  });
  const total = state.doors.reduce((sum, door) => sum + door.total, 0);
  text($("doors-total"), state.doors.length ? `${format.number(total)} pasos · total y +5/+15 min` : "");
}

const FAULTS = {
  disconnected: "desconectada", no_video: "sin video", tampered: "tapada o movida", not_recording: "sin grabar", reconfigured: "ajustes cambiados",
};

// What ACC reports of a camera now, and since when.
function faults(camera) {
  return camera.faults.filter((one) => !one.until).map((one) => `ACC: ${FAULTS[one.kind]} desde las ${format.short(one.since)}`);
}

export function cameras(state) {
  const all = state.trust.cameras;
  const shown = all.filter((one) => !one.answers || faults(one).length || one.behind > 600 || one.clock_offset !== null);
  const answering = all.filter((one) => one.answers).length;
  text($("cameras-total"), all.length ? `${answering} de ${all.length} contestan` : "");
  rows($("cameras"), shown.length ? shown : [null], (camera) => camera ? camera.id : "", (camera) => {
    if (!camera) return [all.length ? "ok" : "", all.length ? "Contestan todas, y nada está por recuperar." : "Sin cámaras todavía.", ""];
    if (faults(camera).length) return ["bad", format.name(camera.name), `${faults(camera).join("; ")}: lo suyo no se cuenta`];
    const state = camera.unknown ? "Ningún servidor la conoce" : camera.answers && camera.behind <= 600 ? `reloj ${clockText(camera)}` : camera.answers ? `recuperando: se conoce hasta las ${format.short(camera.known_until)}`
      : `no contesta desde las ${format.short(camera.since)}; falta desde las ${format.short(camera.known_until)}`;
    return [camera.answers ? "warn" : "bad", format.name(camera.name), state];
  });
}

function rows(list, items, key, describe, extra) {
  keyed(list, items, key, (item) => {
    const row = make("li", {}, make("span", { class: "row-main" }), make("span", { class: "row-more" }));
    const more = item && extra ? extra(item) : null;
    if (more) row.append(more);
    return row;
  }, (row, item) => {
    const [kind, main, more] = describe(item);
    row.dataset.state = kind;
    text(row.children[0], main);
    text(row.children[1], more);
    if (row.children[2]) row.children[2].hidden = Boolean(item.undone);
  });
}

export function corrections(state, may, onUndo) {
  const shown = [...state.corrections].reverse();
  rows($("corrections"), shown.length ? shown : [null], (one) => (one ? `${one.id}${may.correct}` : ""), (one) => {
    if (!one) return ["", "Ninguna en este evento.", ""];
    const what = `${one.undoes ? "Deshace: " : ""}${format.name(one.zone)} ${format.signed(one.delta)}${one.undone ? " (deshecha)" : ""}`;
    return [one.undone ? "undone" : "", what, `${format.short(one.at)} · ${format.name(one.author)}: ${format.name(one.reason)}`];
  }, (one) => {
    if (!may.correct) return null;
    const button = make("button", { type: "button", class: "quiet" }, "Deshacer");
    button.addEventListener("click", () => onUndo(one));
    return button;
  });
}

export function alerts(state) {
  const active = state.alerts.filter((one) => !one.ended), over = state.alerts.filter((one) => one.ended);
  const full = new Set(active.filter((one) => one.kind === "zone_full").map((one) => one.subject));
  const shown = active.filter((one) => !(one.kind === "zone_warning" && full.has(one.subject)));
  $("alerts").hidden = !shown.length;
  document.body.classList.toggle("has-alerts", shown.length > 0);
  keyed($("alerts"), shown, (one) => one.id, () => make("p", { class: "alert" }, make("strong"), make("span", { class: "since" })), (element, one) => {
    element.dataset.kind = one.kind;
    text(element.children[0], format.visible(one.text));
    text(element.children[1], `desde las ${format.short(one.began)}`);
  });
  rows($("history"), over.length ? over : [null], (one) => (one ? one.id : ""), (one) =>
    one ? ["", format.visible(one.text), `de ${format.short(one.began)} a ${format.short(one.ended)}`] : ["", "Ninguno.", ""]);
}

export function flowZones(state) {
  keyed($("flow-zone"), state.zones, (zone) => zone.name, (zone) => make("option", { value: zone.name }, format.name(zone.name)), () => {});
}
