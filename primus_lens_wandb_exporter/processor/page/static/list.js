// A list that is asked for a page at a time, and again while it changes.

import { get, stream } from "./api.js";
import { fill, h, notice, throttle } from "./dom.js";
import { count } from "./format.js";
import { readRoute, remember } from "./router.js";

const PAGE = 100;
const PACE = 2000; // milliseconds between two looks at a list that changes
const BEAT = 20_000; // what falls silent sends no change: it is looked for

/**
 * The list at `path` of the API. `ask()` gives the query, without the page; `show(answer, stay)` is called with
 * each answer, with `stay` if nothing but time has passed since the last one.
 */
export class List {
  #path;
  #ask;
  #show;
  #offset = readOffset();
  #loading = new AbortController();
  #busy = false;
  #trouble = h("div", { role: "alert" });
  #pages = h("nav", { class: "bar pages", "aria-label": "Pages", hidden: true });
  #refresh = throttle(() => (this.#busy ? this.#refresh() : this.#load(true)), PACE);
  #end = stream([], { changed: () => this.#refresh(), reset: () => this.#refresh() });
  #beat = setInterval(() => document.hidden || this.#refresh(), BEAT);

  constructor(path, { ask, show }) {
    this.#path = path;
    this.#ask = ask;
    this.#show = show;
    this.body = h("div");
    this.element = h("div", {}, this.#trouble, this.body, this.#pages);
    this.#load();
  }

  /** Ask again, for the first page: something else is asked for. */
  again() {
    this.#turn(0);
  }

  /** Load nothing more. */
  close() {
    this.#end();
    clearInterval(this.#beat);
    this.#refresh.cancel();
    this.#loading.abort();
  }

  async #load(stay = false) {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    this.#busy = true;
    try {
      const answer = await get(this.#path, { ...this.#ask(), limit: PAGE, offset: this.#offset }, signal);
      if (signal.aborted) return;
      fill(this.#trouble);
      this.#describe(answer.total_count);
      // What was on this page may have moved, or be gone.
      if (this.#offset && this.#offset >= answer.total_count) this.#turn(0);
      else this.#show(answer, stay);
    } catch (error) {
      if (!signal.aborted) fill(this.#trouble, notice("The list could not be loaded", error.message, () => this.#load()));
    } finally {
      if (!signal.aborted) this.#busy = false;
    }
  }

  #turn(offset) {
    this.#offset = offset;
    remember({ offset: offset || "" });
    this.#load();
  }

  #describe(total) {
    const first = this.#offset;
    const last = Math.min(first + PAGE, total);
    const to = (offset) => () => {
      this.#turn(offset);
      scrollTo(0, 0);
    };
    this.#pages.hidden = total <= PAGE;
    fill(
      this.#pages,
      h("button", { type: "button", disabled: !first, onclick: to(Math.max(0, first - PAGE)) }, "Newer"),
      h("span", { class: "muted" }, `${count(first + 1)} – ${count(last)} of ${count(total)}`),
      h("button", { type: "button", disabled: last >= total, onclick: to(first + PAGE) }, "Older"),
    );
  }
}

/** Where the page begins that the address tells of; what is no such place is the beginning. */
function readOffset() {
  const offset = Number(readRoute().params.get("offset"));
  return Number.isSafeInteger(offset) && offset > 0 ? offset : 0;
}

/** A search box, whose text is kept in the address and handed to `found`. */
export function searchBox(text, label, found) {
  const box = h("input", { type: "search", value: text, placeholder: `${label}  /`, "aria-label": label });
  let timer = 0;
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      remember({ search: box.value.trim() });
      found(box.value.trim());
    }, 200);
  });
  return box;
}

/** A table that becomes cards where it is narrow: `labels` of its columns, of which some hold numbers. */
export function makeTable(labels, numbers, body) {
  const cells = labels.map((label) =>
    label ? h("th", { scope: "col", class: numbers.has(label) ? "number" : "" }, label) : h("td", {}, h("span", { class: "hidden" }, "Compare")),
  );
  return h("div", { class: "scroll" }, h("table", { class: "runs" }, h("thead", {}, h("tr", {}, cells)), body));
}

/** The empty cells of a row of such a table. */
export function makeCells(labels, numbers) {
  return labels.map((label) => h("td", { class: numbers.has(label) ? "number" : "", "data-label": label }));
}

/** Renew a cell, unless it holds that already: a reader may be on a link in it. */
export function fillCell(cell, content) {
  const fresh = h("td", {}, content);
  if (fresh.innerHTML !== cell.innerHTML) cell.replaceChildren(...fresh.childNodes);
}

/** Put rows into a table's body; with `stay`, those that are shown keep their place. */
export function placeRows(body, rows, stay) {
  const places = new Map([...body.children].map((row, at) => [row, at]));
  const placed = [...rows];
  // The latest seen is first: of several that train, this is another one each second.
  if (stay) placed.sort((one, other) => (places.get(one) ?? -1) - (places.get(other) ?? -1));
  if (placed.length !== places.size || placed.some((row, at) => row !== body.children[at])) fill(body, placed);
}
