/** Dialogs, on the browser's own <dialog>: it keeps the focus inside, closes on Escape, and gives the focus back. */

import { SignedOut, explain } from "./api.js";
import { h } from "./dom.js";

/** Raised by onsubmit when the form itself has to be mended; the message says how. */
export class FormProblem extends Error {}

let dialogs = 0;

/**
 * Opens a dialog with a form.
 * @param {object} options title, content (nodes), submit (label), danger, wide, onsubmit(form, signal): its result closes the dialog; the signal aborts when it is closed before
 * @returns {Promise<any>} what onsubmit answered, or null when the person cancelled
 */
export function formDialog({ title, content, submit, danger = false, wide = false, cancel = "Cancel", onsubmit }) {
  const error = h("p", { class: "note bad", role: "alert", hidden: true });
  const confirm = h("button", { type: "submit", class: danger ? "primary danger" : "primary" }, submit);
  const dismiss = h("button", { type: "button", onclick: () => dialog.close() }, cancel);
  const form = h(
    "form",
    { class: "stack", method: "dialog" },
    content,
    error,
    h("div", { class: "dialog-actions" }, dismiss, confirm),
  );
  const dialog = frame(title, form, wide);
  const leaving = new AbortController();
  dialog.addEventListener("close", () => leaving.abort());
  const result = closing(dialog);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    confirm.disabled = true;
    try {
      dialog.result = await onsubmit(form, leaving.signal);
      dialog.close();
    } catch (failure) {
      showFailure(failure, dialog, error);
    } finally {
      confirm.disabled = false;
    }
  });
  return result;
}

function showFailure(failure, dialog, error) {
  if (failure instanceof SignedOut) {
    dialog.close();
    throw failure;
  }
  if (failure?.name === "AbortError") return;
  error.textContent = failure instanceof FormProblem ? failure.message : explain(failure);
  error.hidden = false;
}

/** Asks before something is done that cannot be undone; with `typed`, that text must be typed first. Answers whether it was done. */
export async function confirmDialog({ title, text, submit, typed = null, action }) {
  const input = h("input", {
    name: "typed",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    autofocus: true,
  });
  const check = () => input.setCustomValidity(input.value === typed ? "" : `Type ${typed} to confirm`);
  input.addEventListener("input", check);
  if (typed !== null) check();
  const confirmation =
    typed !== null &&
    h("label", { class: "field" }, h("span", {}, "Type ", h("strong", {}, typed), " to confirm"), input);
  const done = await formDialog({
    title,
    submit,
    danger: true,
    content: [h("p", {}, text), confirmation],
    onsubmit: async () => {
      await action();
      return true;
    },
  });
  return done === true;
}

/** Shows something until the person closes it. */
export function showDialog(title, content, close = "Done") {
  const form = h(
    "form",
    { class: "stack", method: "dialog" },
    content,
    h("div", { class: "dialog-actions" }, h("button", { class: "primary" }, close)),
  );
  return closing(frame(title, form, false));
}

function frame(title, form, wide) {
  const id = `dialog-${++dialogs}`;
  const dialog = h(
    "dialog",
    { "aria-labelledby": id, class: wide ? "wide" : null },
    h("div", { class: "stack" }, h("h2", { id }, title), form),
    h("div", { class: "toasts", role: "status" }),
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function closing(dialog) {
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.result ?? null);
    });
  });
}

/** Says what happened, on the screen and to screen readers; within an open dialog, since all else is inert then. */
export function announce(text) {
  const toast = h("p", { class: "toast" }, text);
  const status = document.querySelector("dialog[open] > .toasts") ?? document.getElementById("status");
  status.append(toast);
  setTimeout(() => toast.remove(), 6000);
}

/** Runs an action of a button, and says what went wrong. */
export async function attempt(action) {
  try {
    await action();
  } catch (failure) {
    if (failure instanceof SignedOut) throw failure;
    announce(explain(failure));
  }
}
