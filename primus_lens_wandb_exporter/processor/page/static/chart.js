// One chart: the lines of a metric, drawn by uPlot; a legend with the values under the cursor.

import { AXES } from "./axes.js";
import { fill, h } from "./dom.js";
import { number } from "./format.js";
import { makeFrame } from "./frame.js";
import { colour, dash, faint, token } from "./palette.js";
import { listenToKeys } from "./chart-keys.js";

const HEIGHT = 190;
const LARGE = 420;
const COLUMNS = 4; // of uPlot's data for each line: max, min, raw, mean
const SYNC = "charts";

/**
 * A chart as a figure. `name` is the metric's; `lineOf(line, lines)` tells of a line `{index, label, last}`:
 * its colour's index, its label, and its last value, if it is known; `zoom([start, end] | null)` is called when a range is dragged, and on a double click.
 */
export class Chart {
  #lineOf;
  #zoom;
  #plot = null;
  #structure = "";
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

  constructor(name, { lineOf, zoom }) {
    this.#lineOf = lineOf;
    this.#zoom = zoom;
    this.#enlarge.setAttribute("aria-label", `Enlarge ${name}`);
    this.#canvas.setAttribute("aria-label", `Chart of ${name}`);
    listenToKeys(this.#canvas, () => this.#plot, zoom);
    const caption = h("figcaption", {}, h("span", { class: "name", title: name }, name), this.#note, this.#place);
    caption.append(this.#enlarge);
    this.element = h("figure", { class: "chart" }, caption, this.#canvas, this.#legend);
    this.#resized.observe(this.#canvas);
    this.say("Loading …");
  }

  /** Say something in the place of the lines. */
  say(text) {
    if (!this.#plot) fill(this.#canvas, h("p", { class: "empty" }, text));
  }

  /** Draw: `options` has axis, range, smoothing, log; `marks` are `[{x, value}]` of what is no number. */
  draw(history, options, marks = []) {
    this.#history = history;
    this.#options = options;
    this.#marks = marks.filter((mark) => mark.x !== null);
    this.#frame = makeFrame(history, options);
    if (!this.#frame.x.length && !this.#marks.length) {
      this.#remove();
      this.say(options.range ? "Nothing in this range" : "No points yet");
    } else if (this.#width()) {
      this.#paint();
    }
    this.#showValues(null);
  }

  /** Draw the same in the theme's other colours. */
  recolour() {
    this.#structure = "";
    if (this.#history) this.draw(this.#history, this.#options, this.#marks);
  }

  /** Let go of everything. */
  close() {
    this.#resized.disconnect();
    this.#remove();
  }

  #paint() {
    const { axis, log } = this.#options;
    const data = [this.#frame.x, ...this.#frame.lines.flatMap((line) => [line.max, line.min, line.raw, line.mean])];
    const smoothing = this.#options.smoothing > 0;
    const structure = [axis, log, smoothing, ...this.#history.lines.map((line) => this.#look(line).index)].join();
    if (this.#plot && structure === this.#structure) {
      this.#plot.setData(data);
      return;
    }
    this.#remove();
    this.#structure = structure;
    fill(this.#canvas);
    this.#plot = new uPlot(this.#describe(axis, log, smoothing), data, this.#canvas);
  }

  #describe(axis, log, smoothing) {
    const lines = this.#history.lines.map((line) => this.#look(line));
    const grid = { stroke: token("--grid"), width: 1 };
    const base = { stroke: token("--muted"), grid, ticks: grid, font: "11px system-ui, sans-serif" };
    return {
      width: this.#width(),
      height: this.#height(),
      ms: 1,
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: SYNC },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        bind: { dblclick: () => () => this.#zoom(null) }, // uPlot's own would show what is loaded, a part
      },
      scales: {
        x: { time: axis === "time", range: (_, low, high) => this.#rangeX(low, high) },
        y: { distr: log ? 3 : 1, range: (_, low, high) => rangeY(low, high, log) },
      },
      axes: [
        { ...base, ...AXES[axis].options, size: axis === "time" ? 42 : 30, space: 70 },
        { ...base, size: widthOf, values: (_, splits) => splits.map((y) => (y === null || !this.#frame.x.length ? "" : number(y))) },
      ],
      series: [{}, ...lines.flatMap((line) => columns(line, smoothing))],
      bands: lines.map((_, at) => ({ series: [COLUMNS * at + 1, COLUMNS * at + 2] })),
      hooks: {
        setCursor: [(plot) => this.#showValues(plot.cursor.idx)],
        setSelect: [(plot) => this.#select(plot)],
        draw: [(plot) => this.#drawMarks(plot)],
      },
    };
  }

  #look(line) {
    const { index } = this.#lineOf(line, this.#history.lines);
    return { index, colour: colour(index), dash: dash(index) };
  }

  #rangeX(low, high) {
    const [start, end] = this.#options.range ?? [low, high];
    const places = this.#options.range ? [] : this.#marks.map((mark) => mark.x);
    const first = Math.min(start ?? Infinity, ...places);
    const last = Math.max(end ?? -Infinity, ...places);
    const margin = this.#options.axis === "step" ? 1 : 1000;
    return first < last ? [first, last] : [first - margin, last + margin];
  }

  #select(plot) {
    if (plot.select.width < 4) return;
    const range = [0, plot.select.width].map((width) => Math.round(plot.posToVal(plot.select.left + width, "x")));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (range[0] < range[1]) this.#zoom(range);
  }

  #showValues(index) {
    const { x, lines } = this.#frame;
    const at = index ?? x.length - 1;
    this.#place.textContent = x.length && index !== null ? AXES[this.#options.axis].text(x[at]) : "";
    const positive = lines.some((line) => line.mean.some((value) => value !== null));
    this.#note.textContent = this.#options.log && x.length && !positive ? "no positive values" : "";
    const rows = this.#history.lines.map((line, which) => {
      const look = this.#lineOf(line, this.#history.lines);
      return index === null ? lastRow(look, lines[which]) : rowAt(look, lines[which], at);
    });
    const seen = [...new Set(this.#marks.map((mark) => mark.value))].join(", ");
    const marked = seen && h("li", { class: "marked" }, `▲ ${seen}`, h("b", {}, `× ${this.#marks.length}`));
    fill(this.#legend, rows, marked);
  }

  #drawMarks(plot) {
    const { ctx, bbox } = plot;
    const size = 5 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = token("--bad");
    for (const { x } of this.#marks) {
      const left = plot.valToPos(x, "x", true);
      if (left < bbox.left || left > bbox.left + bbox.width) continue;
      const bottom = bbox.top + bbox.height;
      ctx.beginPath();
      ctx.moveTo(left, bottom - 2 * size);
      ctx.lineTo(left + size, bottom);
      ctx.lineTo(left - size, bottom);
      ctx.fill();
    }
    ctx.restore();
  }

  #toggle() {
    const large = this.element.classList.toggle("large");
    this.#enlarge.setAttribute("aria-pressed", String(large));
    this.#fit();
  }

  #width() {
    return this.#canvas.clientWidth;
  }

  #height() {
    return this.element.classList.contains("large") ? LARGE : HEIGHT;
  }

  #fit() {
    if (this.#plot && this.#width()) this.#plot.setSize({ width: this.#width(), height: this.#height() });
    else if (this.#frame?.x.length && this.#width()) this.#paint();
  }

  #remove() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#structure = "";
  }
}

/** uPlot's four series of one line: the band's edges, the values as they are, and what is read. */
function columns(line, smoothing) {
  const edge = { stroke: "transparent", width: 0, fill: faint(line.colour, 0.18), points: { show: false }, spanGaps: true };
  const raw = { ...edge, fill: undefined, show: smoothing, stroke: faint(line.colour, 0.35), width: 1 };
  return [edge, { ...edge, fill: undefined }, raw, { stroke: line.colour, width: 1.5, dash: line.dash, spanGaps: true }];
}

function rangeY(low, high, log) {
  if (low === null || high === null) return log ? [0.1, 10] : [0, 1];
  if (log) return uPlot.rangeLog(low, high, 10, false);
  if (low === high) {
    const margin = Math.abs(low) / 10 || 1;
    return [low - margin, high + margin];
  }
  const margin = (high - low) * 0.06;
  return [low - margin, high + margin];
}

/** The room that the labels of the y axis need, in pixels. */
function widthOf(_, labels) {
  return 18 + 6.5 * Math.max(2, ...(labels ?? []).map((label) => label.length));
}

function lastRow(look, line) {
  const at = line.raw.findLastIndex((value) => value !== null);
  return legendRow(look, look.last ?? line.raw[at]);
}

function rowAt(look, line, at) {
  const [low, high] = [line.min[at], line.max[at]];
  const spread = low !== null && high !== null && low !== high ? `(${number(low)} … ${number(high)})` : "";
  return legendRow(look, line.mean[at], spread);
}

function legendRow({ index, label }, value, spread) {
  const swatch = h("span", { class: `swatch swatch-${index % 8} dash-${Math.floor(index / 8) % 3}` });
  return h("li", {}, swatch, label && h("span", { class: "label", title: label }, label), h("b", {}, number(value)), spread);
}
