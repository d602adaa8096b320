// The start of the page: which view stands for which address.

import { AWAY, onConnection } from "./api.js";
import { fill, notice } from "./dom.js";
import { onRoute, readRoute } from "./router.js";

// A view's module has `show(host, route)`, which returns a function that ends it.
const VIEWS = {
  "": () => import("./runs-view.js"),
  run: () => import("./run-view.js"),
  workloads: () => import("./workloads-view.js"),
  compare: () => import("./compare-view.js"),
};
const CONNECTION = { live: "Live", cut: "Not connected, trying again" };

const host = document.getElementById("view");
const connection = document.getElementById("connection");
const places = document.querySelectorAll("[data-view]");
let end = () => {};
let shown = 0;

async function show() {
  const route = readRoute();
  const mine = ++shown;
  for (const place of places) {
    if (place.dataset.view === route.view) place.setAttribute("aria-current", "page");
    else place.removeAttribute("aria-current");
  }
  end();
  end = () => {};
  const load = Object.hasOwn(VIEWS, route.view) && VIEWS[route.view];
  if (!load) return fill(host, notice("There is no such page", "The address may have been cut short."));
  try {
    const view = await load().catch(() => {
      throw new Error(AWAY);
    });
    if (mine !== shown) return;
    fill(host);
    end = view.show(host, route);
  } catch (error) {
    if (mine === shown) fill(host, notice("The page could not be loaded", error.message, show));
  }
}

onConnection((state) => {
  connection.textContent = CONNECTION[state] ?? "";
  connection.dataset.state = state;
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox], [type=range]), textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = host.querySelector("input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
});

// The address behind `#` is the view's: the link to the content must not go there.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  host.focus();
});

onRoute(() => {
  show();
  scrollTo(0, 0);
  host.focus({ preventScroll: true });
});
show();
