/** Starts the console: who is here, the header, the routes. */

import { attempt, button } from "./actions.js";
import { SignedOut, call, explain } from "./api.js";
import { inClear, serverUrl } from "./base.js";
import { h } from "./dom.js";
import { display, onSigningOut, route, show } from "./router.js";
import { hasAccounts, isAdmin, loadConfig, loadUser, session } from "./session.js";
import { auditView } from "./views/audit.js";
import { datasetView } from "./views/dataset.js";
import { datasetsView } from "./views/datasets.js";
import { settingsView } from "./views/settings.js";
import { resetPasswordView, signInView } from "./views/sign_in.js";
import { systemKeysView } from "./views/system_keys.js";
import { usersView } from "./views/users.js";

const header = document.getElementById("header");
const signInUrl = serverUrl("/login");
const homeUrl = serverUrl("/");
const RESET_LINK = "#/reset-password";
let entered = false;

async function start() {
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  // A file that is dropped beside its place must not replace the console.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
  route("/datasets", datasetsView);
  route("/datasets/:id", datasetView);
  onSigningOut(signIn);
  await loadConfig();
  if (hasAccounts()) addAccountRoutes();
  addEventListener("hashchange", () => attempt(navigate));
  await navigate();
}

function addAccountRoutes() {
  route("/settings", settingsView);
  route("/admin/users", usersView);
  route("/admin/keys", systemKeysView);
  route("/admin/audit", auditView);
}

/** Shows the view of the address, to people who may see it. */
async function navigate() {
  if (location.hash.startsWith(RESET_LINK)) return resetPassword();
  return entered ? show() : enter();
}

async function enter() {
  try {
    await loadUser();
  } catch (failure) {
    if (failure instanceof SignedOut) return signIn();
    throw failure;
  }
  if (location.pathname === new URL(signInUrl).pathname) history.replaceState(null, "", homeUrl + location.hash);
  header.replaceChildren(...headerContent());
  entered = true;
  return show();
}

/** The page behind a mailed link; its token leaves the address at once. */
function resetPassword() {
  const token = new URLSearchParams(location.hash.split("?")[1]).get("token") ?? "";
  history.replaceState(null, "", homeUrl);
  display(resetPasswordView(token, enter));
}

function signIn() {
  entered = false;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  header.replaceChildren();
  document.getElementById("main").removeAttribute("aria-busy");
  display(signInView(enter));
}

function headerContent() {
  const brand = h(
    "a",
    { class: "brand", href: "#/datasets" },
    h("img", { src: serverUrl("/console/icon.svg"), alt: "", width: 28, height: 28 }),
    "phoenix-grpc",
  );
  return [brand, h("nav", { class: "nav", "aria-label": "Main" }, navLinks()), h("div", { class: "who" }, identity())];
}

function navLinks() {
  const links = [["#/datasets", "Datasets"]];
  if (hasAccounts()) links.push(["#/settings", "Settings"]);
  if (isAdmin()) links.push(["#/admin/users", "Admin"]);
  return links.map(([href, label]) => h("a", { href }, label));
}

function identity() {
  if (!hasAccounts()) return h("span", { class: "badge" }, "Authentication is off");
  const { username, role, email } = session.user;
  const warning = "Others on the network can read what you send. An administrator can set PHOENIX_TLS_ENABLED.";
  return [
    inClear && h("span", { class: "badge warn", title: warning }, "Not encrypted"),
    h("span", { class: "name", title: email }, username),
    h("span", { class: "badge" }, role.toLowerCase()),
    button("Sign out", signOut, { class: "quiet" }),
  ];
}

async function signOut() {
  await call("POST", "/auth/logout");
  history.replaceState(null, "", signInUrl);
  signIn();
}

start().catch((failure) =>
  display({
    title: "No answer",
    node: h(
      "div",
      { class: "stack" },
      h("h1", { tabindex: "-1" }, "The console could not start"),
      h("p", { class: "note bad", role: "alert" }, explain(failure)),
      h("p", {}, h("a", { href: homeUrl }, "Try again")),
    ),
  }),
);
