// The list of workloads: what trains in them, how much, and since when.

import { fill, h, notice, renew } from "./dom.js";
import { ago, count, moment, plural } from "./format.js";
import { fillCell, List, makeCells, makeTable, placeRows, searchBox } from "./list.js";
import { link } from "./router.js";
import { welcome } from "./welcome.js";

const COLUMNS = ["Workload", "Framework", "Runs", "Points", "First seen", "Last seen"];
const NUMBERS = new Set(["Runs", "Points"]);

/** Show the list; returns a function that ends it. */
export function show(host, { params }) {
  document.title = "Workloads";
  let search = params.get("search") ?? "";
  const rows = new Map();
  const body = h("tbody");
  const table = makeTable(COLUMNS, NUMBERS, body);
  let found = h("p", { class: "muted", role: "status" });

  function showAnswer({ workloads, total_count: total }, stay) {
    found = renew(found, h("p", { class: "muted", role: "status" }, plural(total, "workload")));
    if (workloads.length) {
      if (table.parentNode !== list.body) fill(list.body, table);
      placeRows(body, workloads.map((workload) => rowOf(rows, workload)), stay);
    } else {
      fill(list.body, search ? notice("No workload is like that", "Search for less.") : welcome());
    }
  }

  const list = new List("/workloads", { ask: () => ({ search }), show: showAnswer });
  const box = searchBox(search, "Search workloads", (text) => {
    search = text;
    list.again();
  });
  const bar = h("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, box, found);
  host.append(h("h1", { class: "hidden" }, "Workloads"), bar, list.element);
  return () => list.close();
}

function rowOf(rows, { uid, framework, runs, points, first_seen: first, last_seen: last }) {
  if (!rows.has(uid)) {
    const cells = makeCells(COLUMNS, NUMBERS);
    cells[0].className = "wrap";
    rows.set(uid, { row: h("tr", {}, cells), cells });
  }
  const { row, cells } = rows.get(uid);
  const when = (time) => h("span", { class: "when", title: moment(time) }, ago(time));
  const contents = [
    h("a", { href: link("", "", { workload: uid }) }, uid),
    framework || "–",
    count(runs),
    count(points),
    when(first),
    when(last),
  ];
  contents.forEach((content, at) => fillCell(cells[at], content));
  return row;
}
