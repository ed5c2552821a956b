/** Settings of the person who is signed in: keys, sessions, password. */

import { announce } from "../actions.js";
import { callOnce, freshen } from "../api.js";
import { field, h, pageHead, quiet } from "../dom.js";
import { FormProblem, actionForm, passwordInput } from "../form.js";
import { loadUser, session } from "../session.js";
import { keysPanel } from "./keys.js";
import { sessionsPanel } from "./sessions.js";
import { checkRepeated } from "./sign_in.js";

/** The page. */
export async function settingsView() {
  const { username, email, role, password_needs_reset: needsReset } = session.user;
  const [keys, sessions] = await Promise.all([keysPanel(), sessionsPanel()]);
  const lead = `${username} · ${email} · ${role.toLowerCase()}`;
  const node = h(
    "div",
    { class: "stack sections" },
    pageHead("Settings", lead),
    needsReset && h("p", { class: "note" }, "Somebody else knows your password. Please choose a new one below."),
    keys,
    sessions,
    passwordPanel(),
  );
  return { title: "Settings", node };
}

function passwordPanel() {
  const about = "Changing it ends your other sessions. Your API keys keep working.";
  const form = actionForm({
    content: [
      h("input", { type: "email", autocomplete: "username", value: session.user.email, hidden: true, readonly: true }),
      field("Current password", passwordInput("current", "current-password")),
      field("New password", passwordInput("fresh", "new-password")),
      field("New password again", passwordInput("again", "new-password")),
    ],
    submit: "Change password",
    action: changePassword,
  });
  return h(
    "section",
    { class: "stack", "aria-labelledby": "password" },
    h("div", {}, h("h2", { id: "password" }, "Password"), quiet(about)),
    h("div", { class: "panel" }, h("div", { class: "narrow" }, form)),
  );
}

async function changePassword(form) {
  const { current, fresh } = form.elements;
  checkRepeated(form.elements);
  await freshen();
  try {
    await callOnce("POST", "/v1/user/password", { current_password: current.value, new_password: fresh.value });
  } catch (failure) {
    throw failure.status === 401 ? new FormProblem("The current password is not right.") : failure;
  }
  form.reset();
  announce("Your password is changed.");
  await loadUser();
}
