/** API keys: a list, and creating, rotating and revoking one. The same for personal and for system keys. */

import { announce, button } from "../actions.js";
import { call } from "../api.js";
import { command, copyButton } from "../clipboard.js";
import { confirmDialog, formDialog, showDialog } from "../dialog.js";
import { field, h, select, table } from "../dom.js";
import { moment, when } from "../format.js";
import { session } from "../session.js";
import { listCommand } from "./commands.js";

const DAY = 86_400_000;
const IDLE_DAYS = 90;
const LIFETIMES = [
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
];
const OVERLAPS = [
  ["0", "no longer"],
  ["3600", "for one more hour"],
  ["86400", "for one more day"],
  ["604800", "for 7 more days"],
];

/** The panel of the caller's own keys. */
export async function keysPanel() {
  const { action, list } = await keyManager(
    "/v1/user/api_keys",
    "Create one to reach your datasets from curl, Python, TypeScript or gRPC.",
  );
  const about = "A key lets a program act as you, with your role. Give each program its own.";
  const heading = h("div", {}, h("h2", { id: "keys" }, "My API keys"), h("p", { class: "muted" }, about));
  const head = h("div", { class: "page-head" }, heading, h("div", { class: "row" }, action));
  return h("section", { class: "stack", "aria-labelledby": "keys" }, head, list);
}

/**
 * The list of the keys behind `path`, and the button that creates one.
 * @param {string} path "/v1/user/api_keys" or "/v1/system/api_keys"
 * @param {string} empty the text if there are none
 * @returns {Promise<{action: Node, list: Node}>}
 */
export async function keyManager(path, empty) {
  const list = h("div", {});
  const reload = async () => list.replaceChildren(keyList((await call("GET", path)).data, path, reload, empty));
  const create = async () => {
    const created = await createDialog(path);
    if (!created) return;
    await reload();
    await secretDialog(created, "Your new key");
  };
  await reload();
  return { action: button("Create a key", create, { class: "primary" }), list };
}

function keyList(keys, path, reload, empty) {
  if (!keys.length) {
    const text = [h("p", { class: "name" }, "No keys yet"), h("p", { class: "muted" }, empty)];
    return h("div", { class: "panel empty" }, text);
  }
  const columns = [
    { label: "Name", cell: nameCell },
    { label: "Created", class: "when", cell: (key) => when(key.created_at) },
    { label: "Expires", class: "when", cell: expiryCell },
    { label: "Last used", class: "when", cell: useCell },
    { label: "", class: "actions", cell: (key) => keyActions(key, `${path}/${encodeURIComponent(key.id)}`, reload) },
  ];
  return table("API keys", columns, keys);
}

function keyActions(key, keyPath, reload) {
  const named = (verb, look) => ({ class: `quiet ${look}`, "aria-label": `${verb} ${key.name}` });
  return [
    button("Rotate", () => rotate(key, keyPath, reload), named("Rotate", "")),
    button("Revoke", () => revoke(key, keyPath, reload), named("Revoke", "danger")),
  ];
}

function nameCell({ name, description, hint, read_only: readOnly }) {
  const line = (content) => h("div", { class: "muted small" }, content);
  const badge = readOnly && [" ", h("span", { class: "badge" }, "read only")];
  const hinted = hint && line(h("code", {}, `${hint}…`));
  return h("div", {}, h("span", { class: "name" }, name), badge, description && line(description), hinted);
}

function expiryCell({ expires_at: expiry, exceeds_max_lifetime: outlives }) {
  if (expiry && new Date(expiry) < new Date()) return h("span", { class: "badge bad" }, "expired");
  const end = expiry ? moment(expiry) : "never";
  return outlives ? h("div", {}, end, " ", h("span", { class: "badge warn" }, "beyond the limit")) : end;
}

/** When a key was last used; a key that was neither used nor created for a long time is marked. */
function useCell({ last_used_at: used, created_at: created }) {
  const idle = Date.now() - new Date(used ?? created) > IDLE_DAYS * DAY;
  return idle ? h("div", {}, when(used), " ", h("span", { class: "badge warn" }, "idle")) : when(used);
}

