// The list of runs: found, filtered, chosen for comparison; it moves while they train.

import { fill, h, notice, renew } from "./dom.js";
import { ago, count, duration, gpus, moment, number, plural, runDuration, runName } from "./format.js";
import { fillCell, List, makeCells, makeTable, placeRows, searchBox } from "./list.js";
import { link, remember } from "./router.js";
import { stateOf } from "./run-parts.js";
import { welcome } from "./welcome.js";

const MOST_CHOSEN = 20;
const STATES = ["running", "finished", "failed", "crashed"];
const COLUMNS = ["", "Run", "State", "Workload", "Framework", "GPUs and host", "Started", "Duration", "Last step", "Last loss", "Points"];
const NUMBERS = new Set(["Duration", "Last step", "Last loss", "Points"]);

/** Show the list; returns a function that ends it. */
export function show(host, { params }) {
  document.title = "Training runs";
  const view = new RunsView(host, params);
  return () => view.close();
}

class RunsView {
  #search;
  #states;
  #workload;
  #chosen; // keys of the runs that are ticked
  #rows = new Map(); // key -> row, its cells, its box
  #body = h("tbody");
  #table = makeTable(COLUMNS, NUMBERS, this.#body);
  #found = h("p", { class: "muted", role: "status" });
  #compare = h("a", { class: "button primary" });
  #clear = h("button", { type: "button", onclick: () => this.#choose([]) }, "Clear");
  #list;

  constructor(host, params) {
    this.#search = params.get("search") ?? "";
    this.#states = new Set((params.get("state") ?? "").split(",").filter((state) => STATES.includes(state)));
    this.#workload = params.get("workload") ?? "";
    this.#chosen = new Set((params.get("chosen") ?? "").split(",").filter(Boolean).slice(0, MOST_CHOSEN));
    const ask = () => ({ search: this.#search, state: [...this.#states].join(","), workload: this.#workload });
    this.#list = new List("/runs", { ask, show: (answer, stay) => this.#show(answer, stay) });
    host.append(h("h1", { class: "hidden" }, "Training runs"), this.#controls(), this.#list.element);
    this.#showChosen();
  }

  close() {
    this.#list.close();
  }

  #controls() {
    const search = searchBox(this.#search, "Search runs", (text) => {
      this.#search = text;
      this.#list.again();
    });
    const filter = h("fieldset", { class: "states" }, h("legend", { class: "hidden" }, "State"), STATES.map((state) => this.#stateBox(state)));
    const label = "Show the runs of all workloads";
    const only = this.#workload && h("a", { class: "button chip", href: "#/", "aria-label": label }, `${this.#workload}  ✕`);
    const bar = h("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, search, only, filter, this.#found);
    bar.append(h("span", { class: "spacer" }), this.#clear, this.#compare);
    return bar;
  }

  #stateBox(state) {
    const box = h("input", { type: "checkbox", checked: this.#states.has(state) });
    box.addEventListener("change", () => {
      this.#states[box.checked ? "add" : "delete"](state);
      remember({ state: [...this.#states].join(",") });
      this.#list.again();
    });
    return h("label", {}, box, " ", stateOf({ state }));
  }

  #show({ runs, total_count: total }, stay) {
    const narrowed = this.#search || this.#states.size || this.#workload;
    this.#found = renew(this.#found, h("p", { class: "muted", role: "status" }, plural(total, "run")));
    if (runs.length) {
      if (this.#table.parentNode !== this.#list.body) fill(this.#list.body, this.#table);
      placeRows(this.#body, runs.map((run) => this.#row(run)), stay);
    } else {
      fill(this.#list.body, narrowed ? notice("No run is like that", "Search for less, or allow more states.") : welcome());
    }
  }

  #row(run) {
    if (!this.#rows.has(run.key)) this.#rows.set(run.key, this.#makeRow(run));
    const { row, cells } = this.#rows.get(run.key);
    const contents = [
      [h("a", { href: link("run", run.key) }, runName(run)), run.project && h("span", { class: "sub" }, run.project)],
      stateOf(run),
      h("a", { class: "plain", href: link("", "", { workload: run.workload }) }, run.workload),
      run.framework || "–",
      [gpus(run), run.host && h("span", { class: "sub", title: run.host }, run.host.split(".")[0])],
      h("span", { class: "when", title: moment(run.started) }, ago(run.started)),
      duration(runDuration(run)),
      count(run.last_step),
      run.loss ? [number(run.loss.value), h("span", { class: "sub" }, run.loss.name)] : "–",
      count(run.points),
    ];
    contents.forEach((content, at) => fillCell(cells[at + 1], content));
    return row;
  }

  #makeRow(run) {
    const label = `Compare ${runName(run)}`;
    const checked = this.#chosen.has(run.key);
    const disabled = !checked && this.#chosen.size >= MOST_CHOSEN;
    const box = h("input", { type: "checkbox", checked, disabled, "aria-label": label });
    box.addEventListener("change", () => {
      const others = [...this.#chosen].filter((key) => key !== run.key);
      this.#choose(box.checked ? [...others, run.key] : others);
    });
    const cells = makeCells(COLUMNS, NUMBERS);
    cells[0].append(box);
    cells[0].className = "pick";
    cells[1].className = "wrap";
    return { row: h("tr", {}, cells), cells, box };
  }

  #choose(chosen) {
    this.#chosen = new Set(chosen);
    remember({ chosen: chosen.join(",") });
    for (const [key, { box }] of this.#rows) box.checked = this.#chosen.has(key);
    this.#showChosen();
  }

  #showChosen() {
    const full = this.#chosen.size >= MOST_CHOSEN;
    for (const { box } of this.#rows.values()) box.disabled = full && !box.checked;
    const enough = this.#chosen.size >= 2;
    this.#clear.hidden = !this.#chosen.size;
    this.#compare.textContent = this.#chosen.size ? `Compare ${this.#chosen.size}` : "Compare";
    this.#compare.title = full ? `At most ${MOST_CHOSEN} runs are compared at once` : enough ? "" : "Tick at least two runs";
    if (enough) this.#compare.href = link("compare", "", { runs: [...this.#chosen].join(",") });
    else this.#compare.removeAttribute("href");
    this.#compare.setAttribute("aria-disabled", String(!enough));
  }
}
