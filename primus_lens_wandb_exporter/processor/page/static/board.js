// All charts of some runs: grouped by prefix, loaded when they come into sight, zoomed together.

import { Chart } from "./chart.js";
import { fill, h, notice, throttle } from "./dom.js";
import { count, runName } from "./format.js";
import { onTheme } from "./palette.js";
import { SeriesSource } from "./series.js";

const SYSTEM = "primus_lens";
const OTHERS = "others ";
const LAST = [OTHERS, SYSTEM]; // in this order, below all other groups
const AHEAD = "300px"; // how far below the window charts are loaded
const MOST_ALONE = 3; // groups of a single chart; more of them are put together

/** The group of a metric: what stands before its last `/`, else its first `.`. */
export function groupOf(name) {
  if (name.startsWith(`${SYSTEM}.`)) return SYSTEM;
  const at = name.includes("/") ? name.lastIndexOf("/") : name.indexOf(".");
  return at > 0 ? name.slice(0, at) : "";
}

/**
 * The charts of `runs` (as the API gives them; `slot`, else a run's place in the list, is its colour).
 *
 * `options`: axis, range (`[start, end]` or null), smoothing (0 to 1), log, filter; changed by `choose`.
 * `zoom(range | null)` is called when the reader drags or double-clicks in a chart.
 */
export class Board {
  #runs = new Map(); // key -> run and the index of its colour; also of those that are drawn for a moment yet
  #keys = new Set(); // of those that are shown
  #zoom;
  #options;
  #metrics = new Map(); // name -> rows of /metrics, each with its run's key
  #marks = new Map(); // name -> marks, each with its run's key
  #charts = new Map();
  #inSight = new Set();
  #groups = new Map();
  #source;
  #trouble = h("div", { role: "alert" });
  #body = h("div", { class: "board" });
  #seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.#sight(entry)), { rootMargin: AHEAD });
  #redraw = throttle(() => this.#inSight.forEach((name) => this.#draw(name)), 50);
  #endTheme = onTheme(() => this.#charts.forEach((chart) => chart.recolour()));

  constructor(runs, options, zoom) {
    this.#options = { axis: "step", range: null, smoothing: 0, log: false, filter: "", ...options };
    this.#zoom = zoom;
    this.setRuns(runs);
    this.element = h("div", {}, this.#trouble, this.#body);
  }

  /** Show these runs instead; charts stay as they are until the curves have come. */
  setRuns(runs) {
    this.#source?.close();
    this.#keys = new Set(runs.map((run) => run.key));
    runs.forEach((run, index) => this.#runs.set(run.key, { run, index: run.slot ?? index }));
    this.#source = new SeriesSource([...this.#keys], {
      extent: (name, axis) => this.#extent(name, axis),
      changed: (name) => this.#draw(name),
      failed: (error) => this.#fail(error),
    });
    this.#source.select(this.#options.axis, this.#options.range);
    this.#inSight.forEach((name) => this.#source.want(name));
  }

