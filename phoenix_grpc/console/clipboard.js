/** Copying to the clipboard, also where the browser offers its API only on https. */

import { announce, button } from "./actions.js";
import { h } from "./dom.js";

/** A button that copies `text`. */
export function copyButton(text, label = "Copy", properties = {}) {
  const action = async () => {
    announce((await copy(text)) ? "Copied." : "Could not copy: select the text and copy it yourself.");
  };
  return button(label, action, properties);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = h("textarea", { readonly: true, class: "visually-hidden", "aria-hidden": "true" }, text);
  const home = document.querySelector("dialog[open]") ?? document.body;
  home.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/** A command to run in a terminal, with a copy button. */
export function command(text) {
  return h("div", { class: "command" }, h("pre", { tabindex: "0" }, h("code", {}, text)), copyButton(text));
}
