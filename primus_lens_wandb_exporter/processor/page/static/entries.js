// The log entries of a run, the newest first, a page at a time.

import { get } from "./api.js";
import { fill, h, notice, throttle } from "./dom.js";
import { count, moment } from "./format.js";
import { asText, flatten, rawJson } from "./tables.js";

const PAGE = 50;
const SHOWN = 6; // fields of an entry; the rest is in its JSON
const LONGEST = 300; // characters of a field
const PACE = 3000;

/** A list of log entries; `note()` tells it that there may be new ones. */
export class Entries {
  #run;
  #cursors = [""]; // of the pages up to the one that is shown
  #shown = ""; // the answer, as text
  #loading = new AbortController();
  #refresh = throttle(() => this.#load(), PACE);

  constructor(run) {
    this.#run = run;
    this.element = h("div", {}, h("p", { class: "muted" }, "Loading …"));
    this.#load();
  }

  /** Look for new entries, if the newest are shown. */
  note() {
    if (this.#cursors.length === 1) this.#refresh();
  }

  /** Load nothing more. */
  close() {
    this.#loading.abort();
    this.#refresh.cancel();
  }

  async #load() {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    try {
      const answer = await get(`/runs/${this.#run}/logs`, { limit: PAGE, cursor: this.#cursors.at(-1) }, signal);
      if (!signal.aborted) this.#show(answer);
    } catch (error) {
      if (signal.aborted) return;
      this.#shown = "";
      fill(this.element, notice("The log entries could not be loaded", error.message, () => this.#load()));
    }
  }

  #show(answer) {
    const text = JSON.stringify([this.#cursors.length, answer]);
    if (text === this.#shown) return; // what a reader has opened, or is on, stays
    this.#shown = text;
    const { entries, next } = answer;
    if (!entries.length && this.#cursors.length === 1) {
      const said = "They hold what is logged besides numbers: texts, tables, media, and numbers that are NaN or infinite.";
      fill(this.element, notice("No log entries", said));
      return;
    }
    const head = h("thead", {}, h("tr", {}, ["Step", "Time", "Logged"].map((label) => h("th", { scope: "col" }, label))));
    const table = h("table", { class: "entries" }, head, h("tbody", {}, entries.map(row)));
    const turn = (cursors) => () => {
      this.#cursors = cursors;
      this.#load();
    };
    const newer = h("button", { type: "button", disabled: this.#cursors.length === 1, onclick: turn(this.#cursors.slice(0, -1)) }, "Newer");
    const older = h("button", { type: "button", disabled: !next, onclick: turn([...this.#cursors, next]) }, "Older");
    const pages = h("nav", { class: "bar pages", "aria-label": "Pages", hidden: newer.disabled && older.disabled }, newer, older);
    fill(this.element, h("div", { class: "scroll", role: "region", "aria-label": "Log entries", tabIndex: 0 }, table), pages);
  }
}

function row(entry) {
  const fields = flatten(entry.data);
  const told = fields.slice(0, SHOWN).map(([path, value]) => h("div", { class: "wrap" }, path && h("b", {}, `${path} `), shorten(asText(value))));
  const more = (fields.length > SHOWN || fields.some(([, value]) => asText(value).length > LONGEST)) && rawJson(entry.data, "All of it as JSON");
  return h("tr", {}, h("td", { class: "number" }, count(entry.step)), h("td", { class: "time" }, moment(entry.timestamp)), h("td", {}, told, more));
}

function shorten(text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
}
