"""Several processors on one PostgreSQL: each thing is stored once, counted exactly, and seen by all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.postgres import PostgresStore, upkeep
from primus_lens_wandb_exporter.processor.store.postgres.writing import write_deliveries

from ..support.delivery import wait_until
from ..support.postgres import ask_postgres
from .deliveries import curve, delivery, entry

SOON = 30  # seconds; what is waited for comes at once, or never


@pytest.fixture
def stores(database: str) -> Iterator[list[PostgresStore]]:
    """Three replicas."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(PostgresStore(database))) for _ in range(3)]


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def wait_until_one_waits(database: str) -> None:
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    wait_until(lambda: ask_postgres(database, waiting))


def test_a_change_is_seen_after_those_before_it_and_none_is_skipped(
    stores: list[PostgresStore], database: str, aside: ThreadPoolExecutor
) -> None:
    first, second, reader = stores
    with first._writing.lend() as connection, connection.transaction():
        write_deliveries(connection, [delivery("a", curve("loss", 2))])
        later = aside.submit(second.write, [delivery("b", curve("loss", 2), workload="other")])
        wait_until_one_waits(database)
        assert reader.changes(0) == []
        assert reader.newest_change() == (0, 0)
    assert later.result(SOON) == [True]
    (one, other) = reader.changes(0)
    assert [one[1:], other[1:]] == [(run_id("w", "r"), 0, 1), (run_id("other", "r"), 0, 1)]
    assert one[0] < other[0]
    assert reader.changes(one[0]) == [other]


@pytest.mark.parametrize("commits", [True, False])
def test_of_replicas_that_get_one_delivery_at_once_one_stores_it(
    stores: list[PostgresStore], database: str, aside: ThreadPoolExecutor, commits: bool
) -> None:
    first, second, _ = stores
    same = [delivery("a", curve("loss", 5))]
    with first._writing.lend() as connection, connection.transaction(force_rollback=not commits):
        assert write_deliveries(connection, same) == [True]
        later = aside.submit(second.write, same)
        wait_until_one_waits(database)
    assert later.result(SOON) == [not commits]
    assert second.sources("w") == [{"name": "wandb", "count": 5}]


def test_the_last_value_is_that_of_the_highest_step_whoever_commits_first(
    stores: list[PostgresStore], database: str, aside: ThreadPoolExecutor
) -> None:
    first, second, _ = stores
    with first._writing.lend() as connection, connection.transaction():
        write_deliveries(connection, [delivery("a", curve("loss", 10))])
        later = aside.submit(second.write, [delivery("b", curve("loss", 5, first=2))])
        wait_until_one_waits(database)
    assert later.result(SOON) == [True]
    (metric,) = second.metrics(run_id("w", "r"))
    assert (metric["count"], metric["last_step"], metric["last_value"]) == (10, 9, 4.5)


def test_replicas_that_store_the_same_points_at_once_count_each_once(
    stores: list[PostgresStore], aside: ThreadPoolExecutor
) -> None:
    def write(store: PostgresStore, which: int) -> None:
        for part in range(12):
            first = 10 * ((part * (2 * which + 1)) % 12)  # each in another order, overlapping
            points = [point for m in range(5) for point in reversed(curve(f"m{m}", 20, first))]
            assert store.write([delivery(f"{which}-{part}", points)]) == [True]

    list(aside.map(write, stores, range(3)))
    store = stores[0]
    found = store.points("w")
    assert len(found) == 5 * 130
    assert {metric["count"] for metric in store.metrics(run_id("w", "r"))} == {130}
    (run,) = store.runs(2000)["runs"]
    (workload,) = store.workloads(0)["workloads"]
    assert run["points"] == workload["points"] == 5 * 130
    assert (run["last_step"], workload["runs"]) == (129, 1)


def test_who_is_cut_off_by_a_deadlock_tries_again(database: str, aside: ThreadPoolExecutor) -> None:
    with closing(PostgresStore(database)) as store, psycopg.connect(database) as other:
        store.write([delivery("a", curve("loss", 1))])
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("UPDATE primus_lens.workload SET points = points")
        later = aside.submit(store.write, [delivery("b", curve("loss", 2))])
        wait_until_one_waits(database)  # holding its key, for the workload
        other.execute("INSERT INTO primus_lens.batch VALUES ('b', 1) ON CONFLICT DO NOTHING")
        other.rollback()
        assert later.result(SOON) == [True]
        assert store.sources("w") == [{"name": "wandb", "count": 2}]


def test_one_replica_at_a_time_keeps_house(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    first.write([delivery("a", curve("loss", 5))])
    with first._writing.lend() as connection, connection.transaction():
        assert upkeep.may_keep(connection)
        assert second.forget(before=2000, rows=100) == second.prune(2000, 0, 100) == 0
    assert second.forget(before=2000, rows=100) > 5


def test_a_workload_that_returns_while_another_replica_forgets_it_is_counted_right(
    stores: list[PostgresStore], database: str, aside: ThreadPoolExecutor
) -> None:
    first, second, _ = stores
    first.write([delivery("a", curve("loss", 50) + curve("lr", 50))])
    with first._writing.lend() as connection, connection.transaction():
        assert upkeep.forget(connection, before=2000, rows=70) >= 70
        back = delivery("b", curve("loss", 20, 40) + curve("lr", 20, 40), received=3000)
        later = aside.submit(second.write, [back])
        wait_until_one_waits(database)
    assert later.result(SOON) == [True]
    counts = {metric["name"]: metric["count"] for metric in second.metrics(run_id("w", "r"))}
    found = Counter(point["metric_name"] for point in second.points("w"))
    (workload,) = second.workloads(0)["workloads"]
    assert counts == found
    assert workload["points"] == sum(found.values())
    assert second.forget(before=2000, rows=1000) == 0
    while second.forget(before=4000, rows=1000):
        pass
    assert second.sizes()["points"] == second.workloads(0)["total_count"] == 0


def test_what_a_workload_brings_while_another_replica_forgets_it_stays(
    stores: list[PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, writer, _ = stores
    writer.write([delivery("old", curve("loss", 3), entries=[entry(1, a=1)], received=1000)])
    look = upkeep._forget_some

    def return_in_between(*arguments: Any) -> int:
        writer.write([delivery("new", curve("loss", 3, first=10), received=5000)])
        return look(*arguments)

    monkeypatch.setattr(upkeep, "_forget_some", return_in_between)
    assert keeper.forget(2000, 1000) == 0
    assert [row["iteration"] for row in writer.points("w")] == [0, 1, 2, 10, 11, 12]
    assert len(writer.entries(run_id("w", "r"), 9)) == 1
    assert writer.sources("w") == [{"name": "wandb", "count": 6}]
