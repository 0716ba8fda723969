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

const DOOR_NAME = 60, SHORT_DOOR_NAME = 18; // characters of a door's name in its list, and where there are many
const LEVELS = {
  unknown: ["Sin cupo", "○"], normal: ["Normal", "●"], warning: ["Casi llena", "▲"], full: ["Llena", "■"],
};

// Zones and totals in the order of the page: the one that comes first, then each total before the zones that it sums.
export function counted(state) {
  const totals = (state.totals || []).map((total) => ({ ...total, total: true })), items = [];
  for (const zone of state.zones) {
    for (const total of totals) if (total.zones.includes(zone.name) && !items.includes(total)) items.push(total);
    items.push(zone);
  }
  items.forEach((item, place) => { item.place = place; });
  return items.sort((a, b) => (b.name === state.first) - (a.name === state.first) || a.place - b.place);
}

export const isNarrow = () => window.matchMedia("(max-width: 700px)").matches;

// How the cards share the space: the first one large, the others in as few rows as can be read.
function arrange(section, items, first) {
  const large = items.length > 0 && items[0].name === first && items.length > 1;
  const others = items.length - (large ? 1 : 0);
  const rows = others <= (large ? 3 : 4) ? 1 : others <= 8 ? 2 : others <= 15 ? 3 : 4;
  section.dataset.density = others <= (large ? 4 : 3) ? "few" : others <= 8 ? "some" : "many";
  section.dataset.first = large;
  const columns = Math.max(1, Math.ceil(others / rows));
  section.style.setProperty("--rows", rows);
  section.style.setProperty("--columns", columns);
  section.style.setProperty("--first", `${columns * 0.6 + 0.1}fr`);
}

// The interval in which the truth lies, as ``interval`` of a zone has it.
export const between = ({ interval }) => (interval ? `entre ${format.number(interval.low)} y ${format.number(interval.high)}` : "");

export function zones(state, may, onCorrect) {
  const items = counted(state);
  arrange($("zones"), items, state.first);
  const density = $("zones").dataset.density, dense = density === "many" || (isNarrow() && density === "some");
  const isSmall = (item) => dense && item.name !== state.first;
  keyed($("zones"), items, (item) => item.name, (item) => {
    const part = (name, tag = "span", more = {}) => make(tag, { "data-part": name, ...more });
    const fact = (label, name) => make("div", { "data-fact": name }, make("dt", {}, label), part(name, "dd"));
    const button = make("button", { type: "button", class: "quiet", "data-part": "correct", "aria-label": `Corregir ${format.name(item.name)}` }, "Corregir");
    button.addEventListener("click", () => onCorrect(item.name));
    const level = part("level", "span", { class: "level" });
    return make("article", { class: "zone" },
      make("header", {}, make("div", {}, part("name", "h2"), part("about", "p", { class: "about" })), level),
      make("div", { class: "count" }, part("count", "p", { class: "figure" }), make("div", { class: "aside" },
        part("interval", "p", { class: "interval" }), part("doubt", "p", { class: "note" }), part("note", "p", { class: "note" }), part("corrected", "p", { class: "corrected" }))),
      make("div", { class: "capacity", "data-part": "capacity" }, make("div", { class: "bar", "aria-hidden": true }, part("bar")), part("percent", "p")),
      make("div", { class: "facts" }, make("dl", {}, fact("Entradas", "entries"), fact("Salidas", "exits"), fact("En 15 min", "trend"), fact("En cero", "swallowed")), button),
      part("why", "p", { class: "why" }));
  }, (card, item) => {
    const part = (name) => card.querySelector(`[data-part="${name}"]`);
    const say = (name, value) => { part(name).hidden = !value; text(part(name), value || ""); };
    const [word, sign] = LEVELS[item.level], small = isSmall(item);
    const levelPlace = card.querySelector(small ? ".aside" : "header");
    if (part("level").parentElement !== levelPlace) levelPlace[small ? "prepend" : "append"](part("level"));
    card.dataset.small = small;
    card.dataset.level = item.level;
    card.dataset.first = item.name === state.first;
    card.dataset.total = Boolean(item.total);
    card.dataset.within = Boolean(item.within);
    card.style.setProperty("--own", `var(--zone-${(item.place % 6) + 1})`);
    card.style.setProperty("--digits", Math.max(3, format.number(item.count).length));
    card.setAttribute("aria-label", [`${format.name(item.name)}: ${format.number(item.count)}`, between(item)].filter(Boolean).join(", "));
    text(part("name"), format.name(item.name));
    say("about", item.total ? `suma de ${item.zones.length} zonas` : item.within ? `dentro de ${format.name(item.within)}` : "");
    text(part("level"), `${sign} ${word}`);
    text(part("count"), format.number(item.count));
    say("interval", between(item));
    say("doubt", item.interval && !item.interval.reliable ? "poco fiable" : "");
    say("note", item.provisional ? `aún no guardado; en la base ${format.number(item.stored)}` : "");
    say("corrected", item.corrected ? `corregido ${format.signed(item.corrected)}` : "");
    say("why", item.interval ? item.interval.why : "");
    text(part("entries"), format.number(item.entries));
    text(part("exits"), format.number(item.exits));
    text(part("trend"), `${format.signed(item.trend)} ${item.trend > 0 ? "↗" : item.trend < 0 ? "↘" : "→"}`);
    part("capacity").dataset.known = item.capacity !== null;
    part("bar").style.width = `${Math.min(100, item.percent ?? 0)}%`;
    text(part("percent"), item.capacity === null ? "Cupo sin definir" : `${format.percent(item.percent)} de ${format.number(item.capacity)}`);
    text(part("swallowed"), format.number(item.swallowed));
    part("correct").hidden = !may.offer || Boolean(item.total) || !state.event;
  });
  pin(items[0]);
}

