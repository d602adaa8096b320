"""Upkeep beside ingest: what is old goes in short parts, and no delivery is held up or lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.settings import BadSetting, Settings, load
from primus_lens_wandb_exporter.processor.store import Busy, Event, Store, StoreError
from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from primus_lens_wandb_exporter.processor.store.writer import Writer
from primus_lens_wandb_exporter.processor.upkeep import Upkeep

from ..support.served import served
from .deliveries import curve, delivery
from .test_upkeep_store import are_exact, everything, rows_of

SOON = 30  # seconds; what is waited for comes at once, or never
FINISHED = [Event("finished", 50_000)]


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    yield writer
    assert writer.close(SOON)


def perform(settings: Settings, writer: Writer, store: Store, parts: int) -> list[str]:
    """Let upkeep look until that many parts have found nothing to do; return what it says."""
    lines: list[str] = []
    told = threading.Semaphore(0)
    run = writer.run

    def watched(chore):  # type: ignore[no-untyped-def]
        future = run(chore)
        if not future.result(SOON)[0].looked_at:
            told.release()
        return future

    writer.run = watched  # type: ignore[method-assign]
    upkeep = Upkeep(settings, writer, store, lines.append)
    for _ in range(parts):
        assert told.acquire(timeout=SOON)
    upkeep.stop()
    return lines


def test_old_workloads_go_and_finished_runs_are_thinned_at_once_after_the_start(
    store: Store, writer: Writer
) -> None:
    now = time.time_ns() // 1000
    store.write(everything("old", points=5000))
    hour_ago = now - 3600 * 1_000_000
    store.write([delivery("a", curve("loss", 5000), events=FINISHED, received=hour_ago)])
    store.write([delivery("b", curve("loss", 5000), run_id="active", received=now)])
    settings = replace(Settings(), retain=86400, thin_after=600, thin_to=100)
    lines = perform(settings, writer, store, parts=3)
    assert [row["uid"] for row in store.workloads(0)["workloads"]] == ["w"]
    assert store.metrics(run_id("w", "active"))[0]["count"] == 5000
    left = store.metrics(run_id("w", "r"))[0]["count"]
    assert 40 < left <= 100
    are_exact(store)
    assert [line.partition(" in ")[0] for line in lines] == [
        "primus-lens-wandb: upkeep removed 10,009 rows of old workloads",
        f"primus-lens-wandb: upkeep removed {5000 - left:,} points of ended runs",
    ]


def test_nothing_but_spent_keys_and_changes_goes_unless_told(store: Store, writer: Writer) -> None:
    store.write(everything("old"))
    before = rows_of(store)
    assert perform(Settings(), writer, store, parts=1) == []
    assert rows_of(store) == before
    assert store.sizes()["batches"] == 0


def test_deliveries_are_stored_between_the_parts(store: Store, writer: Writer) -> None:
    store.write(everything("old", points=30_000))
    settings = replace(Settings(), retain=86400)
    upkeep = Upkeep(settings, writer, store, lambda line: None)
    now = time.time_ns() // 1000
    for number in range(50):
        told = delivery(str(number), curve("loss", 20, first=20 * number), workload="new", received=now)
        assert writer.submit(told).result(SOON) is True
    while store.workloads(0, search="old")["total_count"]:
        time.sleep(0.01)
    upkeep.stop()
    assert are_exact(store) == 1000


def test_a_store_in_trouble_is_told_of_and_does_not_end_the_upkeep(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = threading.Event()

    def prune(*_: int) -> int:
        if lines:
            again.set()
        raise StoreError("the disk is ill")

    lines: list[str] = []
    monkeypatch.setattr(store, "prune", prune)
    monkeypatch.setattr("primus_lens_wandb_exporter.processor.upkeep.INTERVAL", 0.01)
    upkeep = Upkeep(Settings(), writer, store, lines.append)
    assert again.wait(SOON)
    upkeep.stop()
    assert lines[0] == ("primus-lens-wandb: upkeep failed, the next try is in a minute: the disk is ill")


def test_a_chore_waits_for_the_deliveries_before_it_and_holds_up_those_behind(
    store: Store, writer: Writer
) -> None:
    gate, begun = threading.Event(), threading.Event()
    order: list[str] = []

    def chore() -> int:
        order.append(f"chore after {store.sizes()['batches']}")
        begun.set()
        assert gate.wait(SOON)
        return 7

    first = writer.submit(delivery("a"))
    answer = writer.run(chore)
    assert begun.wait(SOON)
    second = writer.submit(delivery("b"))
    assert first.done()
    assert not second.done()
    gate.set()
    assert (answer.result(SOON), second.result(SOON)) == (7, True)
    assert order == ["chore after 1"]


def test_a_chore_that_fails_harms_nobody_and_none_is_taken_after_the_end(store: Store) -> None:
    writer = Writer(store)

    def fail() -> int:
        raise StoreError("no")

    assert isinstance(writer.run(fail).exception(SOON), StoreError)
    last = writer.run(lambda: 1)
    assert writer.close(SOON)
    assert last.result(0) == 1
    with pytest.raises(Busy, match="stopping"):
        writer.run(lambda: 1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("90m", 5400), ("45s", 45)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_RETAIN": text}
    settings = load(environ, {"thin_after": text})
    assert (settings.retain, settings.thin_after, settings.thin_to) == (seconds, seconds, 2000)
    assert (load({}).retain, load({}).thin_after) == (0, 0)


@pytest.mark.parametrize("text", ["30", "d", "0d", "-1d", "1.5d", "1w", "30 d", "٣d", "9999999d"])
def test_what_is_no_duration_is_refused_plainly(text: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load({}, {"thin_after": text})
    assert str(caught.value) == (
        f"--thin-after={text!r}: expected a duration such as 30d, 12h, 90m or 45s"
    )


def test_a_server_forgets_what_is_older_than_told_and_stops_at_once(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "processor.db")) as store:
        store.write(everything("old"))
    with served(tmp_path, "--retain", "1h", "--thin-after", "1h") as server:
        while server.get("/workloads")["total_count"]:
            time.sleep(0.05)
        assert server.stop() == 0
    assert any("upkeep removed" in line for line in server.lines)
