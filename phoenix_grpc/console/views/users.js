/** Users and their roles, for administrators. */

import { call } from "../api.js";
import { announce, attempt, confirmDialog, formDialog } from "../dialog.js";
import { button, field, h, select, table, tableRow } from "../dom.js";
import { when } from "../format.js";
import { show } from "../router.js";
import { session } from "../session.js";
import { adminPage } from "./admin.js";

const ROLES = [
  ["VIEWER", "Viewer: reads data"],
  ["MEMBER", "Member: reads and writes data"],
  ["ADMIN", "Admin: manages users too"],
];
const DEFAULT_ADMIN = "admin@localhost";

const COLUMNS = [
  { label: "User", cell: nameCell },
  { label: "Role", cell: roleCell },
  { label: "Created", class: "when", cell: (user) => when(user.created_at) },
  { label: "", class: "actions", cell: actions },
];

/** The page. */
export async function usersView() {
  let { data, next_cursor: next } = await call("GET", "/v1/users?limit=100");
  const list = table("Users", COLUMNS, data.filter(isPerson));
  const more = button("Show more", () =>
    attempt(async () => {
      ({ data, next_cursor: next } = await call("GET", `/v1/users?limit=100&cursor=${encodeURIComponent(next)}`));
      list.querySelector("tbody").append(...data.filter(isPerson).map((user) => tableRow(COLUMNS, user)));
      more.hidden = !next;
    }),
  );
  more.hidden = !next;
  return adminPage({
    title: "Users",
    action: button("Add a user", add, { class: "primary" }),
    content: [list, h("div", { class: "row" }, more)],
    lead: "A new role holds from the next call on. A new role or password ends the user's sessions.",
  });
}

function isPerson({ role }) {
  return role !== "SYSTEM";
}

/** Whether the server lets this administrator change the role of a user, or delete it. */
function mayChange({ id, email }) {
  return id !== session.user.id && email !== DEFAULT_ADMIN;
}

function nameCell(user) {
  return h(
    "div",
    {},
    h("span", { class: "name" }, user.username),
    user.id === session.user.id && [" ", h("span", { class: "badge good" }, "you")],
    h("div", { class: "muted small" }, user.email),
    user.password_needs_reset && h("span", { class: "badge warn" }, "has not changed the first password"),
  );
}

function roleCell(user) {
  return h("span", { class: "badge" }, user.role.toLowerCase());
}

function actions(user) {
  const named = (label) => `${label} of ${user.username}`;
  return [
    mayChange(user) &&
      button("Role", () => changeRole(user), { class: "quiet", "aria-label": named("Change the role") }),
    user.id !== session.user.id &&
      button("Password", () => resetPassword(user), { class: "quiet", "aria-label": named("Set a new password") }),
    mayChange(user) &&
      button("Delete", () => remove(user), { class: "quiet danger", "aria-label": `Delete ${user.username}` }),
  ];
}

async function done(result, text) {
  if (!result) return;
  await show();
  announce(text);
}

async function add() {
  const user = await formDialog({
    title: "Add a user",
    submit: "Add user",
    content: [
      field(
        "E-mail",
        h("input", { type: "email", name: "email", required: true, autocomplete: "off", autofocus: true }),
      ),
      field("Username", h("input", { name: "username", required: true, autocomplete: "off" })),
      field("Role", select({ name: "role" }, ROLES, "MEMBER")),
      passwordField(),
    ],
    onsubmit: async (form) => {
      const given = Object.fromEntries(new FormData(form));
      return (await call("POST", "/v1/users", { user: { ...given, auth_method: "LOCAL" }, send_welcome_email: false }))
        .data;
    },
  });
  return done(user, `Added ${user?.username}.`);
}

function passwordField() {
  return field(
    "Password",
    h("input", { type: "password", name: "password", required: true, autocomplete: "new-password" }),
    "Hand it over safely. The user is asked to change it.",
  );
}

async function changeRole(user) {
  const changed = await formDialog({
    title: `Role of ${user.username}`,
    submit: "Change role",
    content: field("Role", select({ name: "role", autofocus: true }, ROLES, user.role)),
    onsubmit: (form) => update(user, { role: form.elements.role.value }),
  });
  return done(changed, `${user.username} has a new role.`);
}

async function resetPassword(user) {
  const changed = await formDialog({
    title: `New password for ${user.username}`,
    submit: "Set password",
    content: [h("p", {}, "This ends the user's sessions."), passwordField()],
    onsubmit: (form) => update(user, { password: form.elements.password.value }),
  });
  return done(changed, `${user.username} has a new password.`);
}

async function update(user, changes) {
  return (await call("PATCH", `/v1/users/${encodeURIComponent(user.id)}`, changes)).data;
}

async function remove(user) {
  const removed = await confirmDialog({
    title: `Delete ${user.username}?`,
    text: "Sessions and personal API keys of this user end at once. Datasets stay.",
    submit: "Delete user",
    typed: user.username,
    action: () => call("DELETE", `/v1/users/${encodeURIComponent(user.id)}`),
  });
  return done(removed, `Deleted ${user.username}.`);
}
