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

export function makeDialogs(context) {
  let zone = "", correctionId = "", toUndo = null;
  const login = formDialog("login", async (fields) => {
    await request("POST", "/api/v1/session", { name: fields.name.value.trim(), password: fields.password.value });
    await context.onSession();
  });
  const correct = formDialog("correct", async (fields) => {
    const amount = Number(fields.amount.value), body = { id: correctionId, zone, reason: fields.reason.value };
    body[fields.how.value] = amount;
    await request("POST", "/api/v1/corrections", body, context.session.csrf);
  });
  const undo = formDialog("undo", async (fields) => {
    await request("POST", `/api/v1/corrections/${toUndo.id}/undo`, { reason: fields.reason.value }, context.session.csrf);
  });
  const preview = () => {
    const fields = $("correct-form").elements, now = context.zone(zone), amount = Number(fields.amount.value);
    if (!now || fields.amount.value === "") { $("correct-preview").textContent = ""; return; }
    const after = fields.how.value === "count" ? amount : Math.max(0, now.stored + amount);
    $("correct-preview").textContent = `El aforo pasará de ${format.number(now.stored)} a ${format.number(after)} (${format.signed(after - now.stored)}).`;
  };
  $("correct-form").addEventListener("input", preview);
  return {
    login() { login.open(); },
    correct(name) {
      if (!context.session.may_correct) { login.open(); return; }
      zone = name;
      correctionId = uuid();
      correct.open();
      $("correct-title").textContent = `Corregir ${format.name(name)}`;
      $("correct-now").textContent = `Ahora: ${format.number(context.zone(name).stored)}. Quedará a nombre de ${format.name(context.session.name)}.`;
      preview();
    },
    undo(one) {
      toUndo = one;
      undo.open();
      $("undo-what").textContent = `${format.name(one.zone)} ${format.signed(one.delta)}, de ${format.name(one.author)}: ${format.name(one.reason)}`;
    },
  };
}
