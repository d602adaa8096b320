// One run: what it is, its charts, its config, what was found out about it, what it logged.

import { get, stream } from "./api.js";
import { Board } from "./board.js";
import { Controls, readOptions } from "./controls.js";
import { fill, h, notice, renew, throttle } from "./dom.js";
import { Entries } from "./entries.js";
import { evidenceOf } from "./evidence.js";
import { count, number, runName } from "./format.js";
import { link, remember } from "./router.js";
import { factsOf, reasonOf, stateOf } from "./run-parts.js";
import { makeTabs } from "./tabs.js";
import { searchable } from "./tables.js";

const PACE = 2000; // milliseconds between two looks at what is not a chart
const MARKS_PACE = 10_000; // since all log entries are read for them
const BEAT = 20_000;
const MOST_MARKS = 1000;

/** Show a run; returns a function that ends it. */
export function show(host, { key, params }) {
  const view = new RunView(host, key, params);
  return () => view.close();
}

class RunView {
  #host;
  #key;
  #params;
  #run = null;
  #board = null;
  #entries = null;
  #ended = new AbortController();
  #head = h("div");
  #trouble = h("div", { role: "alert" });
  #refresh = throttle(() => this.#look(), PACE);
  #refreshMarks = throttle(() => this.#lookForMarks(), MARKS_PACE);

  constructor(host, key, params) {
    this.#host = host;
    this.#key = key;
    this.#params = params;
    this.#start();
  }

  close() {
    this.#ended.abort();
    this.#refresh.cancel();
    this.#refreshMarks.cancel();
    this.#board?.close();
    this.#entries?.close();
  }

  async #start() {
    fill(this.#host, h("p", { class: "muted" }, "Loading …"));
    // First, so that nothing is missed between the two.
    const end = stream([this.#key], { changed: (changes) => this.#note(changes), reset: () => this.#reset() });
    try {
      const [run, metrics] = await Promise.all([this.#get(""), this.#get("/metrics")]);
      if (this.#ended.signal.aborted) return end();
      this.#run = run;
      this.#build(metrics);
    } catch (error) {
      end();
      if (this.#ended.signal.aborted) return;
      if (error.status === 404) fill(this.#host, h("h1", { class: "hidden" }, "Run"), notice("There is no such run", "It may have been removed since, as old runs are."), h("p", { class: "aside" }, h("a", { href: "#/" }, "All runs")));
      else fill(this.#host, notice("The run could not be loaded", error.message, () => this.#start()));
      return;
    }
    const beat = setInterval(() => document.hidden || this.#refresh(), BEAT);
    this.#ended.signal.addEventListener("abort", () => {
      end();
      clearInterval(beat);
    });
  }

  #build(metrics) {
    document.title = `${runName(this.#run)} · Training runs`;
    this.#describe();
    const tabs = [
      ["charts", "Charts", () => this.#charts(metrics)],
      ["config", "Config", () => searchable(this.#run.config, "Search the config", "This run has no config.")],
      ["evidence", "Evidence", () => evidenceOf(this.#run)],
      ["logs", "Log entries", () => this.#logs()],
    ];
    const chosen = (name) => remember({ tab: name === "charts" ? "" : name });
    fill(this.#host, this.#head, this.#trouble, makeTabs(tabs, this.#params.get("tab"), chosen));
  }

  #describe() {
    const run = this.#run;
    const told = [`step ${count(run.last_step)}`, run.loss && `${run.loss.name} ${number(run.loss.value)}`, `${count(run.points)} points`];
    const head = h(
      "div",
      {},
      h("p", {}, h("a", { href: "#/" }, "All runs"), " / ", h("a", { href: link("", "", { workload: run.workload }) }, run.workload)),
      h(
        "div",
        { class: "bar" },
        h("h1", {}, runName(run)),
        h("span", { role: "status" }, stateOf(run)),
        h("span", { class: "muted" }, reasonOf(run)),
        h("span", { class: "spacer" }),
        h("a", { class: "button", href: link("compare", "", { runs: run.key }) }, "Compare with others"),
      ),
      h("p", { class: "muted" }, told.filter(Boolean).join(" · ")),
      factsOf(run),
    );
    this.#head = renew(this.#head, head);
  }

  #charts(metrics) {
    const options = readOptions(this.#params);
    const controls = new Controls(options, (changes) => this.#board.choose(changes));
    this.#board = new Board([this.#run], options, (range) => controls.zoomed(range));
    this.#showMetrics(metrics);
    this.#refreshMarks();
    return h("div", {}, controls.element, this.#board.element);
  }

  #showMetrics({ metrics }) {
    this.#board?.setMetrics(metrics.map((row) => ({ ...row, run: this.#key })));
  }

  #logs() {
    this.#entries = new Entries(this.#key);
    return this.#entries.element;
  }

  #note(changes) {
    this.#board?.note(changes);
    this.#entries?.note();
    this.#refresh();
    if (this.#board) this.#refreshMarks();
  }

  #reset() {
    this.#note([]);
    this.#board?.reload();
  }

  /** Look again at all that the stream's few words do not tell. */
  async #look() {
    try {
      const [run, metrics] = await Promise.all([this.#get(""), this.#get("/metrics")]);
      if (this.#ended.signal.aborted) return;
      this.#run = run;
      this.#describe();
      this.#showMetrics(metrics);
      fill(this.#trouble);
    } catch (error) {
      this.#fail(error, () => this.#look());
    }
  }

  async #lookForMarks() {
    try {
      const { marks } = await this.#get("/marks", { limit: MOST_MARKS });
      if (!this.#ended.signal.aborted) this.#board.setMarks(marks.map((mark) => ({ ...mark, run: this.#key })));
    } catch (error) {
      this.#fail(error, () => this.#lookForMarks());
    }
  }

  #fail(error, again) {
    if (this.#ended.signal.aborted) return;
    fill(this.#trouble, notice("Not everything could be loaded again", error.message, again));
  }

  #get(path, query = {}) {
    return get(`/runs/${encodeURIComponent(this.#key)}${path}`, query, this.#ended.signal);
  }
}
