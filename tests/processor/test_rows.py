"""`/series/rows`: curves for those who know tables."""

from __future__ import annotations

from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support.bodies import NOW, detection, metrics, point
from ..support.embedded import Embedded

_KEYS = [format(run_id("w", name), "016x") for name in ("r", "r2")]


@pytest.fixture(autouse=True)
def two_runs(taker: Embedded) -> None:
    for run, factor in (("r", 1), ("r2", 10)):
        points = [point("loss", factor * step, step) for step in range(6)]
        assert taker.post("metrics", metrics(*points, run_id=run)).status_code == 200


def rows(taker: Embedded, **query: Any) -> list[dict[str, Any]]:
    answered = taker.get("/series/rows", runs=",".join(_KEYS), metric="loss", **query)
    return list(answered["rows"])


def test_there_is_one_row_a_bucket_and_run_by_place(taker: Embedded) -> None:
    found = rows(taker, start=0, width=4)
    assert [
        (row["x"], row["run"], row["min"], row["max"], row["mean"], row["count"]) for row in found
    ] == [
        (0, _KEYS[0], 0, 3, 1.5, 4),
        (0, _KEYS[1], 0, 30, 15, 4),
        (4, _KEYS[0], 4, 5, 4.5, 2),
        (4, _KEYS[1], 40, 50, 45, 2),
    ]
    assert {(row["name"], row["source"], str(row["tags"])) for row in found} == {("loss", "wandb", "{}")}


def test_on_an_axis_of_time_the_place_is_in_milliseconds(taker: Embedded) -> None:
    found = rows(taker, axis="time", width=1000)
    assert [row["x"] for row in found[::2]] == [int(NOW + step) * 1000 for step in range(6)]


def test_a_run_is_called_by_its_name_and_without_one_by_its_id(taker: Embedded) -> None:
    assert {row["label"] for row in rows(taker)} == {"r", "r2"}
    taker.post("detection", detection())
    assert {row["label"] for row in rows(taker)} == {"first", "r2"}


def test_two_runs_of_the_same_name_are_told_apart(taker: Embedded) -> None:
    for run in ("r", "r2"):
        wandb = {"name": "twin", "id": run, "project": "p", "config": {}, "tags": []}
        assert taker.post("detection", detection(wandb=wandb)).status_code == 200
    assert {row["label"] for row in rows(taker)} == {"twin (r)", "twin (r2)"}
