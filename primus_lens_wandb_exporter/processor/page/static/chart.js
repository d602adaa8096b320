// One chart: the lines of a metric, drawn by uPlot; a legend with the values under the cursor.

import { AXES } from "./axes.js";
import { listenToKeys } from "./chart-keys.js";
import { fill, h } from "./dom.js";
import { makeFrame } from "./frame.js";
import { lastRow, marksRow, rowAt } from "./legend.js";
import { colour, dash } from "./palette.js";
import { columnsOf, describePlot, drawMarks } from "./plot.js";

const HEIGHT = 190;
const LARGE = 420;
const SHORTEST_DRAG = 4; // pixels; less is a click

/**
 * A chart as a figure. `name` is the metric's; `lineOf(line, lines)` tells of a line `{index, label, last}`:
 * its colour's index, its label, and its last value, if it is known; `zoom([start, end] | null)` is called
 * when a range is dragged, and on a double click.
 */
export class Chart {
  #lineOf;
  #zoom;
  #plot = null;
  #structure = ""; // of the plot: what cannot be changed in it
  #asleep = false;
  #frame = null;
  #history = null;
  #options = null;
  #marks = [];
  #canvas = h("div", { class: "plot", role: "img", tabIndex: 0 });
  #legend = h("ul", { class: "legend" });
  #place = h("span", { class: "place" });
  #note = h("span", { class: "note" });
  #enlarge = h("button", { type: "button", class: "quiet enlarge", onclick: () => this.#toggle() }, "⤢");
  #resized = new ResizeObserver(() => this.#fit());

  constructor(name, { lineOf, zoom, title = name }) {
    this.#lineOf = lineOf;
    this.#zoom = zoom;
    this.#enlarge.setAttribute("aria-label", `Enlarge ${name}`);
    this.#canvas.setAttribute("aria-label", `Chart of ${name}`);
    listenToKeys(this.#canvas, () => this.#plot, zoom);
    const caption = h("figcaption", {}, h("span", { class: "name", title: name }, title), this.#note, this.#place);
    caption.append(this.#enlarge);
    this.element = h("figure", { class: "chart" }, caption, this.#canvas, this.#legend);
    this.#resized.observe(this.#canvas);
    this.say("Loading …");
  }

  /** Say something in the place of the lines. */
  say(text) {
    if (!this.#plot) fill(this.#canvas, h("p", { class: "empty" }, text));
  }

  /** Draw: `options` has axis, range, smoothing, log; `marks` are `[{x, value, label}]` of what is no number. */
  draw(history, options, marks = []) {
    this.#asleep = false;
    this.#history = history;
    this.#options = options;
    this.#marks = marks.filter((mark) => mark.x !== null);
    this.#frame = makeFrame(history, options);
    if (!this.#frame.x.length && !this.#marks.length) {
      this.#remove();
      this.say(options.range ? "Nothing in this range" : "No points yet");
    } else {
      this.#paint();
    }
    this.#showValues(this.#plot?.cursor.idx ?? null);
  }

  /** Draw the same in the theme's other colours. */
  recolour() {
    this.#structure = "";
    if (this.#history && !this.#asleep) this.draw(this.#history, this.#options, this.#marks);
  }

  /** Free what the plot takes, until it is drawn again. */
  sleep() {
    this.#asleep = true;
    this.#remove();
  }

  /** Let go of everything. */
  close() {
    this.#resized.disconnect();
    this.#remove();
  }

  #paint() {
    if (!this.#canvas.clientWidth) return; // nobody sees it: it is painted when it has a size
    const { axis, log, smoothing } = this.#options;
    const looks = this.#history.lines.map((line) => this.#look(line).index);
    const structure = [axis, log, smoothing > 0, ...looks].join();
    if (this.#plot && structure === this.#structure) {
      this.#plot.setData(columnsOf(this.#frame));
      return;
    }
    this.#remove();
    this.#structure = structure;
    fill(this.#canvas);
    const options = describePlot({
      ...this.#options,
      lines: looks.map((index) => ({ colour: colour(index), dash: dash(index) })),
      rangeX: () => this.#rangeX(),
      zoomOut: () => this.#zoom(null),
      hasValues: () => this.#frame.x.length > 0,
      hooks: {
        setCursor: [(plot) => this.#showValues(plot.cursor.idx ?? null)],
        setSelect: [(plot) => this.#select(plot)],
        draw: [(plot) => drawMarks(plot, this.#marks)],
      },
    });
    this.#plot = new uPlot({ ...options, ...this.#size() }, columnsOf(this.#frame), this.#canvas);
  }

  #look(line) {
    return this.#lineOf(line, this.#history.lines);
  }

  #rangeX() {
    const { axis, range } = this.#options;
    const { x } = this.#frame;
    const places = range ?? [...(x.length ? [x[0], x.at(-1)] : []), ...this.#marks.map((mark) => mark.x)];
    const [first, last] = [Math.min(...places), Math.max(...places)];
    const margin = axis === "step" ? 1 : 1000;
    return first < last ? [first, last] : [first - margin, last + margin];
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < SHORTEST_DRAG) return;
    const range = [left, left + width].map((place) => Math.round(plot.posToVal(place, "x")));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (range[0] < range[1]) this.#zoom(range);
  }

  /** Show the values at an index of the frame; null: the last ones. */
  #showValues(index) {
    const { x, lines } = this.#frame;
    const known = index !== null && index < x.length;
    const positive = lines.some((line) => line.mean.some(Number.isFinite));
    this.#place.textContent = known ? AXES[this.#options.axis].text(x[index]) : "";
    this.#note.textContent = this.#options.log && x.length && !positive ? "no positive values" : "";
    const rows = this.#history.lines.map((line, which) =>
      known ? rowAt(this.#look(line), lines[which], index, this.#frame) : lastRow(this.#look(line), lines[which]),
    );
    fill(this.#legend, rows, marksRow(this.#marks));
  }

  #toggle() {
    const large = this.element.classList.toggle("large");
    this.#enlarge.setAttribute("aria-pressed", String(large));
    this.#fit();
  }

  #size() {
    return { width: this.#canvas.clientWidth, height: this.element.classList.contains("large") ? LARGE : HEIGHT };
  }

  #fit() {
    if (!this.#canvas.clientWidth || this.#asleep) return;
    if (this.#plot) this.#plot.setSize(this.#size());
    else if (this.#frame?.x.length || this.#marks.length) this.#paint();
  }

  #remove() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#structure = "";
  }
}
