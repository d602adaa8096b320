// Which runs are compared, and how their tables are shown, as it stands in the address.

export const MOST_RUNS = 20;

/**
 * Read a choice. `slots` are keys of runs; the place of a run in it is its colour, so the place of one that
 * was taken out stays empty until the next one is added. `sort` is a column's id, with `-` in front: falling.
 */
export function readChoice(params) {
  const slots = [];
  for (const key of (params.get("runs") ?? "").split(",").slice(0, MOST_RUNS)) {
    slots.push(slots.includes(key) ? "" : key);
  }
  return { slots, sort: params.get("sort") ?? "", only: params.get("only") === "1" };
}

/** The parameters of the address that stand for a choice. */
export function asParams({ slots, sort, only }) {
  return { runs: slots.join(",").replace(/,+$/, ""), sort, only: only ? "1" : "" };
}

/** The keys of the runs that were chosen. */
export function chosen(choice) {
  return choice.slots.filter(Boolean);
}

/** Put a run into the first empty place; false: there is none. */
export function add(choice, key) {
  if (choice.slots.includes(key)) return true;
  const empty = choice.slots.indexOf("");
  const place = empty < 0 ? choice.slots.length : empty;
  if (place >= MOST_RUNS) return false;
  choice.slots[place] = key;
  return true;
}

/** Take a run out. */
export function remove(choice, key) {
  choice.slots = choice.slots.map((slot) => (slot === key ? "" : slot));
}

/** The next order by a column: rising, falling, none. */
export function turnSort(sort, id) {
  if (sort === id) return `-${id}`;
  return sort === `-${id}` ? "" : id;
}
