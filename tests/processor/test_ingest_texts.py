"""Texts that a database does not take: put right, or refused by their field."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.ingest.decode import Origin, decode
from primus_lens_wandb_exporter.processor.ingest.mending import mend
from primus_lens_wandb_exporter.processor.ingest.wire import WHOSE
from primus_lens_wandb_exporter.processor.store import Store

from ..support import bodies
from ..support.embedded import Embedded
from ..support.properties import patient

NUL = "\0"
BETTER = "\ufffd"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (r'"\u0000"', BETTER),
        (r'"\\u0000"', r"\u0000"),
        (r'"\\\u0000"', "\\" + BETTER),
        (r'"\\\\u0000"', r"\\u0000"),
        (r'"\u0000\u00001"', BETTER + BETTER + "1"),
        (r'"\ud83d\ude00\u0000"', "😀" + BETTER),
        (r'"\uD83D\uDE00"', "😀"),
        (r'"\ud83d"', BETTER),
        (r'"\ude00\ud83d x"', BETTER + BETTER + " x"),
        (r'"\ud83d\ud83d\ude00"', BETTER + "😀"),
        (r'"\n\"\u0000\""', '\n"' + BETTER + '"'),
    ],
)
def test_what_no_database_takes_is_replaced(text: str, mended: str) -> None:
    assert json.loads(mend(text.encode())) == mended


@patient
@given(st.lists(st.sampled_from(["\\", "u0000", "\0", "\ud83d", "\ude00", '"', "a", "ü"])))
def test_any_text_is_mended_like_its_meaning(parts: list[str]) -> None:
    written = json.dumps("".join(parts))
    meant = re.sub("[\0\ud800-\udfff]", BETTER, json.loads(written))
    assert json.loads(mend(written.encode())) == meant


def test_nul_in_any_name_or_text_is_replaced_and_asked_for_as_it_was_sent(taker: Embedded) -> None:
    point = bodies.point(f"lo{NUL}ss", tags={f"k{NUL}": f"v{NUL}"})
    head = {"workload_uid": f"w{NUL}", "run_id": f"r{NUL}", "source": f"s{NUL}"}
    assert taker.post("metrics", bodies.metrics(point, **head)).status_code == 200
    assert taker.post("logs", bodies.logs({f"a{NUL}": f"b{NUL}\\u0000"}, **head)).status_code == 200
    query = {"metric": point["name"], "data_source": f"s{NUL}"}
    (row,) = taker.get("/workloads/w%00/metrics/data", **query)["data"]
    assert (row["metric_name"], row["run_id"]) == (f"lo{BETTER}ss", f"r{BETTER}")
    (run,) = taker.get("/runs", search=f"r{NUL}", workload=f"w{NUL}")["runs"]
    (series,) = taker.get(f"/runs/{run['key']}/metrics")["metrics"]
    assert series["tags"] == {f"k{BETTER}": f"v{BETTER}"}
    (entry,) = taker.get(f"/runs/{run['key']}/logs")["entries"]
    assert entry["data"] == {f"a{BETTER}": f"b{BETTER}\\u0000"}


@pytest.mark.parametrize("field", ["config", "tags", "name", "project", "id"])
def test_nul_in_a_detection_record_is_replaced(taker: Embedded, field: str) -> None:
    body = bodies.detection()
    value = {"config": {f"a{NUL}": NUL}, "tags": [NUL]}.get(field, NUL)
    body["evidence"]["wandb"][field] = value
    assert taker.post("detection", body).status_code == 200
    (run,) = taker.get("/workloads/w/runs")["runs"]
    found = run["run_id" if field == "id" else field]
    assert found == json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))


def _metrics(**head: Any) -> dict[str, Any]:
    return bodies.metrics(bodies.point(), **head)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("metrics[0].name", lambda name: bodies.metrics(bodies.point(name))),
        ("metrics[0].tags[...]", lambda name: bodies.metrics(bodies.point(tags={"k": name}))),
        ("tags", lambda name: bodies.metrics(bodies.point(tags={name: "v"}))),
        ("run_id", lambda name: _metrics(run_id=name)),
        ("workload_uid", lambda name: _metrics(workload_uid=name)),
        ("pod_name", lambda name: _metrics(pod_name=name)),
        ("source", lambda name: _metrics(source=name)),
    ],
)
def test_a_name_has_1024_characters_at_most(taker: Embedded, field: str, body: Any) -> None:
    assert taker.post("metrics", body("ü" * 1024)).status_code == 200
    answer = taker.post("metrics", body("ü" * 1025))
    assert answer.status_code == 400
    assert field in answer.json()["error"]
    assert answer.json()["error"].endswith("expected str of length <= 1024")


def test_names_of_workload_and_pod_are_refused_from_where_no_index_takes_them(
    store: Store, taker: Embedded
) -> None:
    letters = random.Random(1).choices([chr(code) for code in range(0x4E00, 0x9FFF)], k=853)
    name, rest = "".join(letters), "x" * (WHOSE - 3 * 853)
    names = {"workload_uid": name, "pod_uid": rest, "pod_name": ""}
    body = bodies.metrics(bodies.point(), **names)
    assert taker.post("metrics", body).status_code == 200
    assert store.write(list(decode("metrics", json.dumps(body).encode(), Origin("k", 0)).values()))
    answer = taker.post("metrics", {**body, "pod_name": "p"})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "workload_uid, pod_uid, pod_name: expected at most 2560 bytes together",
    )
