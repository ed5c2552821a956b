/** Hash routes: "#/datasets/ID?version=V" shows the view of "/datasets/:id". */

import { SignedOut, explain } from "./api.js";
import { h } from "./dom.js";

const main = document.getElementById("main");
const routes = [];
let visit = 0;
let onSignedOut = () => {};

/** Adds a route; `view(params, query)` returns the page's {title, node}, or a promise of it. */
export function route(pattern, view) {
  const names = [...pattern.matchAll(/:(\w+)/g)].map(([, name]) => name);
  routes.push({ expression: new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}$`), names, view });
}

/** The link to a route, with its query. */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  return `#${path}${text && `?${text}`}`;
}

/** Goes to a route. */
export function go(hash) {
  if (location.hash === hash) show();
  else location.hash = hash;
}

/** Calls `signedOut` whenever a view or an action finds that nobody is signed in. */
export function onSigningOut(signedOut) {
  onSignedOut = signedOut;
  addEventListener("unhandledrejection", (event) => {
    if (event.reason instanceof SignedOut) {
      event.preventDefault();
      signedOut();
    }
  });
}

/** Shows the view of the address. The previous view stays until the new one is complete, so that nothing jumps. */
export async function show() {
  const current = ++visit;
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const found = routes.map((entry) => ({ ...entry, match: entry.expression.exec(path) })).find(({ match }) => match);
  if (!found) return location.replace("#/datasets");
  main.setAttribute("aria-busy", "true");
  const page = await render(found, new URLSearchParams(query));
  if (current !== visit || !page) return;
  main.removeAttribute("aria-busy");
  display(page);
}

async function render({ view, names, match }, query) {
  const params = Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(match[index + 1])]));
  try {
    return await view(params, query);
  } catch (failure) {
    if (failure instanceof SignedOut) return onSignedOut();
    return { title: "Something went wrong", node: failed(explain(failure)) };
  }
}

function failed(text) {
  return h(
    "div",
    { class: "stack" },
    h("h1", { tabindex: "-1" }, "This page could not be shown"),
    h("p", { class: "note bad", role: "alert" }, text),
    h("p", {}, h("a", { href: "#/datasets" }, "Back to the datasets")),
  );
}

/** Shows a page and puts the focus on its heading, or on `focus`, for the keyboard and screen readers. */
export function display({ title, node, focus = null }) {
  document.title = `${title} · phoenix-grpc`;
  main.replaceChildren(node);
  markCurrent();
  scrollTo(0, 0);
  (focus ?? main.querySelector("h1")).focus({ preventScroll: true });
}

function sectionOf(hash) {
  return hash.split(/[/?]/)[1];
}

function markCurrent() {
  for (const anchor of document.querySelectorAll(".nav a")) {
    const here = sectionOf(location.hash) === sectionOf(anchor.getAttribute("href"));
    if (here) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}
