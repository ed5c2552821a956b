/** Dialogs, on the browser's own <dialog>: it keeps the focus inside, closes on Escape, and gives the focus back. */

import { field, h } from "./dom.js";
import { actionForm } from "./form.js";

let dialogs = 0;

/**
 * Opens a dialog with a form.
 * @param {object} options title, content (nodes), submit (label), danger, wide, status (see actionForm), and
 *   onsubmit(form, leaving): its result closes the dialog. `leaving.signal` aborts when the person closes the dialog
 *   before; from `leaving.forbid()` until onsubmit ends the person cannot
 * @returns {Promise<any>} the result of onsubmit, or null if the person cancelled
 */
export function formDialog({ title, content, submit, danger = false, wide = false, status = null, onsubmit }) {
  const left = new AbortController();
  let held = false;
  const cancel = h("button", { type: "button", onclick: () => held || dialog.close() }, "Cancel");
  const hold = (wanted) => {
    held = wanted;
    cancel.setAttribute("aria-disabled", held); // it keeps the focus, without which no key scrolls the dialog
    dialog.setAttribute("closedby", held ? "none" : "closerequest"); // Escape: a second one cannot be prevented
  };
  const action = async (form) => {
    try {
      dialog.result = await onsubmit(form, { signal: left.signal, forbid: () => hold(true) });
      dialog.close();
    } finally {
      hold(false);
    }
  };
  const dialog = frame(title, actionForm({ content, submit, danger, buttons: [cancel], status, action }), wide);
  dialog.addEventListener("cancel", (event) => held && event.preventDefault());
  dialog.addEventListener("close", () => left.abort());
  return closing(dialog);
}

/**
 * Asks before something is done that cannot be undone; with `typed`, that text must be typed first.
 * @returns {Promise<boolean>} whether it was done
 */
export async function confirmDialog({ title, text, submit, typed = null, action }) {
  const content = [h("p", {}, text), typed !== null && typedField(typed)];
  const onsubmit = async () => {
    await action();
    return true;
  };
  return (await formDialog({ title, submit, danger: true, content, onsubmit })) === true;
}

function typedField(typed) {
  const input = h("input", { autocomplete: "off", spellcheck: "false", autofocus: true });
  const check = () => input.setCustomValidity(input.value === typed ? "" : `Type ${typed} to confirm`);
  input.addEventListener("input", check);
  check();
  return field(`Type ${typed} to confirm`, input);
}

/** Shows something until the person closes it. */
export function showDialog(title, content) {
  const done = h("div", { class: "form-actions" }, h("button", { class: "primary" }, "Done"));
  const foot = h("div", { class: "form-foot" }, done);
  return closing(frame(title, h("form", { class: "stack", method: "dialog" }, content, foot), false));
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
