// Fetches what the charts in sight need: in few requests, once, and then only what was added at the end.

import { get } from "./api.js";
import { throttle } from "./dom.js";
import { lastBucket, makeHistory, MOST_BUCKETS, replaceTail } from "./history.js";

const BUCKETS = 600; // about two for three pixels of a chart
const TOGETHER = 3; // metrics of one request: a row of charts, so that the first is there soon
const TAILS_TOGETHER = 30; // which are small
const AT_ONCE = 2; // requests
const PACE = 1000; // milliseconds between two looks at what was added

/**
 * The series of some metrics of some runs, on one axis.
 *
 * `extent(name, axis)`: first and last place of a metric, null if unknown. `changed(name)`: it has other data.
 * `failed(error | null)`: the last fetch went wrong, or went well.
 */
export class SeriesSource {
  #runs;
  #extent;
  #changed;
  #failed;
  #axis = "step";
  #range = null;
  #histories = new Map();
  #wanted = new Set();
  #due = new Map(); // name -> first bucket to load, or -1: all
  #queue = []; // requests to come
  #fetching = new Set(); // names in requests that come or are on their way
  #working = 0;
  #loading = new AbortController();
  #soon = throttle(() => this.#load(), 30);
  #later = throttle(() => this.#load(), PACE);

  constructor(runs, { extent, changed, failed }) {
    this.#runs = runs;
    this.#extent = extent;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Load a metric, and keep it up to date. */
  want(name) {
    this.#wanted.add(name);
    if (!this.#histories.has(name)) this.#due.set(name, -1);
    if (this.#due.has(name)) this.#soon();
  }

  /** Keep what is known of a metric, but load no more of it. */
  unwant(name) {
    this.#wanted.delete(name);
  }

  /** What is known of a metric: see history.js; undefined: nothing yet. */
  history(name) {
    return this.#histories.get(name);
  }

  /** Choose the axis and a range of it (`[start, end]`, null: all); everything is loaded anew. */
  select(axis, range) {
    this.#axis = axis;
    this.#range = range;
    this.reload();
  }

  /** Load everything in sight again, the rest when it is wanted; what is shown stays until then. */
  reload() {
    this.#loading.abort();
    this.#loading = new AbortController();
    this.#queue = [];
    this.#fetching.clear();
    for (const name of [...this.#histories.keys(), ...this.#wanted]) this.#due.set(name, -1);
    this.#soon();
  }

  /** Take note of new points: `[{run, first_step, last_step}]` of the stream. */
  note(changes) {
    const steps = new Map(changes.filter((one) => one.first_step !== null).map((one) => [one.run, one.first_step]));
    if (!steps.size) return this.#ready().length && this.#later(); // what failed is tried again
    for (const name of this.#fetching) if (!this.#histories.has(name)) this.#due.set(name, -1);
    for (const [name, history] of this.#histories) {
      const first = firstTouched(history, steps);
      if (!this.#isShown(name, history.start + first * history.width)) continue;
      this.#due.set(name, Math.min(first, this.#due.get(name) ?? Infinity));
    }
    this.#later();
  }

  /** Whether what is added, from this place on, is in the range that was chosen. */
  #isShown(name, place) {
    if (!this.#range) return true;
    const first = this.#axis === "step" ? place : (this.#extent(name, this.#axis)?.[1] ?? place);
    return first <= this.#range[1];
  }

  /** Load nothing more. */
  close() {
    this.#loading.abort();
    this.#soon.cancel();
    this.#later.cancel();
  }

  /** What is due, in sight, and not on its way already. */
  #ready() {
    return [...this.#due.keys()].filter((name) => this.#wanted.has(name) && !this.#fetching.has(name));
  }

  #load() {
    const names = this.#ready();
    this.#queue.push(...this.#requests(names));
    for (const name of names) {
      this.#due.delete(name);
      this.#fetching.add(name);
    }
    while (this.#working < AT_ONCE && this.#queue.length) this.#work();
  }

  async #work() {
    this.#working++;
    let well = true;
    for (let group; (group = this.#queue.shift()); ) well = await this.#fetch(this.#inSight(group));
    this.#working--;
    if (well && this.#ready().length) this.#later();
  }

  /** Put off what was scrolled out of sight since. */
  #inSight(group) {
    for (const { name, from } of group.filter((one) => !this.#wanted.has(one.name))) {
      this.#fetching.delete(name);
      this.#due.set(name, from);
    }
    return group.filter((one) => this.#wanted.has(one.name));
  }

  /** Group metrics into requests: those whose bounds are alike, so that they may share them. */
  #requests(names) {
    const groups = new Map();
    for (const name of names) {
      const from = this.#due.get(name);
      const history = this.#histories.get(name);
      const bounds = from < 0 ? this.#bounds(name) : { start: history.start, width: history.width };
      const key = from < 0 ? `all ${bounds.kind}` : `tail ${history.start} ${history.width}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push({ name, from, ...bounds });
    }
    return [...groups.values()].flatMap((group) => chunks(group, group[0].from < 0 ? TOGETHER : TAILS_TOGETHER));
  }

  #bounds(name) {
    if (this.#range) return { kind: "range", start: this.#range[0], end: this.#range[1] };
    const [start, end] = this.#extent(name, this.#axis) ?? [0, 0];
    return { kind: `${order(start)} ${order(end)}`, start, end };
  }

  /** Fetch a group; returns whether that went well. */
  async #fetch(group) {
    if (!group.length) return true;
    const { signal } = this.#loading;
    const names = group.map((one) => one.name);
    const start = Math.min(...group.map((one) => one.start));
    const from = Math.min(...group.map((one) => one.from));
    const { width } = group[0];
    const query = { runs: this.#runs.join(","), metric: names, axis: this.#axis };
    if (from >= 0) Object.assign(query, { start: start + from * width, width, end: this.#range?.[1] });
    else if (this.#range) Object.assign(query, { start, end: this.#range[1], buckets: BUCKETS });
    else query.buckets = BUCKETS;
    try {
      const answer = await get("/series", query, signal);
      if (signal.aborted) return true;
      for (const name of names) this.#fetching.delete(name);
      for (const name of names) this.#take(answer, name, from);
      this.#failed(null);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      for (const name of names) this.#fetching.delete(name);
      for (const name of names) this.#due.set(name, -1);
      this.#failed(error);
      return false;
    }
  }

  #take(answer, name, from) {
    const history = this.#histories.get(name);
    if (from < 0) this.#histories.set(name, makeHistory(answer, name));
    else replaceTail(history, answer, name, from);
    this.#changed(name);
  }
}

/** The first bucket of a history that new points may have touched; -1: all of them. */
function firstTouched(history, steps) {
  if (history.axis === "step") {
    const first = Math.floor((Math.min(...steps.values()) - history.start) / history.width);
    return first > 2 * MOST_BUCKETS ? -1 : Math.max(first, -1);
  }
  // What is added is later: points that come out of order are seen when all is loaded again.
  const last = lastBucket(history, steps);
  return last < 0 ? lastBucket(history) : last;
}

/** Numbers of the same order share buckets well. */
function order(value) {
  return value ? Math.sign(value) * Math.round(Math.log2(Math.abs(value))) : 0;
}

function chunks(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}
