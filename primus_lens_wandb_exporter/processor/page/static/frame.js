// From histories to what is drawn: columns on one shared x.

/**
 * Return `{x, lines: [{min, max, raw, mean}]}`: columns as long as `x`; `mean` is smoothed, `raw` is not.
 * Undefined: the line has nothing there, and goes on; null: what it has cannot be shown on a log scale.
 */
export function makeFrame(history, { smoothing, log }) {
  const places = [...new Set(history.lines.flatMap((line) => line.bucket))].sort((a, b) => a - b);
  const at = new Map(places.map((bucket, index) => [bucket, index]));
  const lines = history.lines.map((line) => {
    const spread = (column) => {
      const values = new Array(places.length);
      line.bucket.forEach((bucket, index) => {
        const value = column[index];
        values[at.get(bucket)] = log && value <= 0 ? null : value;
      });
      return values;
    };
    const raw = spread(line.mean);
    return { min: spread(line.min), max: spread(line.max), raw, mean: smooth(raw, smoothing) };
  });
  return { x: places.map((bucket) => history.start + bucket * history.width), lines };
}

/** An exponential moving average, without the pull towards zero at its start; what is missing stays so. */
export function smooth(values, weight) {
  if (!weight) return values;
  let sum = 0;
  let weights = 0;
  return Array.from(values, (value) => {
    if (value === null || value === undefined) return value;
    sum = weight * sum + (1 - weight) * value;
    weights = weight * weights + (1 - weight);
    return sum / weights;
  });
}
