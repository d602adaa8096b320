// The pods that announced themselves and went quiet: which they are, since when, and what they sent last.

import { fill, h } from "./dom.js";
import { ago, count, moment, runName } from "./format.js";
import { fillCell, makeCells, makeTable, placeRows } from "./list.js";
import { link } from "./router.js";

const COLUMNS = ["Pod", "Workload", "Last heard of", "Sent last", "Announced", "Host", "Rank", "Open runs"];
const NUMBERS = new Set(["Rank"]);
const MOST_RUNS = 3;
const NAMES = new Intl.Collator("en", { numeric: true }); // worker-3 before worker-11
const SENT = {
  detection: "its detection record",
  started: "that a run began",
  points: "points",
  entries: "log entries",
  finished: "that a run finished",
  failed: "that a run failed",
};
const VALUES = new Set(["points", "entries"]);

/** Their table; `.show(workloads, stay)` takes what the API answers. */
export class SilentPods {
  #rows = new Map();
  #body = h("tbody");
  #more = h("p", { class: "muted aside" });
  element = h("div", {}, makeTable(COLUMNS, NUMBERS, this.#body), this.#more);

  show(workloads, stay) {
    const byName = (one, other) => NAMES.compare(one.pod_name, other.pod_name);
    const rows = workloads.flatMap(({ uid, pods }) => [...pods].sort(byName).map((pod) => this.#rowOf(uid, pod)));
    placeRows(this.#body, rows, stay);
    const left = workloads.filter(({ silent_count: all, pods }) => all > pods.length);
    fill(this.#more, left.map(({ uid, silent_count: all, pods }) => h("span", { class: "sub" }, `${count(all - pods.length)} more of ${uid}`)));
  }

  #rowOf(workload, pod) {
    const key = JSON.stringify([workload, pod.pod_uid, pod.pod_name]);
    if (!this.#rows.has(key)) {
      const cells = makeCells(COLUMNS, NUMBERS);
      cells[0].className = "wrap";
      this.#rows.set(key, { row: h("tr", {}, cells), cells });
    }
    const { row, cells } = this.#rows.get(key);
    const when = (time) => h("span", { class: "when", title: moment(time) }, ago(time));
    const values = pod.last_data === null ? "never a value" : !VALUES.has(pod.last_sent) && ["values ", when(pod.last_data)];
    const contents = [
      [h("b", { title: pod.pod_uid }, pod.pod_name || pod.pod_uid), pod.namespace && h("span", { class: "sub" }, pod.namespace)],
      h("a", { class: "plain", href: link("", "", { workload }) }, workload),
      when(pod.last_seen),
      [SENT[pod.last_sent], values && h("span", { class: "sub" }, values)],
      when(pod.announced),
      [h("span", { title: pod.host }, pod.host.split(".")[0] || "–"), pod.pid && h("span", { class: "sub" }, `process ${pod.pid}`)],
      pod.rank ?? "–",
      runsOf(pod.open_runs),
    ];
    contents.forEach((content, at) => fillCell(cells[at], content));
    return row;
  }
}

function runsOf(runs) {
  const links = runs.slice(0, MOST_RUNS).map((run) => h("a", { class: "line", href: link("run", run.key) }, runName(run)));
  if (!links.length) return "–";
  return [links, runs.length > MOST_RUNS && h("span", { class: "sub" }, `and ${count(runs.length - MOST_RUNS)} more`)];
}
