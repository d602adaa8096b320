"""The one thread that writes, over a real SQLite file whose writing a gate can hold up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import Busy, Delivery, Full, Stored, StoreError
from primus_lens_wandb_exporter.processor.store import writer as store_writer
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from primus_lens_wandb_exporter.processor.store.writer import GROUP_POINTS, Writer

from .deliveries import curve, delivery, entry

SOON = 30  # seconds; what is waited for comes at once, or never


class GatedStore(SqliteStore):
    """A store that writes while the gate is open, and remembers how the deliveries were grouped."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.at_the_gate = threading.Event()
        self.groups: list[list[str]] = []
        self.fault: Exception | None = None

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        self.groups.append([delivery.key for delivery in deliveries])
        self.at_the_gate.set()
        assert self.gate.wait(SOON)
        if self.fault:
            raise self.fault
        return super().write(deliveries)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatedStore]:
    store = GatedStore(tmp_path / "db")
    yield store
    store.close()


@pytest.fixture
def writer(store: GatedStore) -> Iterator[Writer]:
    writer = Writer(store, capacity=3)
    yield writer
    store.gate.set()
    assert writer.close(SOON)


def hold(store: GatedStore, writer: Writer) -> Future[bool]:
    """Let the writer stand at the gate with a delivery, so that what comes next waits."""
    future = writer.submit(delivery("held"))
    assert store.at_the_gate.wait(SOON)
    return future


def test_the_answer_comes_after_the_commit(store: GatedStore, writer: Writer) -> None:
    future = hold(store, writer)
    assert not future.done()
    store.gate.set()
    assert future.result(SOON) is True
    assert store.workloads(0)["total_count"] == 1


def test_a_known_delivery_is_answered_false(store: GatedStore, writer: Writer) -> None:
    store.gate.set()
    assert [writer.submit(delivery("a")).result(SOON) for _ in range(2)] == [True, False]


def test_what_waits_is_written_in_one_transaction(store: GatedStore, writer: Writer) -> None:
    futures = [hold(store, writer), *(writer.submit(delivery(key, curve("x", 2))) for key in "abc")]
    store.gate.set()
    assert [future.result(SOON) for future in futures] == [True] * 4
    assert store.groups == [["held"], ["a", "b", "c"]]
    assert (writer.commits, writer.stored, writer.points, writer.failures) == (2, 4, 6, 0)
    assert writer.commit_seconds >= writer.last_commit_seconds > 0


@pytest.mark.parametrize(
    "content",
    [
        {"points": curve("x", GROUP_POINTS // 2)},
        {"entries": [entry(step) for step in range(GROUP_POINTS // 2)]},
    ],
)
def test_a_group_grows_no_further_than_what_it_brings(
    store: GatedStore, writer: Writer, content: dict[str, Any]
) -> None:
    futures = [hold(store, writer)]
    futures += [writer.submit(delivery(key, **content)) for key in "abc"]
    store.gate.set()
    assert all(future.result(SOON) for future in futures)
    assert store.groups == [["held"], ["a", "b"], ["c"]]


def test_more_than_may_wait_is_refused_at_once(store: GatedStore, writer: Writer) -> None:
    held = hold(store, writer)
    futures = [writer.submit(delivery(key)) for key in "abc"]
    with pytest.raises(Busy, match="3 bodies wait"):
        writer.submit(delivery("d"))
    assert writer.waiting == 3
    store.gate.set()
    assert all(future.result(SOON) for future in (held, *futures))
    assert writer.submit(delivery("d")).result(SOON) is True


def test_what_came_together_takes_one_place(store: GatedStore, writer: Writer) -> None:
    held = hold(store, writer)
    together = [writer.submit_together([delivery(f"{key}{i}") for i in range(5)]) for key in "abc"]
    assert (writer.waiting, writer.is_full) == (3, True)
    with pytest.raises(Busy):
        writer.submit_together([delivery("d"), delivery("e")])
    store.gate.set()
    assert held.result(SOON) is True
    assert [[future.result(SOON) for future in futures] for futures in together] == [[True] * 5] * 3


def test_trouble_lasts_until_a_write_goes_well_or_it_is_time_to_try_again(
    store: GatedStore, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.gate.set()
    for fault in (Full("no room"), StoreError("damaged")):
        store.fault = fault
        assert writer.submit(delivery("a")).exception(SOON) is fault
        assert writer.trouble is fault
        with monkeypatch.context() as patch:
            patch.setattr(store_writer, "TROUBLE_LASTS", 0)
            assert writer.trouble is None
        store.fault = None
        writer.submit(delivery("b")).result(SOON)
        assert writer.trouble is None
    store.fault = OverflowError("of the data")
    assert writer.submit(delivery("c")).exception(SOON) is store.fault
    assert writer.trouble is None


def test_a_bad_delivery_costs_nobody_else(store: GatedStore, writer: Writer) -> None:
    held = hold(store, writer)
    good, bad, other = (
        writer.submit(delivery("good", curve("x", 1))),
        writer.submit(delivery("bad", [Stored("x", 2**63, 1.0, 1.0)])),
        writer.submit(delivery("other", curve("y", 1))),
    )
    store.gate.set()
    assert all(future.result(SOON) for future in (held, good, other))
    assert isinstance(bad.exception(SOON), OverflowError)
    assert (writer.stored, writer.failures) == (3, 1)
    assert store.sources("w") == [{"name": "wandb", "count": 2}]


@pytest.mark.parametrize("fault", [Full("no room"), StoreError("damaged")])
def test_a_fault_of_the_store_is_everybodys_and_passes(
    store: GatedStore, writer: Writer, fault: Exception
) -> None:
    futures = [hold(store, writer), writer.submit(delivery("a")), writer.submit(delivery("b"))]
    store.fault = fault
    store.gate.set()
    assert [future.exception(SOON) for future in futures] == [fault] * 3
    assert store.groups == [["held"], ["a", "b"]]
    store.fault = None
    assert writer.submit(delivery("a")).result(SOON) is True


def test_closing_stores_what_waits_and_takes_no_more(store: GatedStore, writer: Writer) -> None:
    futures = [hold(store, writer), *(writer.submit(delivery(key)) for key in "abc")]
    assert writer.close(timeout=0) is False
    with pytest.raises(Busy, match="stopping"):
        writer.submit(delivery("late"))
    store.gate.set()
    assert writer.close(SOON) is True
    assert [future.result(0) for future in futures] == [True] * 4


def test_an_answer_that_nobody_waits_for_harms_nobody(store: GatedStore, writer: Writer) -> None:
    gone = hold(store, writer)
    assert gone.cancel() is False
    store.gate.set()
    assert gone.result(SOON) is True
    assert writer.submit(delivery("a")).result(SOON) is True
