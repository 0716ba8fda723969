// How numbers, times and durations are written. The stadium's time zone comes from the server.
let timezone = "America/Bogota";
let clockFormat, shortFormat, wallFormat, dayFormat;

export function useTimezone(name) {
  timezone = name;
  const options = { timeZone: timezone, hour12: false, hourCycle: "h23", hour: "2-digit", minute: "2-digit" };
  clockFormat = new Intl.DateTimeFormat("es-CO", { ...options, second: "2-digit" });
  shortFormat = new Intl.DateTimeFormat("es-CO", options);
  dayFormat = new Intl.DateTimeFormat("es-CO", { timeZone: timezone, weekday: "long", day: "numeric", month: "long" });
  wallFormat = new Intl.DateTimeFormat("sv-SE", { ...options, year: "numeric", month: "2-digit", day: "2-digit" });
}
useTimezone(timezone);

const numbers = new Intl.NumberFormat("es-CO", { useGrouping: "always" });
const percents = new Intl.NumberFormat("es-CO", { maximumFractionDigits: 0 });

export const number = (value) => numbers.format(value);
export const percent = (value) => `${percents.format(value)} %`;
export const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + numbers.format(Math.abs(value));
export const clock = (instant) => clockFormat.format(new Date(instant));
export const short = (instant) => shortFormat.format(new Date(instant));
export const day = (instant) => dayFormat.format(new Date(instant)).replace(",", "");
// An hour of another day than that of ``beside`` carries its day.
export const hour = (instant, beside) => (day(instant) === day(beside) ? short(instant) : `${short(instant)} del ${day(instant)}`);

const walls = new Map(); // cache: the same minutes are written again and again
export function wall(seconds) {
  let text = walls.get(seconds);
  if (text === undefined) {
    if (walls.size > 20000) walls.clear();
    text = wallFormat.format(new Date(seconds * 1000));
    walls.set(seconds, text);
  }
  return text;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 100) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${String(Math.round((whole % 3600) / 60)).padStart(2, "0")} min`;
}

export function countdown(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${String(minutes).padStart(2, "0")} min` : `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
}

// Texts from outside, as outside_text.py shows them: a character that is not seen, or acts on a reader, as \u202e.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu;
const SHORT = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

function escaped(character) {
  const code = character.codePointAt(0), [sign, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return SHORT[character] ?? `\\${sign}${code.toString(16).padStart(width, "0")}`;
}

export const visible = (text) => text.replace(UNSEEN, escaped);

// A name within a sentence: one that is written from right to left does not turn what stands beside it.
export function name(text) {
  const shown = visible(text);
  return RIGHT_TO_LEFT.test(shown) ? `\u2068${shown}\u2069` : shown;
}

// At most so many characters, without the middle: names of doors differ at their end.
export function shortened(text, most) {
  const characters = [...visible(text)], end = Math.floor(most / 3);
  return characters.length <= most ? text : `${characters.slice(0, most - end - 1).join("")}…${characters.slice(-end).join("")}`;
}
