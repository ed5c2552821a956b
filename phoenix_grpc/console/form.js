/** Forms that ask the server for something: busy while it works, and clear about a refusal. */

import { SignedOut, explain } from "./api.js";
import { h } from "./dom.js";

/** Raised by a form's action if the form must be corrected; the message says how. */
export class FormProblem extends Error {}

/**
 * A form; errors are shown above its buttons.
 * @param {object} options content (nodes), submit (label), danger, buttons (more of them), status (a node that shows
 *   how the action goes, beside the buttons), action(form)
 */
export function actionForm({ content, submit, danger = false, buttons = [], status = null, action }) {
  const error = h("p", { class: "note bad", role: "alert", hidden: true });
  const confirm = h("button", { type: "submit", class: danger ? "primary danger" : "primary" }, submit);
  const actions = h("div", { class: "form-actions" }, buttons, confirm);
  const foot = h("div", { class: "form-foot" }, error, status, actions);
  const form = h("form", { class: "stack", method: "dialog" }, content, foot);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    confirm.disabled = true;
    try {
      await action(form);
    } catch (failure) {
      if (failure instanceof SignedOut) throw failure;
      error.textContent = sayFailure(failure);
      error.hidden = !error.textContent;
    } finally {
      confirm.disabled = false;
    }
  });
  return form;
}

function sayFailure(failure) {
  if (failure instanceof FormProblem) return failure.message;
  return failure.name === "AbortError" ? "" : explain(failure);
}

/** An input for a password; `use` is "current-password" or "new-password". */
export function passwordInput(name, use) {
  return h("input", { type: "password", name, autocomplete: use, required: true });
}
