/** API keys: a list, and making, rotating and revoking one. The same for personal and for system keys. */

import { call } from "../api.js";
import { command, copyButton } from "../clipboard.js";
import { announce, confirmDialog, formDialog, showDialog } from "../dialog.js";
import { button, field, h, select, table } from "../dom.js";
import { moment, when } from "../format.js";
import { listCommand } from "./commands.js";

const LIFETIMES = [
  ["", "Never"],
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
  ["date", "On a date…"],
];
const OVERLAPS = [
  ["0", "no longer"],
  ["3600", "for one more hour"],
  ["86400", "for one more day"],
  ["604800", "for 7 more days"],
];

/**
 * The panel of keys behind `path` ("/v1/user/api_keys" or "/v1/system/api_keys").
 * @param {{path: string, title: string, about: string, empty: string}} options
 */
export async function keysPanel({ path, title, about, empty }) {
  const { action, list } = await keyManager({ path, title, empty });
  return h(
    "section",
    { class: "stack", "aria-labelledby": "keys" },
    h(
      "div",
      { class: "page-head" },
      h("div", {}, h("h2", { id: "keys" }, title), h("p", { class: "muted" }, about)),
      h("div", { class: "row" }, action),
    ),
    list,
  );
}

/** The list of keys and the button that creates one. */
export async function keyManager({ path, title, empty }) {
  const list = h("div", {});
  const reload = async () => list.replaceChildren(keyList(await allKeys(path), { path, reload, title, empty }));
  const create = async () => {
    const created = await createDialog(path);
    if (!created) return;
    await reload();
    await secretDialog(created, "Your new key");
  };
  await reload();
  return { action: button("Create a key", create, { class: "primary" }), list };
}

async function allKeys(path) {
  const { data } = await call("GET", path);
  return data;
}

function keyList(keys, context) {
  if (!keys.length)
    return h(
      "div",
      { class: "panel empty" },
      h("p", { class: "name" }, "No keys yet"),
      h("p", { class: "muted" }, context.empty),
    );
  return table(
    context.title,
    [
      { label: "Name", cell: nameCell },
      { label: "Created", class: "when", cell: (key) => when(key.created_at) },
      { label: "Expires", class: "when", cell: expiryCell },
      { label: "Last used", class: "when", cell: (key) => when(key.last_used_at) },
      {
        label: "",
        class: "actions",
        cell: (key) => [
          button("Rotate", () => rotate(key, context), { class: "quiet", "aria-label": `Rotate ${key.name}` }),
          button("Revoke", () => revoke(key, context), { class: "quiet danger", "aria-label": `Revoke ${key.name}` }),
        ],
      },
    ],
    keys,
  );
}

function nameCell({ name, description, hint, read_only: readOnly }) {
  return h(
    "div",
    {},
    h("span", { class: "name" }, name),
    readOnly && [" ", h("span", { class: "badge" }, "read only")],
    description && h("div", { class: "muted small" }, description),
    hint && h("div", { class: "muted small" }, h("code", {}, `${hint}…`)),
  );
}

function expiryCell({ expires_at: expiry }) {
  if (!expiry) return "never";
  return new Date(expiry) < new Date() ? h("span", { class: "badge bad" }, "expired") : moment(expiry);
}

function createDialog(path) {
  const date = h("input", {
    type: "date",
    name: "date",
    min: new Date(Date.now() + 86_400_000).toISOString().slice(0, 10),
  });
  const dateField = field("Expires at the beginning of", date);
  const lifetime = select({ name: "lifetime" }, LIFETIMES, "");
  lifetime.addEventListener("change", () => {
    dateField.hidden = lifetime.value !== "date";
    date.required = !dateField.hidden;
  });
  dateField.hidden = true;
  return formDialog({
    title: "Create an API key",
    submit: "Create key",
    content: [
      field(
        "Name",
        h("input", { name: "name", required: true, maxlength: 1000, autocomplete: "off", autofocus: true }),
        "Where it will be used, such as “nightly evaluation”.",
      ),
      field("Description (optional)", h("input", { name: "description", autocomplete: "off" })),
      field("Expires", lifetime),
      dateField,
      h(
        "label",
        { class: "choice" },
        h("input", { type: "checkbox", name: "readOnly" }),
        "Read only: it changes nothing",
      ),
    ],
    onsubmit: async ({ elements }) => {
      const description = elements.description.value.trim();
      const expiry = expiryOf(lifetime.value, date.value);
      const optional = { ...(description && { description }), ...(expiry && { expires_at: expiry }) };
      const request = { name: elements.name.value, read_only: elements.readOnly.checked, ...optional };
      return (await call("POST", path, { data: request })).data;
    },
  });
}

function expiryOf(lifetime, date) {
  if (!lifetime) return null;
  const expiry = lifetime === "date" ? new Date(`${date}T00:00`) : new Date(Date.now() + Number(lifetime) * 86_400_000);
  return expiry.toISOString();
}

function secretDialog({ key }, title) {
  const secret = h("input", {
    class: "mono",
    readonly: true,
    value: key,
    "aria-label": "API key",
    autofocus: true,
    onfocus: (event) => event.target.select(),
  });
  return showDialog(title, [
    h("p", {}, "Copy it now and keep it safe: it is shown this once."),
    h("div", { class: "secret" }, secret, copyButton(key, "Copy", { class: "primary" })),
    h("p", { class: "muted small" }, "Use it from a program:"),
    command(listCommand("$PHOENIX_API_KEY")),
  ]);
}

async function rotate(key, { path, reload }) {
  const rotated = await formDialog({
    title: `Rotate “${key.name}”?`,
    submit: "Rotate key",
    content: [
      h("p", {}, "The key gets a new secret, to be copied into the programs that use it."),
      field("The old secret works", select({ name: "overlap" }, OVERLAPS, "0")),
    ],
    onsubmit: async ({ elements }) => {
      const overlap = { overlap_seconds: Number(elements.overlap.value) };
      return (await call("POST", `${path}/${encodeURIComponent(key.id)}/rotate`, overlap)).data;
    },
  });
  if (!rotated) return;
  await reload();
  await secretDialog(rotated, "The new secret of your key");
}

async function revoke(key, { path, reload }) {
  const revoked = await confirmDialog({
    title: `Revoke “${key.name}”?`,
    text: "Programs that use it are refused from their next call on. This cannot be undone.",
    submit: "Revoke key",
    action: () => call("DELETE", `${path}/${encodeURIComponent(key.id)}`),
  });
  if (!revoked) return;
  await reload();
  announce(`Revoked ${key.name}.`);
}
