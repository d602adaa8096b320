"""How long the page takes to show five million points: `python -m benchmarks.processor.page`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from primus_lens_wandb_exporter.processor.store import Delivery, Store, Stored
from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from tests.support.browser import chromium, open_tab
from tests.support.curves import falling
from tests.support.served import served

from ..pairs import summarise
from ..table import Row, render

METRICS = 50
STEPS = 100_000
LIMIT = 1000  # ms
_ROUNDS = 7
_TOGETHER = 1000  # steps of a delivery
_STARTED = 1_700_000_000_000_000  # Unix microseconds

# Milliseconds since the page was asked for until a chart is drawn, and until all of those in sight are.
_DRAWN = """
(all) => {
  const inSight = [...document.querySelectorAll("figure.chart")]
    .filter((figure) => figure.getBoundingClientRect().top < innerHeight);
  const drawn = inSight.filter((figure) => figure.querySelector("canvas"));
  const enough = all ? inSight.length : 1;
  return drawn.length && drawn.length >= enough ? performance.now() : 0;
}
"""


def fill(store: Store) -> None:
    """Store one run, as deliveries that follow one another."""
    curve = falling(10, 2)
    names = [f"train/metric_{number:02d}" for number in range(METRICS)]
    for first in range(0, STEPS, _TOGETHER):
        steps = range(first, first + _TOGETHER)
        values = [(step, _STARTED + step * 100_000, curve(step / STEPS, step % 7 / 7)) for step in steps]
        points = [
            Stored(name, step, timestamp, value) for name in names for step, timestamp, value in values
        ]
        store.write([Delivery(str(first), "w", "wandb", values[-1][1], "run", points=points)])


def measure(folder: Path) -> Iterator[Row]:
    """Open the run in a browser that has not seen the page before, again and again."""
    place = f"/run/{run_id('w', 'run'):016x}"
    first, all_of_them = [], []
    with served(folder) as server, chromium() as browser:
        for _ in range(_ROUNDS):
            with open_tab(browser, server.url) as tab:
                page = tab.show(place)
                first.append(page.wait_for_function(_DRAWN, arg=False, polling="raf").json_value())
                all_of_them.append(page.wait_for_function(_DRAWN, arg=True, polling="raf").json_value())
    yield Row("until its first chart is drawn", summarise(first), "ms", LIMIT)
    yield Row("until all charts in sight are drawn", summarise(all_of_them), "ms")


def main() -> int:
    """Measure and print; return 1 if the budget is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SqliteStore(folder / "processor.db")
        fill(store)
        store.close()
        rows = list(measure(folder))
    title = f"The page of a run with {METRICS} metrics of {STEPS:,} points each, 1280 x 900 pixels"
    print(render([(title, rows)]))
    return int(any(row.verdict == "OVER" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
