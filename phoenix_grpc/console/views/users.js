/** Users and their roles, for administrators. */

import { announce, button } from "../actions.js";
import { call } from "../api.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { field, h, select } from "../dom.js";
import { passwordInput } from "../form.js";
import { when } from "../format.js";
import { pagedTable } from "../paged_table.js";
import { show } from "../router.js";
import { session } from "../session.js";
import { adminPage } from "./admin.js";

const ROLES = [
  ["VIEWER", "Viewer: reads data"],
  ["MEMBER", "Member: reads and writes data"],
  ["ADMIN", "Admin: manages users too"],
];
const DEFAULT_ADMIN = "admin@localhost";
const PROVIDERS = { OAUTH2: "OAuth 2", LDAP: "LDAP" };

const COLUMNS = [
  { label: "User", cell: nameCell },
  { label: "Role", cell: (user) => h("span", { class: "badge" }, user.role.toLowerCase()) },
  { label: "Created", class: "when", cell: (user) => when(user.created_at) },
  { label: "", class: "actions", cell: actions },
];

/** The page. */
export async function usersView() {
  return adminPage({
    title: "Users",
    lead: "A new role holds from the next call on. A new role or password ends the user's sessions.",
    action: button("Add a user", add, { class: "primary" }),
    content: pagedTable("Users", COLUMNS, await load(null), load),
  });
}

/** A page of users; the system user, which owns the system keys, is left out. */
async function load(cursor) {
  const query = new URLSearchParams({ limit: 100, ...(cursor && { cursor }) });
  const { data, next_cursor } = await call("GET", `/v1/users?${query}`);
  return { data: data.filter(({ role }) => role !== "SYSTEM"), next_cursor };
}

/** Whether the server lets this administrator change the role of a user, or delete it. */
function mayChange({ id, email }) {
  return id !== session.user.id && email !== DEFAULT_ADMIN;
}

function nameCell(user) {
  const you = user.id === session.user.id && [" ", h("span", { class: "badge good" }, "you")];
  const reset = user.password_needs_reset && h("span", { class: "badge warn" }, "has not changed the first password");
  const email = h("div", { class: "muted small" }, user.email);
  return h("div", {}, h("span", { class: "name" }, user.username), you, email, reset, providerBadge(user));
}

/** Explains how a user without a password signs in, and whether this server has a provider for it. */
function providerBadge({ auth_method: method }) {
  const provider = PROVIDERS[method];
  if (!provider) return null;
  return session.config.login_methods.includes(method.toLowerCase())
    ? h("span", { class: "badge" }, `signs in by ${provider}`)
    : h("span", { class: "badge warn" }, `cannot sign in: this server has no ${provider}`);
}

function actions(user) {
  if (user.id === session.user.id) return [];
  const look = (text, more = "") => ({ class: `quiet ${more}`, "aria-label": `${text} ${user.username}` });
  const password = button("Password", () => resetPassword(user), look("Set a new password of"));
  const own = user.auth_method === "LOCAL" ? [password] : [];
  if (!mayChange(user)) return own;
  return [
    button("Role", () => changeRole(user), look("Change the role of")),
    ...own,
    button("Delete", () => remove(user), look("Delete", "danger")),
  ];
}

/** Reloads the page and reports what was done, unless the person cancelled. */
async function finish(result, text) {
  if (!result) return;
  await show();
  announce(text);
}

async function add() {
  const email = h("input", { type: "email", name: "email", required: true, autocomplete: "off", autofocus: true });
  const username = h("input", { name: "username", required: true, autocomplete: "off" });
  const role = select({ name: "role" }, ROLES, "MEMBER");
  const onsubmit = async (form) => {
    const user = { ...Object.fromEntries(new FormData(form)), auth_method: "LOCAL" };
    return (await call("POST", "/v1/users", { user, send_welcome_email: false })).data;
  };
  const content = [field("E-mail", email), field("Username", username), field("Role", role), passwordField()];
  const user = await formDialog({ title: "Add a user", submit: "Add user", content, onsubmit });
  return finish(user, `Added ${user?.username}.`);
}

function passwordField() {
  const hint = "Hand it over safely. The user is asked to change it.";
  return field("Password", passwordInput("password", "new-password"), hint);
}

async function changeRole(user) {
  const role = select({ name: "role", autofocus: true }, ROLES, user.role);
  const changed = await formDialog({
    title: `Role of ${user.username}`,
    submit: "Change role",
    content: field("Role", role),
    onsubmit: () => update(user, { role: role.value }),
  });
  return finish(changed, `${user.username} has a new role.`);
}

async function resetPassword(user) {
  const changed = await formDialog({
    title: `New password for ${user.username}`,
    submit: "Set password",
    content: [h("p", {}, "This ends the user's sessions."), passwordField()],
    onsubmit: (form) => update(user, { password: form.elements.password.value }),
  });
  return finish(changed, `${user.username} has a new password.`);
}

async function update({ id }, changes) {
  return (await call("PATCH", `/v1/users/${encodeURIComponent(id)}`, changes)).data;
}

async function remove({ id, username }) {
  const removed = await confirmDialog({
    title: `Delete ${username}?`,
    text: "Sessions and personal API keys of this user end at once. Datasets stay.",
    submit: "Delete user",
    typed: username,
    action: () => call("DELETE", `/v1/users/${encodeURIComponent(id)}`),
  });
  return finish(removed, `Deleted ${username}.`);
}
