// Colours of lines. Eight that differ for the colour-blind, too, then again with dashes.

const COLOURS = 8;
const DASHES = [[], [6, 3], [2, 3]];

/** The colour of the line at `index`, as the theme has it. */
export function colour(index) {
  return token(`--line-${index % COLOURS}`);
}

/** The dashes of the line at `index`, in pixels; none for the first eight. */
export function dash(index) {
  return DASHES[Math.floor(index / COLOURS) % DASHES.length];
}

/** A custom property of the style sheet. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A colour with another opacity, 0 to 1; `hex` is `#rrggbb`. */
export function faint(hex, opacity) {
  return hex + Math.round(opacity * 255).toString(16).padStart(2, "0");
}

/** Call `listener` when the reader's theme changes; the returned function ends it. */
export function onTheme(listener) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
