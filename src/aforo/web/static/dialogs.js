// Logging in, correcting, undoing. A correction's id is made once per dialog: a double click or a retry applies it once.
import * as format from "./format.js";
import { $ } from "./view.js";

export class RequestError extends Error {
  constructor(status, reason) { super(reason); this.status = status; }
}

const TIMEOUT = 12000; // ms: a lost response must not hold the page for minutes

export async function request(method, path, body, csrf = "") {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-CSRF-Token"] = csrf;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  } catch {
    throw new RequestError(0, "El programa no contesta. Repítalo cuando vuelva la conexión: se aplica una sola vez.");
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new RequestError(response.status, data.error || "No se pudo.");
  return data;
}

const uuid = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID wants https
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());

// A dialog whose form is sent by ``send``; after an error it stays open and shows it.
function formDialog(id, send) {
  const dialog = $(id), form = $(`${id}-form`), error = form.querySelector(".error"), button = form.querySelector(".main");
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    error.hidden = true;
    try {
      await send(form.elements);
      dialog.close();
    } catch (failure) {
      if (!(failure instanceof RequestError)) throw failure;
      error.textContent = format.visible(failure.message);
      error.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
  return { open() { form.reset(); error.hidden = true; dialog.showModal(); } };
}

const MOST = 1_000_000; // people in one correction, as the API admits

// What the amount says, as a field of the API; throws what is wrong with it, in Spanish.
function amountOf(fields) {
  const how = fields.how.value;
  if (how === "empty") return { count: 0, counted: true };
  const least = how === "count" ? 0 : 1;
  const written = fields.amount.value.trim().replace(/^[+−-]/, "").replaceAll(/[.\s]/g, "");
  const amount = /^\d+$/.test(written) ? Number(written) : NaN;
  if (!(amount >= least && amount <= MOST)) throw new RequestError(0, `Cantidad: escriba un número entero entre ${least} y ${format.number(MOST)}.`);
  return how === "count" ? { count: amount, counted: fields.counted.checked } : { delta: how === "in" ? amount : -amount };
}

function reasonOf(fields) {
  const reason = fields.reason.value.trim();
  if (!reason) throw new RequestError(0, "Motivo: escriba por qué, en 500 caracteres como mucho. Queda con su nombre en el acta.");
  return reason;
}

export function makeDialogs(context) {
  let zone = "", correctionId = "", toUndo = null, afterLogin = null;
  const login = formDialog("login", async (fields) => {
    if (!fields.password.value) throw new RequestError(0, "Contraseña o clave: escríbala.");
    await request("POST", "/api/v1/session", { name: fields.name.value.trim(), password: fields.password.value });
    await context.onSession();
    const next = afterLogin;
    afterLogin = null;
    if (next && context.session.may_correct) next();
  });
  const askLogin = (why, next = null) => {
    afterLogin = next;
    login.open();
    $("login-why").textContent = why;
  };
  // What is written stays where it is while the login is asked for.
  const asOperator = async (method, path, body) => {
    try {
      await request(method, path, body, context.session.csrf);
    } catch (failure) {
      if (failure.status !== 401 && failure.status !== 403) throw failure;
      askLogin("Su sesión terminó. Entre de nuevo: lo que escribió sigue aquí.");
      throw new RequestError(failure.status, "No se ha guardado todavía: su sesión terminó. Cuando haya entrado, guarde otra vez.");
    }
  };
  const correct = formDialog("correct", async (fields) => {
    const change = amountOf(fields), now = context.zone(zone);
    if (now && change.count === now.stored && !change.counted) throw new RequestError(0, `El aforo ya es ${format.number(now.stored)}: no hay nada que corregir.`);
    await asOperator("POST", "/api/v1/corrections", { id: correctionId, zone, reason: reasonOf(fields), ...change });
  });
  const undo = formDialog("undo", async (fields) => {
    await asOperator("POST", `/api/v1/corrections/${toUndo.id}/undo`, { reason: reasonOf(fields) });
  });
  const preview = () => {
    const fields = $("correct-form").elements, now = context.zone(zone);
    $("counted").hidden = fields.how.value !== "count";
    $("amount").hidden = fields.how.value === "empty";
    let after = null;
    try {
      const { count, delta } = amountOf(fields);
      if (now) after = count ?? Math.max(0, now.stored + delta);
    } catch { /* not written yet, or not a number: the button says what is wrong */ }
    $("correct-preview").textContent = after === null ? "" : `El aforo pasará de ${format.number(now.stored)} a ${format.number(after)} (${format.signed(after - now.stored)}).`;
  };
  $("correct-form").addEventListener("input", preview);
  const openCorrection = (name) => {
    zone = name;
    correctionId = uuid();
    correct.open();
    $("correct-title").textContent = `Corregir ${format.name(name)}`;
    $("correct-now").textContent = `Ahora: ${format.number(context.zone(name).stored)}. Quedará a nombre de ${format.name(context.session.name)}.`;
    preview();
  };
  return {
    login(why = "Con nombre y contraseña se puede corregir. Sin nombre, la clave de lectura solo deja ver.") { askLogin(why); },
    correct(name) {
      if (context.session.may_correct) openCorrection(name);
      else askLogin(`Para corregir ${format.name(name)}, entre con su nombre y su contraseña.`, () => openCorrection(name));
    },
    undo(one) {
      toUndo = one;
      undo.open();
      $("undo-what").textContent = `${format.name(one.zone)} ${format.signed(one.delta)}, de ${format.name(one.author)}: ${format.name(one.reason)}`;
    },
  };
}
