"""The comparison of runs in a real browser, on a real server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..support import seed
from ..support.seed import Run
from ..support.served import Server, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from ..support.browser import Tab


def compare(*runs: Run, tab: str = "runs") -> str:
    """Return the address of a comparison."""
    return f"/compare?runs={','.join(run.key for run in runs)}&tab={tab}"


def column(page: Page, title: str) -> list[str]:
    """Return what stands in a column of the table of runs, from the top."""
    table = page.get_by_role("region", name="Runs side by side")
    titles = table.locator("thead th").all_inner_texts()
    return table.locator(f"tbody tr > :nth-child({titles.index(title) + 1})").all_inner_texts()


def config_rows(page: Page) -> dict[str, list[str]]:
    """Return the values of each config key that is shown, by run."""
    rows = page.get_by_role("region", name="Configs side by side").locator("tbody tr").all()
    return {
        row.locator("th").inner_text().split()[0]: row.locator("td").all_inner_texts() for row in rows
    }


def test_configs_stand_side_by_side_and_what_differs_is_marked(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(compare(*runs[:3], tab="config"))
    page.get_by_role("region", name="Configs side by side").wait_for()
    shown = config_rows(page)
    assert shown["batch_size"] == ["32", "64", "128"]
    assert shown["precision"] == ["bf16"] * 3
    marked = page.locator("tr.differs th").all_inner_texts()
    assert [text.split()[0] for text in marked] == ["batch_size", "optimizer.lr", "seed"]
    page.get_by_label("Only differences").check()
    for _ in range(2):
        assert list(config_rows(page)) == ["batch_size", "optimizer.lr", "seed"]
        page.reload()
        page.get_by_role("region", name="Configs side by side").wait_for()


def test_metric_columns_sort_and_what_was_chosen_survives_a_reload(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(compare(*runs[:3], tab="charts"))
    page.get_by_label("Axis").select_option(label="Time since start")
    page.get_by_role("tab", name="Side by side").click()
    title = page.get_by_role("button", name="train/loss", exact=True)
    title.click()
    rising = column(page, "train/loss")
    assert rising == sorted(rising, key=float)
    title.click()
    page.get_by_role("searchbox", name="Filter metrics by name").fill("train/")
    page.get_by_role("button", name="eval/loss", exact=True).wait_for(state="detached")
    page.get_by_label(f"Take {runs[2].name} out").click()
    page.get_by_text("2 of at most 20").wait_for()
    for _ in range(2):
        title.wait_for()
        assert column(page, "train/loss") == sorted(column(page, "train/loss"), key=float, reverse=True)
        assert len(column(page, "train/loss")) == 2
        assert page.get_by_role("button", name="eval/loss", exact=True).count() == 0
        assert page.get_by_label("Axis").input_value() == "relative"
        page.reload()


def test_the_column_by_which_an_address_sorts_is_in_sight(tab: Tab, runs: list[Run]) -> None:
    from playwright.sync_api import expect

    page = tab.show(f"{compare(*runs[:2])}&sort=metric:primus_lens.system.memory_percent")
    expect(page.get_by_role("button", name="system.memory_percent")).to_be_in_viewport(timeout=15_000)
    expect(page.get_by_role("button", name="train/loss")).not_to_be_in_viewport()


def test_charts_lie_over_one_another_and_go_back_and_forth_with_the_tables(
    tab: Tab, runs: list[Run]
) -> None:
    page = tab.show(compare(*runs[:3], tab="charts"))
    tab.chart("train/loss").scroll_into_view_if_needed()
    labels = tab.chart("train/loss").locator(".legend li:not(.marked) .label")
    labels.nth(2).wait_for()
    assert labels.all_inner_texts() == [run.name for run in runs[:3]]
    marked = tab.chart("train/loss").locator(".marked").inner_text()
    assert "NaN" in marked
    assert runs[2].name in marked
    page.get_by_role("tab", name="Config").click()
    page.get_by_role("region", name="Configs side by side").wait_for()
    page.get_by_role("tab", name="Charts").click()
    tab.chart("train/loss").scroll_into_view_if_needed()
    tab.chart("train/loss").locator("canvas").wait_for()


_NOTE_CONNECTION = """() => {
  const connection = document.querySelector("#connection");
  window.connections = [];
  const observer = new MutationObserver(() => connections.push(connection.textContent));
  observer.observe(connection, { childList: true });
}"""


def test_when_a_run_is_taken_out_the_connection_stays_and_nothing_is_missed(
    tab: Tab, server: Server, runs: list[Run]
) -> None:
    page = tab.show(compare(*runs[:3]))
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_text("3 of at most 20").wait_for()
    page.evaluate(_NOTE_CONNECTION)
    with page.expect_request(lambda request: "/stream" in request.url) as asked:
        page.get_by_label(f"Take {runs[2].name} out").click()
    page.get_by_text("2 of at most 20").wait_for()
    assert asked.value.headers["last-event-id"].isdigit()
    page.wait_for_function("() => document.querySelector('#connection').textContent === 'Live'")
    assert set(page.evaluate("() => window.connections")) <= {"Live"}
    page.get_by_role("link", name="Compare", exact=True).click()  # nothing is followed any more
    page.wait_for_function("() => document.querySelector('#connection').textContent === ''")


def test_runs_of_one_name_are_told_apart_by_their_ids(
    browser: Browser, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    twins = [Run(**{**vars(runs[0]), "run_id": run_id}) for run_id in ("first", "second")]
    with served(tmp_path) as server, open_tab(browser, server.url) as tab:
        for run in twins:
            seed.post(server.url, seed.bodies(run))
        page = tab.show(compare(*twins))
        page.get_by_role("region", name="Runs side by side").wait_for()
        names = [f"{run.name} ({run.workload}/{run.run_id})" for run in twins]
        assert [text.strip() for text in column(page, "Run")] == names
        page.get_by_label(f"Take {names[1]} out").click()
        page.get_by_label(f"Take {twins[0].name} out", exact=True).wait_for()


def test_the_summary_counts_those_that_ended(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(compare(*runs[:4]))  # finished, running, failed, crashed
    page.get_by_text("33 %").wait_for()
    page.get_by_text("1 of 3 that ended").wait_for()


def test_from_a_run_it_is_one_step_to_its_comparison(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(f"/run/{runs[0].key}")
    page.get_by_role("link", name="Compare with others").click()
    page.get_by_label(f"Take {runs[0].name} out").wait_for()


def test_runs_are_found_by_name_and_state_and_a_colour_stays_with_its_run(
    tab: Tab, runs: list[Run]
) -> None:
    page = tab.show("/compare?tab=runs")
    page.get_by_text("Nothing is compared yet").wait_for()
    page.get_by_role("searchbox", name="Find runs").fill("vision")
    page.get_by_text("4 runs", exact=True).wait_for()
    page.get_by_role("group", name="In these states").get_by_label("failed").check()
    page.get_by_text("1 run", exact=True).wait_for()
    page.get_by_role("group", name="In these states").get_by_label("failed").uncheck()
    page.get_by_text("4 runs", exact=True).wait_for()
    for run in runs[4:7]:
        page.get_by_role("checkbox", name=run.name).check()
    before = _colours(page, 3)
    assert len(set(before.values())) == 3
    page.get_by_label(f"Take {runs[4].name} out").click()
    assert _colours(page, 2) == {run.name: before[run.name] for run in runs[5:7]}
    page.get_by_role("checkbox", name=runs[7].name).check()
    assert _colours(page, 3) == {
        **{run.name: before[run.name] for run in runs[5:7]},
        runs[7].name: before[runs[4].name],
    }


def _colours(page: Page, count: int) -> dict[str, str]:
    """Return the colour of each run in the table, once it has so many."""
    heads = page.get_by_role("region", name="Runs side by side").locator("tbody th")
    page.wait_for_function(
        "(count) => document.querySelectorAll('tbody th.run').length === count", arg=count
    )
    colour = "(head) => getComputedStyle(head.querySelector('.swatch')).borderTopColor"
    return {head.inner_text().strip(): head.evaluate(colour) for head in heads.all()}


def test_a_comparison_moves_with_its_runs(tab: Tab, server: Server, runs: list[Run]) -> None:
    running = runs[1]
    page = tab.show(compare(runs[0], running, tab="charts"))
    tab.chart("train/grad_norm").get_by_role("listitem").nth(1).wait_for()
    page.evaluate("() => (window.sameDocument = true)")
    point = {"name": "train/grad_norm", "value": 77.25, "step": running.steps, "timestamp": time.time()}
    head = {"source": "wandb", "workload_uid": running.workload, "run_id": running.run_id}
    seed.post(server.url, [("metrics", {**head, "metrics": [point]})])
    tab.chart("train/grad_norm").get_by_text("77.25").wait_for()
    page.get_by_role("tab", name="Side by side").click()
    page.get_by_role("cell", name="77.25").wait_for()
    assert page.evaluate("() => window.sameDocument") is True


def test_no_more_than_twenty_runs_are_taken(browser: Browser, tmp_path: Path) -> None:
    from ..support.browser import open_tab

    runs = seed.make_runs(21, steps=20)
    with served(tmp_path) as server, open_tab(browser, server.url) as tab:
        for run in runs:
            seed.post(server.url, seed.bodies(run))
        page = tab.show(compare(*runs))
        page.get_by_text("20 of at most 20").wait_for()
        page.get_by_role("region", name="Runs side by side").wait_for()
        page.get_by_role("checkbox", name=runs[20].name, exact=False).wait_for()
        assert page.locator(".choices input:not(:checked)").count() == 1
        assert page.locator(".choices input:not(:checked)").is_disabled()
        tab.shoot("compare-twenty")


def test_a_run_that_is_unknown_is_told_of_and_the_others_are_compared(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(f"/compare?tab=runs&runs={runs[0].key},00000000000000ff")
    page.get_by_text("1 run of this address cannot be found").wait_for()
    page.get_by_role("region", name="Runs side by side").wait_for()
    tab.shoot("compare-unknown")
    page.get_by_label("Take 00000000000000ff out").click()
    page.get_by_text("cannot be found").wait_for(state="detached")
    tab.forgive("404")


def test_while_the_server_is_away_it_is_said_and_tried_again_when_asked(
    browser: Browser, runs: list[Run], tmp_path: Path
) -> None:
    from ..support.browser import open_tab

    with served(tmp_path) as first:
        for run in runs[:2]:
            seed.post(first.url, seed.bodies(run))
        port = first.url.rpartition(":")[2]
        with open_tab(browser, first.url) as tab:
            page = tab.show(compare(runs[0]))
            page.get_by_role("checkbox", name=runs[1].name).wait_for()
            first.stop()
            page.get_by_role("checkbox", name=runs[1].name).check()
            page.get_by_text("The server does not answer").wait_for()
            tab.shoot("compare-server-away")
            with served(tmp_path, "--port", port):
                page.get_by_role("button", name="Try again").click()
                page.get_by_role("region", name="Runs side by side").get_by_text(runs[1].name).wait_for()
                page.get_by_text("The server does not answer").wait_for(state="detached")


def test_the_keyboard_alone_leads_from_the_list_to_a_comparison(tab: Tab, runs: list[Run]) -> None:
    page = tab.show("/")
    page.get_by_role("link", name=runs[0].name, exact=True).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("pretraining")
    page.get_by_text("4 runs", exact=True).wait_for()
    for run in (runs[0], runs[1]):
        tab.press("Tab", until=f"[aria-label='Compare {run.name}']")
        page.keyboard.press("Space")
        page.keyboard.press("/")
    tab.press("Tab", until="a[href*='/compare']")
    page.keyboard.press("Enter")
    tab.press("Tab", until="[role=tab]")
    page.keyboard.press("ArrowRight")
    page.get_by_role("region", name="Runs side by side").wait_for()
    tab.press("Tab", until="button[data-id='metric:train/loss']")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("train/loss")
    tab.press("Shift+Tab", until=f"[aria-label='Take {runs[0].name} out']")
    page.keyboard.press("Enter")
    page.get_by_text("1 of at most 20").wait_for()
