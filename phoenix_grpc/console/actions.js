/** The actions of buttons: one at a time, with a message if one fails. */

import { SignedOut, explain } from "./api.js";
import { h } from "./dom.js";

/** A button. While `action` runs it cannot be pressed again; a refusal is shown in plain words. */
export function button(label, action, properties = {}) {
  const element = h("button", { type: "button", ...properties }, label);
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await attempt(action);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  });
  return element;
}

/** Runs an action, and shows a message if it fails. */
export async function attempt(action) {
  try {
    await action();
  } catch (failure) {
    if (failure instanceof SignedOut) throw failure;
    announce(explain(failure));
  }
}

/** Says what happened, on the screen and to screen readers; within an open dialog, since all else is inert then. */
export function announce(text) {
  const toast = h("p", { class: "toast" }, text);
  const status = document.querySelector("dialog[open] > .toasts") ?? document.getElementById("status");
  status.append(toast);
  setTimeout(() => toast.remove(), 6000);
}
