// The list of workloads: what trains in them, how much, and since when; or their silent pods.

import { fill, h, notice, renew } from "./dom.js";
import { ago, count, moment, plural } from "./format.js";
import { fillCell, List, makeCells, makeTable, placeRows, searchBox } from "./list.js";
import { link, remember } from "./router.js";
import { SilentPods } from "./workloads-silent.js";
import { welcome } from "./welcome.js";

const COLUMNS = ["Workload", "Framework", "Pods", "Runs", "Points", "First seen", "Last seen"];
const NUMBERS = new Set(["Pods", "Runs", "Points"]);

/** Show the list; returns a function that ends it. */
export function show(host, { params }) {
  document.title = "Workloads";
  let search = params.get("search") ?? "";
  let silent = params.get("silent") === "1";
  const tables = { all: new Workloads(), silent: new SilentPods() };
  let found = h("p", { class: "muted", role: "status" });

  function showAnswer({ workloads, total_count: total }, stay) {
    const table = silent ? tables.silent : tables.all;
    found = renew(found, h("p", { class: "muted", role: "status" }, summary(workloads, total)));
    if (workloads.length) {
      if (table.element.parentNode !== list.body) fill(list.body, table.element);
      table.show(workloads, stay);
    } else {
      fill(list.body, nothing());
    }
  }

  function summary(workloads, total) {
    const all = plural(total, "workload");
    if (!silent || !total) return silent ? "" : all;
    const pods = workloads.reduce((sum, { silent_count: some }) => sum + some, 0);
    return total > workloads.length ? `silent pods of ${all}` : `${plural(pods, "silent pod")} of ${all}`;
  }

  function nothing() {
    if (silent) return notice("No pod is silent", "Each that announced itself was heard of in the last 5 minutes, or told how its runs ended.");
    return search ? notice("No workload is like that", "Search for less.") : welcome();
  }

  const list = new List("/workloads", { ask: () => ({ search, silent: silent ? 1 : "" }), show: showAnswer });
  const box = searchBox(search, "Search workloads", (text) => {
    search = text;
    list.again();
  });
  const only = h("input", { type: "checkbox", checked: silent });
  only.addEventListener("change", () => {
    silent = only.checked;
    remember({ silent: silent ? 1 : "" });
    list.again();
  });
  const label = h("label", {}, only, " ", h("span", { class: "state state-crashed" }, "silent pods"));
  const filter = h("fieldset", { class: "states" }, h("legend", { class: "hidden" }, "Of these alone"), label);
  const bar = h("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, box, filter, found);
  host.append(h("h1", { class: "hidden" }, "Workloads"), bar, list.element);
  return () => list.close();
}

class Workloads {
  #rows = new Map();
  #body = h("tbody");
  element = makeTable(COLUMNS, NUMBERS, this.#body);

  show(workloads, stay) {
    placeRows(this.#body, workloads.map((workload) => this.#rowOf(workload)), stay);
  }

  #rowOf({ uid, framework, runs, points, first_seen: first, last_seen: last, pod_count: pods, silent_count: silent }) {
    if (!this.#rows.has(uid)) {
      const cells = makeCells(COLUMNS, NUMBERS);
      cells[0].className = "wrap";
      this.#rows.set(uid, { row: h("tr", {}, cells), cells });
    }
    const { row, cells } = this.#rows.get(uid);
    const when = (time) => h("span", { class: "when", title: moment(time) }, ago(time));
    const contents = [
      h("a", { href: link("", "", { workload: uid }) }, uid),
      framework || "–",
      [count(pods), silent > 0 && h("a", { class: "sub warn", href: link("workloads", "", { search: uid, silent: 1 }) }, `${count(silent)} silent`)],
      count(runs),
      count(points),
      when(first),
      when(last),
    ];
    contents.forEach((content, at) => fillCell(cells[at], content));
    return row;
  }
}
