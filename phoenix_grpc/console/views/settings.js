/** Settings of the person who is signed in: keys, sessions, password. */

import { callOnce, explain, freshen } from "../api.js";
import { announce } from "../dialog.js";
import { field, h } from "../dom.js";
import { loadUser, session } from "../session.js";
import { keysPanel } from "./keys.js";
import { sessionsPanel } from "./sessions.js";

/** The page. */
export async function settingsView() {
  const { username, email, role, password_needs_reset: needsReset } = session.user;
  const keys = keysPanel({
    path: "/v1/user/api_keys",
    title: "My API keys",
    about: "A key lets a program act as you, with your role. Give each program its own.",
    empty: "Create one to reach your datasets from curl, Python, TypeScript or gRPC.",
  });
  const [keySection, sessionSection] = await Promise.all([keys, sessionsPanel()]);
  const node = h(
    "div",
    { class: "stack sections" },
    h(
      "div",
      {},
      h("h1", { tabindex: "-1" }, "Settings"),
      h("p", { class: "lead" }, `${username} · ${email} · ${role.toLowerCase()}`),
    ),
    needsReset && h("p", { class: "note" }, "Somebody else knows your password. Please choose a new one below."),
    keySection,
    sessionSection,
    passwordPanel(),
  );
  return { title: "Settings", node };
}

function passwordPanel() {
  const error = h("p", { class: "note bad", role: "alert", hidden: true });
  const submit = h("button", { type: "submit" }, "Change password");
  const email = h("input", {
    type: "email",
    autocomplete: "username",
    value: session.user.email,
    hidden: true,
    readonly: true,
  });
  const form = h(
    "form",
    { class: "stack narrow" },
    email,
    error,
    field(
      "Current password",
      h("input", { type: "password", name: "current", autocomplete: "current-password", required: true }),
    ),
    field(
      "New password",
      h("input", { type: "password", name: "fresh", autocomplete: "new-password", required: true }),
    ),
    field(
      "New password again",
      h("input", { type: "password", name: "again", autocomplete: "new-password", required: true }),
    ),
    h("div", {}, submit),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    const problem = await changePassword(form).finally(() => {
      submit.disabled = false;
    });
    error.textContent = problem ?? "";
    error.hidden = !problem;
  });
  return h(
    "section",
    { class: "stack", "aria-labelledby": "password" },
    h(
      "div",
      {},
      h("h2", { id: "password" }, "Password"),
      h("p", { class: "muted" }, "Changing it ends your other sessions. Your API keys keep working."),
    ),
    h("div", { class: "panel" }, form),
  );
}

/** Changes the password; answers what is wrong, or null. */
async function changePassword(form) {
  const { current, fresh, again } = form.elements;
  if (fresh.value !== again.value) return "The two new passwords differ. Type the same one twice.";
  try {
    await freshen();
    await callOnce("POST", "/v1/user/password", { current_password: current.value, new_password: fresh.value });
  } catch (failure) {
    return failure.status === 401 ? "The current password is not right." : explain(failure);
  }
  form.reset();
  announce("Your password is changed.");
  await loadUser();
  return null;
}