  /** Show these metrics: rows of `/runs/{run}/metrics`, each with `run`, the key. Charts that are there stay. */
  setMetrics(rows) {
    this.#metrics = new Map();
    for (const row of rows) {
      if (!this.#metrics.has(row.name)) this.#metrics.set(row.name, []);
      this.#metrics.get(row.name).push(row);
    }
    this.#arrange();
    this.#redraw(); // the legends tell the last values
  }

  /** Mark where something was logged that is no number: rows of `/marks`, each with `run`, the key. */
  setMarks(marks) {
    this.#marks = new Map();
    for (const mark of marks) {
      if (!this.#marks.has(mark.name)) this.#marks.set(mark.name, []);
      this.#marks.get(mark.name).push(mark);
    }
    this.#arrange();
    this.#redraw();
  }

  /** Change some of the options. */
  choose(changes) {
    const before = this.#options;
    this.#options = { ...before, ...changes };
    const { axis, range, filter } = this.#options;
    if (filter !== before.filter) this.#arrange();
    if (axis !== before.axis || String(range) !== String(before.range)) this.#source.select(axis, range);
    // A zoom is shown at once, with what is there; another axis is not.
    if (axis === before.axis) this.#redraw();
  }

  /** Load what was added: `[{run, first_step, last_step}]` of the stream. */
  note(changes) {
    this.#source.note(changes.filter((change) => this.#keys.has(change.run)));
  }

  /** Load all again. */
  reload() {
    this.#source.reload();
  }

  /** Let go of everything. */
  close() {
    this.#source.close();
    this.#redraw.cancel();
    this.#seen.disconnect();
    this.#endTheme();
    this.#charts.forEach((chart) => chart.close());
  }

  #arrange() {
    const wanted = this.#options.filter.toLowerCase();
    const names = [...new Set([...this.#metrics.keys(), ...this.#marks.keys()])]
      .filter((name) => name.toLowerCase().includes(wanted))
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const grouped = groupAll(names);
    const order = [...grouped.keys()].sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b) || a.localeCompare(b));
    const sections = order.map((group) => this.#group(group, grouped.get(group)));
    const shown = [...this.#body.children];
    if (!sections.length) {
      const text = wanted ? "No metric's name holds that text." : "Metrics appear here as soon as the first one is logged.";
      fill(this.#body, notice(wanted ? "Nothing found" : "No metrics yet", text));
    } else if (sections.length !== shown.length || sections.some((section, at) => section !== shown[at])) {
      fill(this.#body, sections);
    }
  }

  #group(group, names) {
    if (!this.#groups.has(group)) {
      const title = { [SYSTEM]: "System", [OTHERS]: "Others", "": "Metrics" }[group] ?? group;
      const number = h("span", { class: "count" });
      const charts = h("div", { class: "charts" });
      const summary = h("summary", {}, h("h2", {}, title), number);
      const section = h("details", { class: "group", open: group !== SYSTEM }, summary, charts);
      this.#groups.set(group, { section, number, charts });
    }
    const { section, number, charts } = this.#groups.get(group);
    number.textContent = count(names.length);
    const elements = names.map((name) => this.#chart(name).element);
    const stay = elements.length === charts.children.length && elements.every((one, at) => one === charts.children[at]);
    if (!stay) fill(charts, elements);
    return section;
  }

  #chart(name) {
    if (!this.#charts.has(name)) {
      const lineOf = (line, lines) => this.#lineOf(line, lines);
      const title = name.startsWith(`${SYSTEM}.`) ? name.slice(SYSTEM.length + 1) : name;
      const chart = new Chart(name, { lineOf, zoom: (range) => this.#zoom(range), title });
      chart.element.dataset.metric = name;
      this.#charts.set(name, chart);
      this.#seen.observe(chart.element);
    }
    return this.#charts.get(name);
  }

  #sight({ target, isIntersecting }) {
    const name = target.dataset.metric;
    this.#inSight[isIntersecting ? "add" : "delete"](name);
    if (isIntersecting) {
      this.#source.want(name);
      this.#draw(name);
    } else {
      this.#source.unwant(name);
      this.#charts.get(name).sleep();
    }
  }

  #draw(name) {
    const history = this.#source.history(name);
    if (!this.#inSight.has(name) || history?.axis !== this.#options.axis) return;
    this.#chart(name).draw(history, this.#options, this.#marksOf(name));
  }

  #marksOf(name) {
    const { axis } = this.#options;
    return (this.#marks.get(name) ?? []).map((mark) => {
      const { run } = this.#runs.get(mark.run);
      const since = run.started === null ? null : mark.timestamp - run.started;
      const x = { step: mark.step, time: mark.timestamp, relative: since }[axis];
      return { x, value: mark.value, label: this.#keys.size > 1 ? runName(run) : "" };
    });
  }

  /** The colour's index and the label of a line: the run if there are several, tags if they tell lines apart. */
  #lineOf(line, lines) {
    const { run, index } = this.#runs.get(line.run);
    const siblings = lines.filter((other) => other.run === line.run);
    const tags = Object.entries(line.tags ?? {}).map(([tag, value]) => `${tag}=${value}`);
    const parts = siblings.length > 1 ? [...tags, siblings.some((one) => one.source !== line.source) && line.source] : [];
    const several = this.#keys.size > 1;
    const label = [several && runName(run), ...parts].filter(Boolean).join(", ");
    const rows = this.#metrics.get(line.name) ?? [];
    const row = rows.find((one) => one.run === line.run && one.source === line.source && same(one.tags, line.tags));
    return { index: several || run.slot !== undefined ? index : siblings.indexOf(line), label, last: row?.last_value };
  }

  #extent(name, axis) {
    const bounds = (this.#metrics.get(name) ?? []).map((row) => {
      const started = this.#runs.get(row.run)?.run.started ?? 0;
      if (axis === "step") return [row.first_step, row.last_step];
      const offset = axis === "relative" ? started : 0;
      return [row.first_time - offset, row.last_time - offset];
    });
    if (!bounds.length) return null;
    return [Math.min(...bounds.map(([first]) => first)), Math.max(...bounds.map(([, last]) => last))];
  }

  #fail(error) {
    if (error) fill(this.#trouble, notice("The charts could not be loaded", error.message, () => this.reload()));
    else if (this.#trouble.firstChild) fill(this.#trouble);
  }
}

/** Put names below their groups; many groups of one are none. */
function groupAll(names) {
  const grouped = new Map();
  const put = (group, name) => grouped.set(group, [...(grouped.get(group) ?? []), name]);
  for (const name of names) put(groupOf(name), name);
  const alone = [...grouped].filter(([group, [, second]]) => group && group !== SYSTEM && !second);
  if (alone.length <= MOST_ALONE) return grouped;
  for (const [group, [name]] of alone) {
    grouped.delete(group);
    put(OTHERS, name);
  }
  return grouped;
}

function same(tags, others) {
  return JSON.stringify(tags) === JSON.stringify(others);
}
