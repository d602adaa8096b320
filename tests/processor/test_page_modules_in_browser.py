"""What the page's modules make of numbers, and what they ask for, in a real browser."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ..support import seed
from ..support.seed import Run
from ..support.served import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from ..support.browser import Tab

Point = tuple[int, float]


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page whose modules can be imported."""
    from ..support.browser import open_tab

    with open_tab(browser, server.url) as tab:
        yield tab.show()


def answer(points: list[Point], start: int, width: int) -> dict[str, Any]:
    """Return what `/series` answers of a run's only metric, from `start` on."""
    held: dict[int, list[float]] = {}
    for place, value in points:
        if place >= start:
            held.setdefault((place - start) // width, []).append(value)
    columns = {
        "bucket": list(held),
        "min": [min(values) for values in held.values()],
        "max": [max(values) for values in held.values()],
        "mean": [sum(values) / len(values) for values in held.values()],
        "count": [len(values) for values in held.values()],
    }
    series = [{"run": "r", "name": "loss", "source": "s", "tags": {}, **columns}] if held else []
    return {"axis": "step", "start": start, "width": width, "series": series}


_GROW = """
async ([first, tails]) => {
  const { makeHistory, replaceTail } = await import("/static/history.js");
  const history = makeHistory(first, "loss");
  for (const [from, width, tail] of tails) {
    if (width === history.width) replaceTail(history, tail, "loss", from);
  }
  return history;
}
"""


def test_a_history_that_grew_by_tails_is_the_one_that_would_be_loaded_at_once(page: Page) -> None:
    chance = random.Random(1)
    points = [(step, chance.gauss(0, 1)) for step in range(7, 9000) if chance.random() < 0.7]
    known, width, tails = 900, 1, []
    first = answer(points[:known], 7, width)
    while known < len(points):
        changed = points[known][0]
        known += chance.randrange(1, 400)
        from_bucket = (changed - 7) // width
        tail = answer(points[:known], 7 + from_bucket * width, width)
        tails.append([from_bucket, width, tail])
        while (points[:known][-1][0] - 7) // width >= 2000:
            width *= 2
    history = page.evaluate(_GROW, [first, tails])
    expected = answer(points, 7, history["width"])["series"][0]
    (line,) = history["lines"]
    assert history["width"] == width > 1
    assert len(line["bucket"]) <= 2000
    for column in ("bucket", "min", "max", "count"):
        assert line[column] == expected[column]
    assert line["mean"] == pytest.approx(expected["mean"])


def test_smoothing_does_not_pull_towards_zero_and_goes_on_behind_gaps(page: Page) -> None:
    smooth = "async ([values, weight]) => (await import('/static/frame.js')).smooth(values, weight)"
    assert page.evaluate(smooth, [[3, 3, None, 3], 0.9]) == pytest.approx([3, 3, None, 3])
    first, second = page.evaluate(smooth, [[1, 2], 0.5])
    assert (first, second) == pytest.approx((1, (0.25 * 1 + 0.5 * 2) / 0.75))
    assert page.evaluate(smooth, [[1, 2], 0]) == [1, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("number(0.123456789)", "0.12346"),
        ("number(0)", "0"),
        ("number(-1234567.8)", "-1,234,600"),
        ("number(12345678)", "1.2346e7"),
        ("number(0.00001)", "1e-5"),
        ("number(1e9 + 0.25, 12)", "1.00000000025e9"),
        ("number(0.1 + 0.2, 20)", "0.3"),
        ("number(null)", "\u2013"),
        ("duration(250)", "250 ms"),
        ("duration(59_900)", "1 min"),
        ("duration(3_600_000)", "1 h"),
        ("duration(90_061_000)", "1 d 1 h"),
        ("duration(125_000)", "2 min 5 s"),
        ("plural(1, 'run')", "1 run"),
        ("plural(1200, 'run')", "1,200 runs"),
        ("ago(Date.now() - 65_000)", "1 min ago"),
        ("ago(0)", "1970-01-01"),
        ("gpus({gpu_count: 8, gpu_name: 'MI300X'})", "8 \u00d7 MI300X"),
        ("gpus({gpu_count: null})", "\u2013"),
        ("gpus({gpu_count: 0})", "none"),
    ],
)
def test_numbers_are_written_as_people_read_them(page: Page, call: str, text: str) -> None:
    assert page.evaluate(f"async () => (await import('/static/format.js')).{call}") == text


@pytest.mark.parametrize(
    ("times", "texts"),
    [
        ([0, 500, 1000, 1500], ["0", "500 ms", "1 s", "1.5 s"]),
        ([0, 30_000, 60_000, 90_000], ["0", "30 s", "1 min", "1 min 30 s"]),
        ([3_600_000, 3_630_000], ["1:00:00", "1:00:30"]),
        ([60_000, 60_500], ["0:01:00", "0:01:00.5"]),
        ([3_600_000, 5_400_000, 90_000_000], ["1 h", "1 h 30 min", "1 d 1 h"]),
        ([-1000, 0, 1000], ["-1 s", "0", "1 s"]),
    ],
)
def test_times_on_an_axis_are_told_apart(page: Page, times: list[int], texts: list[str]) -> None:
    script = "async (times) => (await import('/static/axes.js')).elapsed(times)"
    assert page.evaluate(script, times) == texts


