"""The page in a real browser, on a real server: the list of runs, and one run."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from ..support import seed
from ..support.seed import Run
from ..support.served import Server, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from ..support.browser import Tab

STATES = ("running", "finished", "failed", "crashed")


def log(url: str, run: Run, name: str, step: int, value: float) -> None:
    """Log one point more."""
    point = {"name": name, "value": value, "step": step, "timestamp": time.time(), "tags": {}}
    body = {"source": "wandb", "workload_uid": run.workload, "run_id": run.run_id, "metrics": [point]}
    seed.post(url, [("metrics", body)])


def names(page: Page) -> list[str]:
    """Return the runs that are listed."""
    return page.locator("table.runs tbody a[href^='#/run/']").all_inner_texts()


def of_state(runs: list[Run], state: str) -> list[Run]:
    return [run for run in runs if run.outcome == state]


def test_the_list_shows_every_state_and_is_filtered_by_it_and_by_name(tab: Tab, runs: list[Run]) -> None:
    page = tab.show("/")
    page.get_by_text("12 runs", exact=True).wait_for()
    assert sorted(names(page)) == sorted(run.name for run in runs)
    for run in runs:
        row = page.locator("tr", has=page.get_by_role("link", name=run.name, exact=True))
        assert row.locator(".state").inner_text() == run.outcome
    tab.shoot("list")
    for state in STATES:
        box = page.get_by_role("checkbox", name=state, exact=True)
        box.check()
        page.get_by_text("3 runs", exact=True).wait_for()
        assert sorted(names(page)) == sorted(run.name for run in of_state(runs, state))
        box.uncheck()
    page.get_by_role("searchbox").fill("vision")
    page.get_by_text("4 runs", exact=True).wait_for()
    assert all("vision" in name for name in names(page))
    page.reload()
    page.get_by_text("4 runs", exact=True).wait_for()


def test_ticked_runs_are_ticked_yet_after_a_look_at_one_of_them(tab: Tab, runs: list[Run]) -> None:
    page = tab.show("/")
    for run in runs[:2]:
        page.get_by_role("checkbox", name=f"Compare {run.name}", exact=True).check()
    page.get_by_role("link", name=runs[1].name, exact=True).click()
    page.get_by_role("heading", name=runs[1].name).wait_for()
    page.go_back()
    page.get_by_role("link", name="Compare 2").wait_for()
    page.get_by_text("12 runs", exact=True).wait_for()
    ticked = page.locator("td.pick input:checked").evaluate_all(
        "(boxes) => boxes.map((box) => box.ariaLabel)"
    )
    assert sorted(ticked) == sorted(f"Compare {run.name}" for run in runs[:2])
    page.get_by_role("button", name="Clear").click()
    assert "chosen" not in page.url


def test_a_log_entry_that_was_opened_stays_open_while_points_arrive(
    tab: Tab, server: Server, runs: list[Run]
) -> None:
    run = of_state(runs, "running")[1]
    long = {"source": "wandb", "workload_uid": run.workload, "run_id": run.run_id}
    entry = {"step": 3, "timestamp": time.time(), "data": {"note": "word " * 100}}
    seed.post(server.url, [("logs", {**long, "logs": [entry]})])
    page = tab.show(f"/run/{run.key}?tab=logs")
    page.get_by_text("All of it as JSON").click()
    with page.expect_response(lambda answer: "/logs" in answer.url):
        log(server.url, run, "elsewhere", run.done, 1.0)
    page.wait_for_timeout(200)
    assert page.locator("details.raw[open]").count() == 1


def test_an_empty_list_says_what_to_do_and_runs_appear_in_it_by_themselves(
    browser: Browser, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    with served(tmp_path) as server, open_tab(browser, server.url) as tab:
        page = tab.show("/")
        page.get_by_text(f"PRIMUS_LENS_API_BASE_URL={server.url}/api/v1").wait_for()
        tab.shoot("list-empty")
        seed.post(server.url, seed.bodies(runs[1]))
        page.get_by_role("link", name=runs[1].name).wait_for()
        assert tab.errors == []


def test_a_chart_moves_when_points_arrive_and_the_page_is_not_loaded_again(
    tab: Tab, server: Server, runs: list[Run]
) -> None:
    run = of_state(runs, "running")[0]
    page = tab.show(f"/run/{run.key}")
    tab.chart("train/loss").get_by_role("listitem").wait_for()
    page.evaluate("() => (window.sameDocument = true)")
    for step, value in ((run.done, 77.25), (run.done + 1, 88.5)):
        log(server.url, run, "train/loss", step, value)
        tab.chart("train/loss").get_by_text(str(value)).wait_for()
    log(server.url, run, "train/new", run.done, 55.125)
    tab.chart("train/new").get_by_text("55.125").wait_for()
    assert page.evaluate("() => window.sameDocument") is True


def test_where_nan_was_logged_the_chart_has_a_mark(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(f"/run/{of_state(runs, 'failed')[0].key}")
    for name, marked in (("train/loss", True), ("train/grad_norm", False)):
        tab.chart(name).locator("canvas").wait_for()
        assert tab.chart(name).evaluate(_HAS_COLOUR, "--bad") is marked
    page.get_by_role("tab", name="Log entries").click()
    page.get_by_text("NaN").first.wait_for()
    tab.shoot("run-log-entries")


_HAS_COLOUR = """
async (figure, name) => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const canvas = figure.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (wanted.every((part, which) => data[at + which] === part) && data[at + 3] === 255) found++;
  }
  return found > 10;
}
"""


def test_after_a_restart_of_the_server_the_page_goes_on_where_it_was(
    browser: Browser, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    run = of_state(runs, "running")[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with served(tmp_path, "--port", port) as first, open_tab(browser, first.url) as tab:
        seed.post(first.url, seed.bodies(run))
        page = tab.show(f"/run/{run.key}")
        page.get_by_text("Live", exact=True).wait_for()
        tab.chart("train/loss").get_by_role("listitem").wait_for()
        assert first.stop() == 0
        page.get_by_text("Not connected").wait_for()
        tab.shoot("run-not-connected")
        with served(tmp_path, "--port", port) as second:
            log(second.url, run, "train/loss", run.done, 77.25)  # maybe before the page is back
            tab.chart("train/loss").get_by_text("77.25").wait_for()
            log(second.url, run, "train/loss", run.done + 1, 88.5)
            tab.chart("train/loss").get_by_text("88.5").wait_for()
            page.get_by_text("Live", exact=True).wait_for()
        tab.forgive("ERR_")


def test_a_server_with_a_token_lets_in_who_has_it(
    browser: Browser, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    environ = {"PRIMUS_LENS_PROCESSOR_READ_TOKEN": "sesame"}
    with served(tmp_path, environ=environ) as server, open_tab(browser, server.url) as tab:
        seed.post(server.url, seed.bodies(runs[0]))
        page = tab.show("/")
        page.get_by_label("Read token").fill("wrong")
        page.get_by_role("button", name="Continue").click()
        page.get_by_text("That token was not accepted.").wait_for()
        tab.shoot("token")
        page.get_by_label("Read token").fill("sesame")
        page.keyboard.press("Enter")
        page.get_by_role("link", name=runs[0].name).wait_for()
        page.get_by_text("Live", exact=True).wait_for()


def test_what_is_unknown_or_away_is_said_in_words(
    browser: Browser, tab: Tab, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    tab.show("/run/00000000000000ff").get_by_text("There is no such run").wait_for()
    tab.show("/nowhere").get_by_text("There is no such page").wait_for()
    tab.forgive("404")
    with served(tmp_path) as leaving, open_tab(browser, leaving.url) as other:
        seed.post(leaving.url, seed.bodies(runs[0]))
        page = other.show("/")
        page.get_by_text("1 run", exact=True).wait_for()
        leaving.stop()
        page.get_by_role("searchbox").fill("anything")
        page.get_by_text("The server does not answer").first.wait_for()
        other.shoot("list-server-away")
        page.get_by_role("link", name="Compare", exact=True).first.click()
        page.get_by_text("The page could not be loaded").wait_for()
        page.get_by_text("The server does not answer").wait_for()


def places(runs: list[Run]) -> dict[str, tuple[str, str]]:
    """Return the address of each view, and a text that shows when it is there."""
    run = f"/run/{of_state(runs, 'failed')[0].key}"
    some = ",".join(one.key for one in runs[:4])
    return {
        "list": ("/", "12 runs"),
        "workloads": ("/workloads", "pretraining-00"),
        "run": (run, "train/loss"),
        "run-smoothed": (f"{run}?axis=relative&smooth=0.6&log=1", "train/loss"),
        "config": (f"{run}?tab=config", "optimizer.lr"),
        "evidence": (f"{run}?tab=evidence", "AMD Instinct MI300X"),
        "logs": (f"{run}?tab=logs", "checkpoint"),
        "compare": (f"/compare?runs={some}", "train/loss"),
        "side-by-side": (f"/compare?runs={some}&tab=runs", "33 %"),
        "configs": (f"/compare?runs={some}&tab=config", "optimizer.lr"),
        "choose": ("/compare", "Nothing is compared yet"),
    }


@pytest.mark.parametrize(
    "view",
    """list workloads run run-smoothed config evidence logs
    compare side-by-side configs choose""".split(),
)
def test_nothing_bars_people_from_a_view_and_400_pixels_are_wide_enough(
    tab: Tab, runs: list[Run], view: str
) -> None:
    from ..support.browser import NARROW, WIDE

    place, text = places(runs)[view]
    page = tab.show(place)
    page.get_by_text(text).first.wait_for()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, size in zip(schemes, (WIDE, NARROW)):
        page.emulate_media(color_scheme=scheme)
        tab.resize(size)
        tab.shoot(f"{view}-{scheme}-{size[0]}")
        assert tab.barriers() == []
        assert not tab.scrolls_sideways
