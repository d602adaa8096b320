// A chart by keyboard: arrows move the cursor, `+` zooms in around it, `-` or Escape shows all again.

const STRIDE = 0.02; // of the width

/** Listen on the element around a plot; `plotOf()` may be null, `zoom` takes `[start, end]` or null. */
export function listenToKeys(element, plotOf, zoom) {
  element.addEventListener("keydown", (event) => {
    const plot = plotOf();
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const width = plot.over.clientWidth;
    const left = plot.cursor.left >= 0 ? plot.cursor.left : width / 2;
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (turn) {
      const next = Math.min(width, Math.max(0, left + turn * Math.max(1, STRIDE * width)));
      plot.setCursor({ left: next, top: plot.over.clientHeight / 2 });
    } else if (event.key === "+") {
      const [start, end] = [left - width / 4, left + width / 4].map((place) => Math.round(plot.posToVal(place, "x")));
      if (start < end) zoom([start, end]);
    } else if (event.key === "-" || event.key === "Escape") {
      zoom(null);
    } else {
      return;
    }
    event.preventDefault();
  });
  element.addEventListener("blur", () => plotOf()?.setCursor({ left: -10, top: -10 }));
}