// On a phone the number that matters stays in sight while the page is scrolled.
const passing = new IntersectionObserver(([card]) => { $("pinned").dataset.shown = !card.isIntersecting && card.boundingClientRect.top < 0; });
let seen = null;
function pin(item) {
  if (seen !== $("zones").firstElementChild) {
    passing.disconnect();
    seen = $("zones").firstElementChild;
    if (seen) passing.observe(seen);
  }
  $("pinned").dataset.level = item ? item.level : "unknown";
  text($("pinned-name"), item ? format.name(item.name) : "");
  text($("pinned-count"), item ? format.number(item.count) : "");
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

// ``passed``: ms since the state's instant; none while the program sends its own.
export function time(state, passed = 0) {
  const now = Date.parse(state.now) + passed;
  text($("clock"), format.clock(now));
  const shown = !state.event || (state.phase === "terminado" && state.next) ? state.next : state.event;
  if (!shown) { text($("left-label"), ""); text($("left"), ""); return; }
  const since = Date.parse(shown.since), until = Date.parse(shown.until);
  const [label, seconds] = now < since ? ["Empieza en", since - now] : now < until ? ["Termina en", until - now] : ["Terminó hace", now - until];
  text($("left-label"), label);
  text($("left"), format.countdown(seconds / 1000));
}

// Twice the pause between two live reads, in seconds: a count that is no older is live.
const LIVE = 10;

// ``link``: what stands between page and program (live.js), and since when.
export function freshness(state, link) {
  const [kind, words] = linkFreshness(state, link) || freshnessOf(state);
  for (const element of [$("freshness"), $("pinned")]) element.dataset.state = kind;
  document.body.dataset.fresh = kind;
  text($("freshness-text"), words);
  // Read aloud when it changes, and not each second that the number is older.
  text($("freshness-spoken"), words.replace(/ · en vivo| · hace .*| · dato de .*|: atrasado .*|: va por .*/, ""));
}

function linkFreshness(state, { kind, since }) {
  if (kind === "login") return ["wait", state ? "Su sesión terminó: entre para seguir mirando" : "Entre para ver el aforo"];
  if (kind === "down") return ["lost", `Sin conexión con el programa desde las ${format.short(since)}. Se reintenta sola.`];
  if (kind !== "ended") return null;
  if (!state.event || state.phase === "en espera") return ["wait", `El programa terminó a las ${format.short(since)}`];
  if (state.phase !== "terminado") return ["lost", `El programa se detuvo a las ${format.short(since)}: el aforo es el de entonces`];
  const [final, words] = freshnessOf(state);
  return [final, `${words} · el programa terminó`];
}

function freshnessOf(state) {
  if (!state) return ["wait", "Conectando…"];
  const trust = state.trust;
  if (!state.event) return ["wait", "Sin evento en curso"];
  if (trust.age === null) return ["wait", "Sin dato todavía"];
  const silent = trust.cameras.filter((one) => !one.answers || faults(one).length).length;
  const without = silent ? `, sin ${silent} ${silent === 1 ? "cámara" : "cámaras"}` : "";
  if (state.phase === "terminado") return finalFreshness(trust, without, state.reconciliation);
  if (trust.catching_up && trust.stale) return ["old", `Recuperando lo anterior: va por las ${format.short(trust.as_of)}`];
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
  for (const item of counted(state)) {
    const parts = item.total ? `Suma de ${item.zones.map(format.name).join(", ")}. ` : "";
    const sure = item.interval?.reliable === false ? "poco fiable, " : "";
    if (item.interval || parts) items.push([`zone ${item.name}`, format.name(item.name), `${sure}${between(item)}`, "zone", parts + (item.interval?.why || "")]);
  }
  quality(items);
  $("reservations").hidden = !reservations.length;
  keyed($("reservations"), reservations, (one) => one.kind + one.subject, () => make("li", {}), (element, one) => text(element, format.visible(one.text)));
}

// Each item twice: its value where it is seen at once, and with what it means in the list below the charts.
function quality(items) {
  const sign = (kind) => ({ bad: "✕ ", warn: "▲ " })[kind] || "";
  keyed($("trust"), items.filter(([, , , kind]) => kind !== "zone"), (item) => item[0], () => make("li", {}, make("span", { class: "label" }), make("span", { class: "value" })),
    (element, [, label, value, kind]) => {
      element.dataset.state = kind;
      text(element.children[0], label);
      text(element.children[1], sign(kind) + value);
    });
  rows($("trust-details"), items.filter(([, , , kind, more]) => more || kind !== "ok"), (item) => item[0], ([, label, value, kind, more]) => [kind, value ? `${label}: ${value}` : label, more]);
}

// What is known of a door beside its figures.
function doorNote(door, state) {
  if (door.silent) return "▲ callada";
  if (door.activity === "excess") return "▲ cuenta de más";
  const oneWay = state.one_way.find((one) => one.name === door.name);
  return oneWay ? { entries: "solo entradas", exits: "solo salidas" }[oneWay.counts] : door.activity === "unknown" && !door.last_15 ? "no se puede saber" : "";
}

export function doors(state) {
  const most = Math.max(1, ...state.doors.map((door) => door.last_15));
  const shown = [...state.doors].sort((a, b) => b.silent - a.silent);
  $("doors").dataset.density = shown.length <= 24 ? "some" : "many";
  keyed($("doors"), shown, (door) => door.name, () => make("li", {},
    make("span", { class: "door-name" }), make("span", { class: "door-total figure" }), make("span", { class: "door-last" }), make("span", { class: "door-bar", "aria-hidden": true }, make("span"))),
  (element, door) => {
    const [name, total, last, bar] = element.children, note = doorNote(door, state);
    element.dataset.fault = door.silent;
    text(name, format.name(format.shortened(door.name, shown.length <= 24 ? DOOR_NAME : SHORT_DOOR_NAME)));
    text(total, format.number(door.total));
    text(last, note || `+${format.number(door.last_5)}/+${format.number(door.last_15)}`);
    element.title = door.activity === "unknown" ? "Pasan tan pocos que no se puede saber si calla" : `Se esperan ${format.number(door.expected)} por minuto`;
    bar.firstChild.style.width = `${(100 * door.last_15) / most}%`;
  });
  const total = state.doors.reduce((sum, door) => sum + door.total, 0);
  text($("doors-total"), state.doors.length ? `${format.number(total)} pasos · ${shown.length <= 24 ? "total y +5/+15 min" : "total"}` : "");
}

const FAULTS = {
  disconnected: "desconectada", no_video: "sin video", tampered: "tapada o movida", not_recording: "sin grabar", reconfigured: "ajustes cambiados",
};

// What ACC reports of a camera now, and since when.
function faults(camera) {
  return camera.faults.filter((one) => !one.until).map((one) => `ACC: ${FAULTS[one.kind]} desde las ${format.short(one.since)}`);
}

// Cameras and doors of which something is known to be amiss: [id, kind, name, what].
export function cameras(state) {
  const all = state.trust.cameras;
  const shown = [
    ...all.filter((one) => !one.answers || faults(one).length || one.behind > 600 || one.clock_offset !== null)
      .map((one) => [one.id, one.answers && !faults(one).length ? "warn" : "bad", format.name(one.name), cameraText(one)]),
    ...state.doors.filter((one) => one.silent).map((one) => [`silent ${one.name}`, "warn", format.name(one.name), "Puerta callada: las demás cuentan y esta no. Mande a alguien a mirar la cámara."]),
    ...oneWayRows(state),
  ];
  const answering = all.filter((one) => one.answers).length;
  text($("cameras-total"), all.length ? `${answering} de ${all.length} contestan` : "");
  const none = ["", all.length ? "ok" : "", all.length ? "Contestan todas, y nada está por recuperar." : "Sin cámaras todavía.", ""];
  rows($("cameras"), shown.length ? shown : [none], ([id]) => id, ([, kind, name, what]) => [kind, name, what]);
}

// A few doors that count one way only have a row each, many of a zone have one together.
const FEW = 4;
function oneWayRows(state) {
  const groups = new Map();
  for (const one of state.one_way) groups.set(`${one.counts} ${one.zone}`, [...(groups.get(`${one.counts} ${one.zone}`) || []), one]);
  return [...groups].flatMap(([key, doors]) => doors.length <= FEW
    ? doors.map((one) => [`${key} ${one.name} ${one.camera}`, "warn", format.name(one.name), format.visible(one.text)])
    : [[key, "", `${doors.length} puertas de ${format.name(doors[0].zone)} cuentan solo ${{ entries: "entradas", exits: "salidas" }[doors[0].counts]}`,
      `Si alguien pasa por ellas al revés, no se conoce: ${doors.map((one) => format.name(one.name)).join(", ")}`]]);
}

function cameraText(camera) {
  if (faults(camera).length) return `${faults(camera).join("; ")}: lo suyo no se cuenta`;
  if (camera.unknown) return "Ningún servidor la conoce";
  if (!camera.answers) return `no contesta desde las ${format.short(camera.since)}; falta desde las ${format.short(camera.known_until)}`;
  return camera.behind > 600 ? `recuperando: se conoce hasta las ${format.short(camera.known_until)}` : `reloj ${clockText(camera)}`;
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
  $("alerts").dataset.density = !shown.length ? "none" : shown.length <= 2 ? "few" : "many";
  $("no-alerts").hidden = shown.length > 0;
  text($("alerts-link"), !shown.length ? "Sin avisos" : `▲ ${shown.length} ${shown.length === 1 ? "aviso" : "avisos"}`);
  $("alerts-link").dataset.some = shown.length > 0;
  keyed($("alert-list"), shown, (one) => one.id, () => make("li", { class: "alert" }, make("span", { class: "alert-text" }), make("span", { class: "since" }, make("span", { class: "since-word" }, "desde las "), make("span"))), (element, one) => {
    element.dataset.kind = one.kind;
    text(element.children[0], format.visible(one.text));
    text(element.children[1].lastChild, format.short(one.began));
  });
  const all = [...shown, ...over];
  rows($("history"), all.length ? all : [null], (one) => (one ? one.id : ""), (one) => one
    ? [one.ended ? "" : "warn", format.visible(one.text), one.ended ? `de ${format.short(one.began)} a ${format.short(one.ended)}` : `desde las ${format.short(one.began)}`]
    : ["", "Ninguno.", ""]);
}

export function flowZones(state) {
  keyed($("flow-zone"), counted(state), (zone) => zone.name, (zone) => make("option", { value: zone.name }, format.name(zone.name)), () => {});
}