_LABELS = """
async ([log, low, high, step]) => {
  const { describePlot } = await import("/static/plot.js");
  const { axes } = describePlot({ axis: "step", log, smoothing: 0, lines: [], hasValues: () => true });
  const places = log ? axes[1].splits(null, 1, low, high) : [low, low + step, high];
  return axes[1].values(null, log ? axes[1].filter(null, places) : places, 1, 30, step);
}
"""


@pytest.mark.parametrize(
    ("log", "low", "high", "step", "labels"),
    [
        (True, 1, 1000, 1, ["1", "10", "100", "1,000"]),
        (True, 1e-30, 1e30, 1, ["1e-30", "1e-22", "1e-14", "1e-6", "100", "1e10", "1e18", "1e26"]),
        (True, 3, 5, 1, ["3", "4", "5"]),
        (False, 1e9, 1e9 + 0.2, 0.1, ["1e9", "1.0000000001e9", "1.0000000002e9"]),
        (False, 0.5, 0.7, 0.1, ["0.5", "0.6", "0.7"]),
    ],
)
def test_values_on_an_axis_are_told_apart_and_are_few(
    page: Page, log: bool, low: float, high: float, step: float, labels: list[str]
) -> None:
    shown = page.evaluate(_LABELS, [log, low, high, step])
    assert [label for label in shown if label] == labels


_READ = """
async (place) => {
  const { rowAt } = await import("/static/legend.js");
  const { makeFrame } = await import("/static/frame.js");
  const line = (bucket) => ({ bucket, min: bucket, max: bucket.map((one) => one + 1), mean: bucket });
  const history = { start: 0, width: 1, lines: [line([0, 1, 2, 3, 4, 5, 6, 7]), line([1, 5])] };
  const frame = makeFrame(history, { smoothing: 0, log: false });
  const look = { index: 0, label: "" };
  return frame.lines.map((line) => rowAt(look, line, place, frame).textContent);
}
"""


@pytest.mark.parametrize(
    ("place", "read"),
    [(0, ["0", "\u2013"]), (1, ["1", "1"]), (2, ["2", "1"]), (4, ["4", "5"]), (6, ["6", "\u2013"])],
)
def test_between_its_points_a_line_is_read_at_the_nearer_one(
    page: Page, place: int, read: list[str]
) -> None:
    assert page.evaluate(_READ, place) == read


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("train/loss", "train"),
        ("a/b/c", "a/b"),
        ("optim.lr", "optim"),
        ("a.b/c", "a.b"),
        ("loss", ""),
        (".hidden", ""),
        ("primus_lens.gpu.0.power", "primus_lens"),
    ],
)
def test_metrics_are_grouped_by_what_stands_before_their_names(
    page: Page, name: str, group: str
) -> None:
    assert (
        page.evaluate("async (name) => (await import('/static/board.js')).groupOf(name)", name) == group
    )


def test_only_charts_in_sight_are_loaded_and_then_only_what_is_new(
    tab: Tab, server: Server, runs: list[Run]
) -> None:
    run = next(run for run in runs if run.outcome == "running")
    asked: list[dict[str, list[str]]] = []

    def note(request: Any) -> None:
        address = urlsplit(request.url)
        if address.path == "/api/v1/series":
            asked.append(parse_qs(address.query))

    def log(value: float, step: int) -> None:
        point = {
            "name": "train/loss",
            "value": value,
            "step": step,
            "timestamp": time.time(),
            "tags": {},
        }
        body = {
            "source": "wandb",
            "workload_uid": run.workload,
            "run_id": run.run_id,
            "metrics": [point],
        }
        seed.post(server.url, [("metrics", body)])

    tab.page.on("request", note)
    page = tab.show(f"/run/{run.key}")
    tab.chart("train/loss").get_by_role("listitem").wait_for()
    assert sum(query["metric"].count("train/loss") for query in asked) == 1
    log(77.5, run.done)
    tab.chart("train/loss").get_by_text("77.5").wait_for()
    _, tail = [query for query in asked if "train/loss" in query["metric"]]
    assert int(tail["start"][0]) == run.done
    system = "primus_lens.system.cpu_percent"
    assert not any(system in query["metric"] for query in asked)
    page.get_by_text("System", exact=True).click()
    tab.chart(system).scroll_into_view_if_needed()
    tab.chart(system).get_by_role("listitem").wait_for()
    began = round(run.started * 1000)
    # What comes behind the range that is shown is not asked for.
    for axis, shown in (("step", "0..50"), ("time", f"{began - 9000}..{began + 9000}")):
        tab.show(f"/run/{run.key}?axis={axis}&range={shown}&metric=train/loss")
        page.reload()
        tab.chart("train/loss").get_by_role("listitem").wait_for()
        asked.clear()
        step = run.done + len(axis)
        log(88.5, step)
        page.get_by_text(f"step {step}").wait_for()
        assert asked == []
