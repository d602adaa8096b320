// What is known of one metric: lines of buckets on one axis. A line is one series of one run.
// x of a bucket: start + bucket * width, in the axis' unit (steps, or milliseconds).

export const MOST_BUCKETS = 2000;
const COLUMNS = ["bucket", "min", "max", "mean", "count"];

/** Make the history of a metric from an answer of `/series`. */
export function makeHistory(answer, name) {
  const lines = answer.series.filter((series) => series.name === name).sort(byTags);
  return { axis: answer.axis, start: answer.start, width: answer.width, lines: lines.map(copy) };
}

/** The last bucket that any of these runs (a set or map; none: any run) has, -1 if there is none. */
export function lastBucket(history, runs) {
  const lines = history.lines.filter((line) => !runs || runs.has(line.run));
  return lines.reduce((last, line) => Math.max(last, line.bucket.at(-1) ?? -1), -1);
}

/** Put the answer for `start + from * width` and beyond in the place of what was known there. */
export function replaceTail(history, answer, name, from) {
  for (const line of history.lines) {
    const kept = line.bucket.findIndex((bucket) => bucket >= from);
    if (kept >= 0) for (const column of COLUMNS) line[column].length = kept;
  }
  for (const tail of answer.series) {
    if (tail.name !== name) continue;
    let line = history.lines.find((known) => identity(known) === identity(tail));
    if (!line) history.lines.push((line = { ...copy(tail), bucket: [], min: [], max: [], mean: [], count: [] }));
    line.bucket.push(...tail.bucket.map((bucket) => bucket + from));
    for (const column of COLUMNS.slice(1)) line[column].push(...tail[column]);
  }
  while (lastBucket(history) >= MOST_BUCKETS) coarsen(history);
}

/** Make each two neighbouring buckets one. */
export function coarsen(history) {
  history.width *= 2;
  for (const line of history.lines) {
    const halved = { bucket: [], min: [], max: [], mean: [], count: [] };
    line.bucket.forEach((bucket, at) => {
      const target = Math.floor(bucket / 2);
      const last = halved.bucket.length - 1;
      if (halved.bucket[last] !== target) {
        halved.bucket.push(target);
        for (const column of COLUMNS.slice(1)) halved[column].push(line[column][at]);
        return;
      }
      const counted = halved.count[last] + line.count[at];
      halved.mean[last] += ((line.mean[at] - halved.mean[last]) * line.count[at]) / counted;
      halved.min[last] = Math.min(halved.min[last], line.min[at]);
      halved.max[last] = Math.max(halved.max[last], line.max[at]);
      halved.count[last] = counted;
    });
    Object.assign(line, halved);
  }
}

function byTags(line, other) {
  return JSON.stringify(line.tags).localeCompare(JSON.stringify(other.tags), "en", { numeric: true });
}

function identity(line) {
  return JSON.stringify([line.run, line.source, line.tags]);
}

function copy(series) {
  return { ...series, ...Object.fromEntries(COLUMNS.map((column) => [column, [...series[column]]])) };
}
