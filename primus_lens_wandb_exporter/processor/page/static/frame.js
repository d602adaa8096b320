// From histories to what is drawn: columns on one shared x.

/**
 * Return `{x, lines: [{min, max, raw, mean}]}`: columns as long as `x`, null where there is nothing.
 * `mean` is smoothed, `raw` is not.
 */
export function makeFrame(history, { smoothing, log }) {
  const places = [...new Set(history.lines.flatMap((line) => line.bucket))].sort((a, b) => a - b);
  const at = new Map(places.map((bucket, index) => [bucket, index]));
  const lines = history.lines.map((line) => {
    const spread = (column) => {
      const values = new Array(places.length).fill(null);
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

/** An exponential moving average, without the pull towards zero at its start; nulls stay. */
export function smooth(values, weight) {
  if (!weight) return values;
  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    weights = weight * weights + (1 - weight);
    return sum / weights;
  });
}
