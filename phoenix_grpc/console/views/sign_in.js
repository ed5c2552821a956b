/** The pages for people who are not signed in: signing in, and setting a new password by a mailed link. */

import { announce, button } from "../actions.js";
import { callOnce } from "../api.js";
import { inClear, serverUrl } from "../base.js";
import { formDialog } from "../dialog.js";
import { field, h } from "../dom.js";
import { FormProblem, actionForm, passwordInput } from "../form.js";
import { session } from "../session.js";

/** The sign-in page; `enter` is called once somebody is signed in. */
export function signInView(enter) {
  if (!session.config.login_methods.includes("password")) return page("Sign in", null, noPassword());
  const email = h("input", { type: "email", name: "email", autocomplete: "username", required: true });
  const form = actionForm({
    content: [field("E-mail", email), field("Password", passwordInput("password", "current-password"))],
    submit: "Sign in",
    action: async (element) => {
      await signIn(element);
      await enter();
    },
  });
  const forgotten =
    session.config.password_reset_enabled && button("Forgot your password?", askReset, { class: "quiet" });
  const warning =
    inClear && h("p", { class: "note" }, "This connection is not encrypted: others on the network can read your password.");
  return page("Sign in", email, warning, h("div", { class: "panel" }, form), forgotten, firstTime());
}

async function signIn(form) {
  try {
    await callOnce("POST", "/auth/login", Object.fromEntries(new FormData(form)));
  } catch (failure) {
    form.elements.password.select();
    throw failure.status === 401 ? new FormProblem(refusal(failure)) : failure;
  }
}

function refusal({ message }) {
  if (!message.startsWith("untrusted")) {
    return "E-mail and password do not match. Check both, or ask an administrator for a new password.";
  }
  return "The server does not trust this address. An administrator can add it to PHOENIX_CSRF_TRUSTED_ORIGINS.";
}

async function askReset() {
  const email = h("input", { type: "email", required: true, autocomplete: "username", autofocus: true });
  const asked = await formDialog({
    title: "Set a new password",
    submit: "Send the link",
    content: field("E-mail", email, "If there is such an account, it gets a link by mail."),
    onsubmit: async () => {
      await callOnce("POST", "/auth/password-reset-email", { email: email.value });
      return true;
    },
  });
  if (asked) announce("If there is such an account, a mail is on its way.");
}

/** The page behind the link of a mail, with its token; `enter` is called once the new password is set. */
export function resetPasswordView(token, enter) {
  const fresh = passwordInput("fresh", "new-password");
  const form = actionForm({
    content: [field("New password", fresh), field("New password again", passwordInput("again", "new-password"))],
    submit: "Set password",
    action: async ({ elements }) => {
      checkRepeated(elements);
      await resetPassword(token, fresh.value);
      announce("Your new password is set. Sign in with it.");
      await enter();
    },
  });
  return page("Set a new password", fresh, h("div", { class: "panel" }, form));
}

/** Raises FormProblem unless the new password was typed twice alike. */
export function checkRepeated({ fresh, again }) {
  if (fresh.value !== again.value) throw new FormProblem("The two new passwords differ. Type the same one twice.");
}

async function resetPassword(token, password) {
  try {
    await callOnce("POST", "/auth/password-reset", { token, password });
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    throw new FormProblem("This link was used already or is too old. Ask for a new one on the sign-in page.");
  }
}

function page(title, focus, ...content) {
  const picture = h("img", { src: serverUrl("/console/icon.svg"), alt: "", width: 48, height: 48 });
  const heading = h("h1", { tabindex: "-1" }, title === "Sign in" ? "Sign in to phoenix-grpc" : title);
  return { title, focus, node: h("div", { class: "sign-in" }, picture, heading, content) };
}

function noPassword() {
  const text = "Signing in with a password is switched off on this server. Use an API key from a program instead.";
  return h("p", { class: "note" }, text);
}

function firstTime() {
  const where = "PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD, or the one the server printed when it first started.";
  const text = ["The first administrator is ", h("code", {}, "admin@localhost"), `. Its password is ${where}`];
  return h("details", { class: "muted small" }, h("summary", {}, "First time here?"), h("p", {}, text));
}
