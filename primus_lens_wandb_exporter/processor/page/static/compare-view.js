// The comparison: runs that were chosen, their charts overlaid, and tables of them side by side.

import { stream } from "./api.js";
import { Board } from "./board.js";
import { asParams, chosen, readChoice, turnSort } from "./compare-choice.js";
import { Chooser } from "./compare-chooser.js";
import { loadEntry, metricNames, tellApart } from "./compare-entries.js";
import { makeSummary, summarize } from "./compare-summary.js";
import { fillConfigTable, fillRunsTable } from "./compare-tables.js";
import { Controls, readOptions } from "./controls.js";
import { fill, h, notice, throttle } from "./dom.js";
import { plural, runName } from "./format.js";
import { remember } from "./router.js";
import { makeTabs } from "./tabs.js";

const PACE = 1500; // milliseconds between two looks at runs that changed
const LOOK = 30_000; // milliseconds between two looks at runs of which nothing is heard

/** Show the comparison that an address stands for; the returned function ends it. */
export function show(host, route) {
  document.title = "Compare runs";
  const comparison = new Comparison(route.params);
  host.append(comparison.element);
  return () => comparison.close();
}

class Comparison {
  #choice;
  #options;
  #entries = new Map();
  #unknown = [];
  #board = null;
  #endStream = () => {};
  #changed = new Set();
  #loading = new AbortController();
  #ended = new AbortController();
  #soon = throttle(() => this.#refresh(), PACE);
  #looking = setInterval(() => this.#look(), LOOK);
  #chooser;
  #controls;
  #trouble = h("div", { role: "alert" });
  #empty = notice("Nothing is compared yet", "Tick up to 20 runs in the list; what differs between them is shown here.");
  #summary = h("div");
  #charts = h("div");
  #runs = h("div");
  #configs = h("div");
  #body;

