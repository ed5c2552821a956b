/** The sign-in page. */

import { callOnce, explain } from "../api.js";
import { serverUrl } from "../base.js";
import { field, h } from "../dom.js";
import { session } from "../session.js";

/** The page; `enter` is called once somebody is signed in. */
export function signInView(enter) {
  const error = h("p", { class: "note bad", role: "alert", hidden: true });
  const submit = h("button", { class: "primary", type: "submit" }, "Sign in");
  const email = h("input", { type: "email", name: "email", autocomplete: "username", required: true });
  const form = h(
    "form",
    { class: "stack", method: "post", action: serverUrl("/login") },
    error,
    field("E-mail", email),
    field(
      "Password",
      h("input", { type: "password", name: "password", autocomplete: "current-password", required: true }),
    ),
    submit,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    submit.disabled = true;
    try {
      await callOnce("POST", "/auth/login", Object.fromEntries(new FormData(form)));
    } catch (failure) {
      error.textContent = failure.status === 401 ? refusal(failure) : explain(failure);
      error.hidden = false;
      submit.disabled = false;
      form.elements.password.select();
      return;
    }
    await enter();
  });
  if (!offersPassword()) return { title: "Sign in", node: h("div", { class: "sign-in" }, heading(), noPassword()) };
  return {
    title: "Sign in",
    focus: email,
    node: h("div", { class: "sign-in" }, heading(), h("div", { class: "panel" }, form), firstTime()),
  };
}

function refusal(failure) {
  if (failure.message.startsWith("untrusted")) {
    return "The server does not trust this page's address. Set PHOENIX_CSRF_TRUSTED_ORIGINS or PHOENIX_ROOT_URL on the server, then reload.";
  }
  return "E-mail and password do not match. Check both, or ask an administrator for a new password.";
}

function offersPassword() {
  return session.config.login_methods.includes("password");
}

function noPassword() {
  return h(
    "p",
    { class: "note" },
    "Signing in with a password is switched off on this server. Use an API key from a program instead.",
  );
}

function heading() {
  return [
    h("img", { src: serverUrl("/console/icon.svg"), alt: "", width: 48, height: 48 }),
    h("h1", { tabindex: "-1" }, "Sign in to phoenix-grpc"),
  ];
}

function firstTime() {
  return h(
    "details",
    { class: "muted small" },
    h("summary", {}, "First time here?"),
    h(
      "p",
      {},
      "The first administrator is ",
      h("code", {}, "admin@localhost"),
      ". Its password is PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD, or the one the server printed when it first started.",
    ),
  );
}
