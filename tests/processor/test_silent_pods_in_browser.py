"""The silent pods on the page, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from primus_lens_wandb_exporter.processor.store import SECOND, Delivery, Entry, Event, Stored
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support.served import Server, served
from .deliveries import delivery, detection

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ..support.browser import Tab

JOB, SWEEP = "llama-70b-pretraining", "vision-sweep"


def reports(workload: str, number: int, heard: int, *runs: str, last: str = "points") -> list[Delivery]:
    """What a pod tells that was heard of last so many seconds ago, two hours after it began."""
    now = time.time_ns() // 1000
    began, at = now - (heard + 7200) * SECOND, now - heard * SECOND
    name = f"{workload}-worker-{number}"
    pod = {
        "pod_uid": f"0f9c3c4e-8a2f-4f3e-9f57-{number:012d}",
        "pod_name": name,
        "namespace": "research",
    }
    told = []
    for run in runs or ("7ct4dd88",):
        whose = delivery("", workload=workload, run_id=run, pod=pod)
        record = detection("megatron", 0.9, began, run, name=f"brisk-{run[:6]}", project="pretraining")
        started = Event("started", began, f"gpu-node-{number:02d}.cluster.local", pid=4711 + number)
        what = [
            replace(whose, detections=[replace(record, rank=8 * number)], received=began),
            replace(whose, events=[started], received=began),
        ]
        if last == "points":
            what.append(replace(whose, points=[Stored("loss", 9, at, 0.5)], received=at))
        elif last == "entries":
            what.append(replace(whose, points=[Stored("loss", 9, at, 0.5)], received=at - 60 * SECOND))
            what.append(replace(whose, entries=[Entry(9, at, '{"note": "hot"}')], received=at))
        elif last == "finished":
            what.append(replace(whose, events=[Event("finished", at)], received=at))
        told += [replace(one, key=f"{name} {run} {at}") for at, one in enumerate(what)]
    return told


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A processor that has a job of which pods went quiet, a sweep, and others that are well."""
    folder = tmp_path_factory.mktemp("silent")
    store = open_store(str(folder / "processor.db"))
    for number in range(16):
        store.write(reports(JOB, number, 420 if number in (3, 11) else -3600))
    store.write(reports(JOB, 16, 1800, last="started"))
    store.write(reports(SWEEP, 0, 5400, "aaaaaa11", "bbbbbb22", "cccccc33", "dddddd44", last="entries"))
    store.write(reports("evaluation", 0, 900, last="finished"))
    store.close()
    with served(folder) as server:
        yield server


def test_the_list_of_workloads_leads_to_their_silent_pods(tab: Tab) -> None:
    page = tab.show("/workloads")
    page.get_by_role("link", name="3 silent").click()
    page.get_by_text("3 silent pods of 1 workload").wait_for()
    rows = page.locator("table.runs tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == [
        f"{JOB}-worker-{number}" for number in (3, 11, 16)
    ]
    assert "never a value" in rows.nth(2).inner_text()
    assert ["min ago" in row.inner_text() for row in rows.all()] == [True, True, False]
    page.get_by_role("link", name="brisk-7ct4dd").first.click()
    page.get_by_role("heading", name="brisk-7ct4dd").wait_for()


def test_the_silent_pods_are_a_filter_that_the_address_keeps(tab: Tab) -> None:
    page = tab.show("/workloads")
    page.get_by_text("3 workloads").wait_for()
    box = page.get_by_role("checkbox", name="silent pods")
    box.check()
    page.get_by_text("4 silent pods of 2 workloads").wait_for()
    assert page.url.endswith("#/workloads?silent=1")
    page.reload()
    page.get_by_text("4 silent pods of 2 workloads").wait_for()
    page.get_by_text("and 1 more").wait_for()
    page.get_by_role("searchbox").fill("evaluation")
    page.get_by_text("No pod is silent").wait_for()
    box.uncheck()
    page.get_by_text("1 workload", exact=True).wait_for()
    assert "silent" not in page.url


@pytest.mark.parametrize("view", ["/workloads", "/workloads?silent=1"])
def test_nothing_bars_people_from_it_and_400_pixels_are_wide_enough(tab: Tab, view: str) -> None:
    from ..support.browser import NARROW, WIDE

    page = tab.show(view)
    page.get_by_text(JOB).first.wait_for()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        for size in (WIDE, NARROW):
            page.emulate_media(color_scheme=scheme)
            tab.resize(size)
            tab.shoot(f"pods-{'silent' if '?' in view else 'all'}-{scheme}-{size[0]}")
            assert tab.barriers() == []
            assert not tab.scrolls_sideways


def test_no_silent_pod_is_said_in_words(browser: Browser, tmp_path: Path) -> None:
    from ..support.browser import open_tab

    with served(tmp_path) as server, open_tab(browser, server.url) as tab:
        tab.show("/workloads?silent=1").get_by_text("No pod is silent").wait_for()
        assert tab.errors == []
