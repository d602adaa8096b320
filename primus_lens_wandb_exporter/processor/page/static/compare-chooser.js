// The panel in which runs are chosen: those that are, and those that can be found.

import { get } from "./api.js";
import { add, chosen, MOST_RUNS, remove } from "./compare-choice.js";
import { debounce, fill, h } from "./dom.js";
import { ago, count, plural, runName } from "./format.js";
import { swatch } from "./legend.js";
import { stateOf } from "./run-parts.js";

const LOADED = 100; // runs at once
const STATES = ["running", "finished", "failed", "crashed"];

/** `changed` is called when runs were added to the choice or taken out of it. */
export class Chooser {
  #choice;
  #changed;
  #found = [];
  #total = 0;
  #names = new Map(); // of those that were chosen, which may not be among those found
  #loading = new AbortController();
  #search = h("input", { type: "search", placeholder: "Name, id, project, workload, pod" });
  #states = STATES.map((state) => h("input", { type: "checkbox", value: state }));
  #chosen = h("ul", { class: "chosen" });
  #list = h("ul", { class: "choices" });
  #said = h("p", { class: "said", role: "status" });
  #title = h("summary");

  constructor(choice, changed) {
    this.#choice = choice;
    this.#changed = changed;
    const soon = debounce(() => this.load(), 200);
    this.#search.addEventListener("input", soon);
    for (const box of this.#states) box.addEventListener("change", () => this.load());
    this.element = h(
      "details",
      { class: "chooser", open: !chosen(choice).length || innerWidth >= 1000 },
      this.#title,
      this.#chosen,
      h("label", {}, "Find runs", this.#search),
      h(
        "fieldset",
        { class: "states" },
        h("legend", {}, "In these states"),
        this.#states.map((box) => h("label", {}, box, " ", stateOf({ state: box.value }))),
      ),
      this.#said,
      this.#list,
    );
    this.mark();
  }

  /** Load the runs that can be chosen. */
  async load() {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    const states = this.#states.filter((box) => box.checked).map((box) => box.value);
    const query = { search: this.#search.value.trim(), state: states.join(","), limit: LOADED };
    try {
      const { runs, total_count: total } = await get("/runs", query, signal);
      [this.#found, this.#total] = [runs, total];
      this.#said.textContent = described(runs.length, total);
      this.mark();
    } catch (error) {
      if (!signal.aborted) this.#said.textContent = error.message;
    }
  }

  /** Call a run by a name, from the next `mark` on. */
  call(key, name) {
    this.#names.set(key, name);
  }

  /** Show the choice as it is. */
  mark() {
    const keys = chosen(this.#choice);
    const full = keys.length >= MOST_RUNS;
    fill(this.#title, "Choose runs ", h("small", {}, `${count(keys.length)} of at most ${MOST_RUNS}`));
    const focused = this.element.contains(document.activeElement) && document.activeElement.dataset.id;
    fill(
      this.#chosen,
      keys.map((key) => this.#chip(key)),
      keys.length > 1 && h("li", {}, h("button", { type: "button", onclick: () => this.#clear() }, "Take all out")),
    );
    fill(this.#list, this.#found.map((run) => this.#option(run, keys.includes(run.key), full)));
    if (focused) this.element.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  /** Load nothing more. */
  close() {
    this.#loading.abort();
  }

  #chip(key) {
    const name = this.#names.get(key) ?? key;
    const label = `Take ${name} out`;
    const take = { type: "button", class: "take", "aria-label": label, title: label, onclick: () => this.#take(key) };
    return h("li", {}, swatch(this.#choice.slots.indexOf(key)), h("span", { class: "name" }, name), h("button", take, "×"));
  }

  #option(run, checked, full) {
    const box = h("input", {
      type: "checkbox",
      checked,
      disabled: full && !checked,
      "data-id": run.key,
      onchange: () => {
        if (!this.#names.has(run.key)) this.call(run.key, runName(run));
        this.#turn(run.key, box.checked);
      },
    });
    const where = [run.project || run.workload, run.run_id, ago(run.last_seen)].filter(Boolean).join(" · ");
    return h(
      "li",
      {},
      h("label", {}, box, h("span", { class: "name" }, runName(run)), stateOf(run), h("small", {}, where)),
    );
  }

  #turn(key, on) {
    if (on) add(this.#choice, key);
    else remove(this.#choice, key);
    this.mark();
    this.#changed();
  }

  #take(key) {
    this.#turn(key, false);
    this.#search.focus();
  }

  #clear() {
    this.#choice.slots = [];
    this.mark();
    this.#changed();
    this.#search.focus();
  }
}

function described(shown, total) {
  if (!total) return "No run is like this. Try another word, or fewer states.";
  if (shown < total) return `The latest ${count(shown)} of ${plural(total, "run")}; search to find the others.`;
  return plural(total, "run");
}