function createDialog(path) {
  const name = h("input", { name: "name", required: true, maxlength: 1000, autocomplete: "off", autofocus: true });
  const description = h("input", { name: "description", autocomplete: "off" });
  const readOnly = h("input", { type: "checkbox", name: "readOnly" });
  const expiry = expiryFields();
  const content = [
    field("Name", name, "Where it will be used, such as “nightly evaluation”."),
    field("Description (optional)", description),
    expiry.fields,
    h("label", { class: "choice" }, readOnly, "Read only: it changes nothing"),
  ];
  const onsubmit = async () => {
    const about = description.value.trim();
    const optional = { ...(about && { description: about }), ...expiry.chosen() };
    const key = { name: name.value, read_only: readOnly.checked, ...optional };
    return (await call("POST", path, { data: key })).data;
  };
  return formDialog({ title: "Create an API key", submit: "Create key", content, onsubmit });
}

/** The lifetimes to choose from: those that the server allows. */
function lifetimes() {
  const most = session.config.api_key_max_days;
  const latest = most ? `As late as allowed: in ${Math.floor(most * 10) / 10} days` : "Never";
  const shorter = LIFETIMES.filter(([days]) => !most || Number(days) <= most);
  return [["", latest], ...shorter, ["date", "On a date…"]];
}

/** A choice of lifetimes with a date for the last of them; `chosen()` returns the value for the request. */
function expiryFields() {
  const tomorrow = new Date(Date.now() + DAY).toISOString().slice(0, 10);
  const date = h("input", { type: "date", name: "date", min: tomorrow });
  const dateField = field("Expires at the beginning of", date);
  const lifetime = select({ name: "lifetime" }, lifetimes(), "");
  const adapt = () => {
    dateField.hidden = lifetime.value !== "date";
    date.required = !dateField.hidden;
  };
  lifetime.addEventListener("change", adapt);
  adapt();
  const chosen = () => {
    if (!lifetime.value) return {};
    const end = lifetime.value === "date" ? new Date(`${date.value}T00:00`) : Date.now() + Number(lifetime.value) * DAY;
    return { expires_at: new Date(end).toISOString() };
  };
  return { fields: [field("Expires", lifetime), dateField], chosen };
}

function secretDialog({ key }, title) {
  const select = (event) => event.target.select();
  const secret = {
    readonly: true,
    value: key,
    "aria-label": "API key",
    autofocus: true,
    onfocus: select,
  };
  return showDialog(title, [
    h("p", {}, "Copy it now and keep it safe: it is shown this once."),
    h("div", { class: "secret" }, h("input", secret), copyButton(key, "Copy", { class: "primary" })),
    h("p", { class: "muted small" }, "Use it from a program:"),
    command(listCommand("$PHOENIX_API_KEY")),
  ]);
}

async function rotate(key, keyPath, reload) {
  const overlap = select({ name: "overlap" }, OVERLAPS, "0");
  const rotated = await formDialog({
    title: `Rotate “${key.name}”?`,
    submit: "Rotate key",
    content: [
      h("p", {}, "The key gets a new secret, to be copied into the programs that use it."),
      field("The old secret works", overlap),
    ],
    onsubmit: async () => {
      const request = { data: { overlap_seconds: Number(overlap.value) } };
      return (await call("POST", `${keyPath}/rotate`, request)).data;
    },
  });
  if (!rotated) return;
  await reload();
  await secretDialog(rotated, "The new secret of your key");
}

async function revoke(key, keyPath, reload) {
  const revoked = await confirmDialog({
    title: `Revoke “${key.name}”?`,
    text: "Programs that use it are refused from their next call on. This cannot be undone.",
    submit: "Revoke key",
    action: () => call("DELETE", keyPath),
  });
  if (!revoked) return;
  await reload();
  announce(`Revoked ${key.name}.`);
}
