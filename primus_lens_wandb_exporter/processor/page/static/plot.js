// How uPlot is to draw a chart: scales, axes, and four series of its own for each line.

import { AXES } from "./axes.js";
import { number } from "./format.js";
import { faint, token } from "./palette.js";

const SYNC = "charts"; // whose cursors move together
const COLUMNS = 4; // of each line, in this order: max, min, raw, mean
const LABEL_WIDTH = 6.5; // pixels of a character
const MARGIN = 0.06; // of the height, above and below
const MOST_DECADES = 8; // that have a line each on a log scale
const FINE_DECADES = 5; // whose nine parts have one, too

/** uPlot's data of a frame. */
export function columnsOf(frame) {
  return [frame.x, ...frame.lines.flatMap((line) => [line.max, line.min, line.raw, line.mean])];
}

/**
 * uPlot's options. `lines` are `[{colour, dash}]`; `rangeX()` gives what of the axis is shown;
 * `hooks` are uPlot's, `zoomOut` is called on a double click, `hasValues` tells whether y has a meaning.
 */
export function describePlot({ axis, log, smoothing, lines, rangeX, hooks, zoomOut, hasValues }) {
  const grid = { stroke: token("--grid"), width: 1 };
  const base = { stroke: token("--muted"), grid, ticks: grid, font: "11px system-ui, sans-serif" };
  const values = (_, splits, _axis, _space, step) => {
    const digits = log ? undefined : digitsOf(splits, step);
    return splits.map((y) => (y === null || !hasValues() ? "" : number(y, digits)));
  };
  return {
    ms: 1,
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: SYNC },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      bind: { dblclick: () => () => zoomOut() }, // uPlot's own would show what is loaded, a part
    },
    scales: {
      x: { time: axis === "time", range: rangeX },
      y: { distr: log ? 3 : 1, range: (_, low, high) => rangeY(low, high, log) },
    },
    axes: [
      { ...base, ...AXES[axis].options, size: axis === "time" ? 42 : 30, space: axis === "step" ? 50 : 70 },
      { ...base, size: widthOf, values, ...(log && { splits: splitDecades, filter: labelDecades }) },
    ],
    series: [{}, ...lines.flatMap((line) => seriesOf(line, smoothing, lines.length))],
    bands: lines.map((_, at) => ({ series: [COLUMNS * at + 1, COLUMNS * at + 2] })),
    hooks,
  };
}

/** Draw a small triangle at the foot of a plot for each `{x}`. */
export function drawMarks({ ctx, bbox, valToPos }, marks) {
  const size = 5 * devicePixelRatio;
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.fillStyle = token("--bad");
  for (const { x } of marks) {
    const left = valToPos(x, "x", true);
    if (left < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(left, bottom - 2 * size);
    ctx.lineTo(left + size, bottom);
    ctx.lineTo(left - size, bottom);
    ctx.fill();
  }
  ctx.restore();
}

/** The band's edges, the values as they are (while what is read is smoothed), and what is read. */
function seriesOf({ colour, dash }, smoothing, count) {
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  const raw = { ...edge, show: smoothing > 0, stroke: faint(colour, 0.35), width: 1 };
  const band = faint(colour, 0.18 / Math.sqrt(count)); // many would hide the lines
  return [{ ...edge, fill: band }, edge, raw, { stroke: colour, width: 1.5, dash }];
}

function rangeY(low, high, log) {
  if (low === null || high === null) return log ? [0.1, 10] : [0, 1];
  if (log) return low === high ? [low / 10, low * 10] : uPlot.rangeLog(low, high, 10, false);
  const margin = low === high ? Math.abs(low) / 10 || 1 : (high - low) * MARGIN;
  return [low - margin, high + margin];
}

/** Powers of ten, and their parts if these are few: uPlot's own never come to an end above 1e20. */
function splitDecades(_, _axis, low, high) {
  const [first, last] = [low, high].map((value) => Math.floor(Math.log10(value)));
  const decades = last - first + 1;
  const parts = decades > FINE_DECADES ? [1] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const stride = Math.ceil(decades / MOST_DECADES);
  const powers = Array.from({ length: Math.ceil(decades / stride) }, (_, at) => first + at * stride);
  const places = powers.flatMap((power) => parts.map((part) => Number(`${part}e${power}`)));
  return places.filter((place) => place >= low && place <= high);
}

/** Which of these places have a label: powers of ten, where there are few of them, too, or all. */
function labelDecades(_, places) {
  const labelled = (digits) => places.map((place) => (digits.includes(place.toExponential()[0]) ? place : null));
  const choices = ["1", "125"].map(labelled);
  return choices.find((choice) => choice.filter(Boolean).length > 1) ?? places;
}

/** How many digits tell labels apart that are a step from each other; as many as usual at least. */
function digitsOf(places, step) {
  const highest = Math.max(...places.map(Math.abs));
  return Math.max(5, Math.floor(Math.log10(highest)) - Math.floor(Math.log10(step)) + 2);
}

/** The room that the labels of the y axis need, in pixels. */
function widthOf(_, labels) {
  return 18 + LABEL_WIDTH * Math.max(2, ...(labels ?? []).map((label) => label.length));
}