  constructor(params) {
    this.#choice = readChoice(params);
    this.#options = readOptions(params);
    this.#chooser = new Chooser(this.#choice, () => this.#choose());
    this.#controls = new Controls(this.#options, (changes) => this.#draw(changes));
    const tabs = [
      ["charts", "Charts", () => this.#charts],
      ["runs", "Side by side", () => this.#runs],
      ["config", "Config", () => h("div", {}, this.#only(), this.#configs)],
    ];
    const turned = (name) => {
      remember({ tab: name === "charts" ? "" : name });
      this.#tables();
    };
    const parts = makeTabs(tabs, params.get("tab"), turned);
    this.#body = h("div", { class: "compared", hidden: true }, this.#summary, this.#controls.element, parts);
    this.element = h(
      "div",
      { class: "compare" },
      h("h1", {}, "Compare runs"),
      this.#chooser.element,
      h("div", { class: "comparison" }, this.#trouble, this.#empty, this.#body),
    );
    this.#chooser.load();
    this.#load();
  }

  /** End all that goes on. */
  close() {
    clearInterval(this.#looking);
    this.#loading.abort();
    this.#ended.abort();
    this.#soon.cancel();
    this.#endStream();
    this.#chooser.close();
    this.#board?.close();
  }

  #only() {
    const box = h("input", { type: "checkbox", checked: this.#choice.only });
    box.addEventListener("change", () => this.#retable({ only: box.checked }));
    return h("label", { class: "only" }, box, " Only differences");
  }

  #choose() {
    remember(asParams(this.#choice));
    this.#load();
  }

  /** Load what was chosen and is not known yet, then show all of it. */
  async #load() {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    const keys = chosen(this.#choice);
    this.#follow(keys); // first, so that nothing is missed between the two
    const missing = keys.filter((key) => !this.#entries.has(key));
    const failures = await this.#fetch(missing, signal);
    if (signal.aborted) return;
    this.#unknown = failures.filter(({ error }) => error.status === 404).map(({ key }) => key);
    const failure = failures.find(({ error }) => error.status !== 404)?.error;
    this.#say(failure);
    this.#empty.hidden = keys.length > 0;
    for (const { run } of this.#compared()) this.#chooser.call(run.key, runName(run));
    this.#chooser.mark();
    this.#show();
  }

  /** Load runs; return `{key, error}` of those that could not be loaded. */
  async #fetch(keys, signal) {
    const failures = [];
    const one = async (key) => {
      try {
        const entry = await loadEntry(key, signal);
        this.#entries.set(key, entry);
      } catch (error) {
        failures.push({ key, error });
      }
    };
    await Promise.all(keys.map(one));
    return failures;
  }

  #follow(keys) {
    const place = this.#endStream();
    const heard = { changed: (changes) => this.#note(changes), reset: () => this.#reload() };
    this.#endStream = keys.length ? stream(keys, heard, place) : () => {};
  }

  #say(failure) {
    if (failure) {
      fill(this.#trouble, notice("The runs could not be loaded", failure.message, () => this.#load()));
    } else if (this.#unknown.length) {
      const what = plural(this.#unknown.length, "run");
      const text = `${what} of this address cannot be found: the data may have been removed by now.`;
      fill(this.#trouble, notice("Not all runs are here", text));
    } else {
      fill(this.#trouble);
    }
  }

  /** The entries of the runs that were chosen, each with its `slot`, in the order they were chosen in. */
  #compared() {
    const entries = this.#choice.slots.map((key, slot) => ({ ...this.#entries.get(key), slot }));
    return tellApart(entries.filter((entry) => entry.run));
  }

  #show() {
    const entries = this.#compared();
    const keys = entries.map(({ run }) => run.key);
    this.#body.hidden = !keys.length;
    if (!keys.length) return;
    const runs = entries.map(({ run, slot }) => ({ ...run, slot }));
    if (this.#board) {
      this.#board.setRuns(runs);
    } else {
      this.#board = new Board(runs, this.#options, (range) => this.#controls.zoomed(range));
      fill(this.#charts, this.#board.element);
    }
    this.#update();
  }

  /** Show what is known now: lists of metrics, marks, tables. */
  #update() {
    const entries = this.#compared();
    this.#board.setMetrics(entries.flatMap(({ metrics }) => metrics));
    this.#board.setMarks(entries.flatMap(({ marks }) => marks));
    fill(this.#summary, makeSummary(summarize(entries.map(({ run }) => run), metricNames(entries).length)));
    this.#tables(entries);
  }

  /** Fill the table that is shown. */
  #tables(entries = this.#compared()) {
    const wanted = this.#options.filter.toLowerCase();
    const metrics = metricNames(entries).filter((name) => name.toLowerCase().includes(wanted));
    const turn = (id) => this.#retable({ sort: turnSort(this.#choice.sort, id) });
    if (this.#runs.isConnected) fillRunsTable(this.#runs, entries, { metrics, sort: this.#choice.sort, turn });
    if (this.#configs.isConnected) fillConfigTable(this.#configs, entries, this.#choice.only);
  }

  #retable(changes) {
    Object.assign(this.#choice, changes);
    remember(asParams(this.#choice));
    this.#tables();
  }

  #draw(changes) {
    this.#options = { ...this.#options, ...changes };
    this.#board?.choose(changes);
    if ("filter" in changes) this.#tables();
  }

  #note(changes) {
    this.#board?.note(changes);
    for (const { run } of changes) this.#changed.add(run);
    this.#soon();
  }

  /** Load again what changed of the runs that are compared. */
  async #refresh() {
    const { signal } = this.#ended;
    const keys = [...this.#changed].filter((key) => this.#entries.has(key));
    this.#changed.clear();
    const failures = await this.#fetch(keys, signal);
    if (signal.aborted) return;
    for (const { key } of failures) this.#changed.add(key); // with the next change
    if (this.#board) this.#update();
  }

  /** A run that is not heard of any more has crashed, of which nobody tells; others have begun. */
  #look() {
    if (document.hidden) return;
    this.#chooser.load();
    for (const { run } of this.#compared()) if (run.state === "running") this.#changed.add(run.key);
    if (this.#changed.size) this.#soon();
  }

  #reload() {
    this.#board?.reload();
    for (const key of this.#entries.keys()) this.#changed.add(key);
    this.#soon();
  }
}
