"""What is taken, what of it is stored, and what a sender is told."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from primus_lens_wandb_exporter.processor.ingest.body import read_body
from primus_lens_wandb_exporter.processor.ingest.room import Place, Room
from primus_lens_wandb_exporter.processor.refusal import Refusal
from primus_lens_wandb_exporter.processor.settings import Settings
from primus_lens_wandb_exporter.processor.store import Delivery, Full, Stored
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.embedded import Embedded, embedded
from ..support.properties import patient


def test_points_are_stored_before_they_are_answered(taker: Embedded) -> None:
    answer = taker.post("metrics", bodies.metrics(bodies.point("loss", 0.5, 3), bodies.point("acc", 1)))
    assert answer.status_code == 200
    assert set(answer.json()) == {"meta", "data"}
    assert answer.json()["data"] == {"count": 2, "duplicate": False}
    assert taker.points() == [("acc", 0, 1.0), ("loss", 3, 0.5)]
    assert taker.counted("primus_lens_processor_points_stored_total") == 2


def test_a_body_sent_twice_is_stored_once(taker: Embedded) -> None:
    body = bodies.metrics(bodies.point())
    first, second = (taker.post("metrics", body) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert [first.json()["data"]["duplicate"], second.json()["data"]["duplicate"]] == [False, True]
    assert len(taker.points()) == 1


def test_a_key_is_what_tells_bodies_apart(taker: Embedded) -> None:
    taker.post("metrics", bodies.metrics(bodies.point(step=1)), Idempotency_Key="k")
    again = taker.post("metrics", bodies.metrics(bodies.point(step=2)), Idempotency_Key="k")
    other = taker.post("logs", bodies.logs({"a": 1}), Idempotency_Key="k")
    assert again.json()["data"]["duplicate"] is True
    assert other.json()["data"]["duplicate"] is False  # the path is part of it
    assert [step for _, step, _ in taker.points()] == [1]


@pytest.mark.parametrize("name", ["workload_uid", "pod_uid", "pod_name", "run_id"])
def test_senders_of_different_workloads_pods_and_runs_may_have_the_same_keys(
    taker: Embedded, name: str
) -> None:
    for step, whose in enumerate(("w", "other")):
        body = bodies.metrics(bodies.point(step=step), **{name: whose})
        answer = taker.post("metrics", body, Idempotency_Key="1").json()
        assert answer["data"]["duplicate"] is False


@pytest.mark.parametrize(
    ("point_time", "body_time", "expected"), [(5.5, 7.5, 5.5), (0, 7.5, 7.5), (None, 7.5, 7.5)]
)
def test_a_point_without_a_time_takes_the_bodys(
    taker: Embedded, point_time: float | None, body_time: float, expected: float
) -> None:
    point = bodies.point(timestamp=point_time)
    if point_time is None:
        del point["timestamp"]
    taker.post("metrics", bodies.metrics(point, timestamp=body_time))
    (row,) = taker.store.points("w")
    assert row["timestamp"] == expected * 1e6


def test_a_body_without_a_time_takes_that_of_its_receipt(taker: Embedded) -> None:
    point = {"name": "loss", "value": 1}
    taker.post("metrics", {"pod_name": "p", "run_id": "r", "metrics": [point]})
    (row,) = taker.store.points("p")  # without a workload_uid it is the pod's
    (workload,) = taker.store.workloads(0)["workloads"]
    assert row["timestamp"] == workload["first_seen"]
    assert row["timestamp"] > bodies.NOW * 1e6


def test_names_of_metadata_are_no_metrics(taker: Embedded) -> None:
    names = ["step", "run_id", "source", "history", "created_at", "updated_at", "loss"]
    answer = taker.post("metrics", bodies.metrics(*(bodies.point(name) for name in names)))
    assert answer.json()["data"]["count"] == 1
    assert taker.points() == [("loss", 0, 0.5)]


def test_an_empty_body_leaves_nothing_behind(taker: Embedded) -> None:
    answer = taker.post("metrics", bodies.metrics(run_id="primus-lens-doctor"))
    assert answer.status_code == 200
    assert taker.is_empty


@pytest.mark.parametrize("kind", ["metrics", "logs", "detection", "batch"])
def test_a_body_that_is_nobodys_is_refused(taker: Embedded, kind: str) -> None:
    whole = {"metrics": bodies.metrics(bodies.point()), "logs": bodies.logs({"a": 1})}
    whole["detection"] = bodies.detection()
    for body in whole.values():
        body.update(workload_uid="", pod_name="")
    answer = taker.post(kind, {"metrics": whole["metrics"]} if kind == "batch" else whole[kind])
    where = "metrics: " if kind == "batch" else ""
    assert answer.status_code == 400
    assert answer.json() == {"error": f"{where}either workload_uid or pod_name is required"}
    assert taker.is_empty


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("step", "3.0", "metrics[1].step: expected int, got float"),
        ("step", "true", "metrics[1].step: expected int, got bool"),
        ("step", "9223372036854775808", "metrics[1].step: expected int <= 9223372036854775807"),
        ("step", "-9223372036854775809", "metrics[1].step: expected int >= -9223372036854775808"),
        ("value", "true", "metrics[1].value: expected float, got bool"),
        ("value", '"1"', "metrics[1].value: expected float, got str"),
        ("value", "1e999", "metrics[1].value: number out of range"),
        ("value", "NaN", "the body: JSON is malformed: invalid character"),
        ("value", "-Infinity", "the body: JSON is malformed: invalid"),
        ("tags", '{"a": 1}', "metrics[1].tags[...]: expected str, got int"),
        ("timestamp", "1700000000000", "metrics[1].timestamp: expected float <= "),
        ("name", '""', "metrics[1].name: expected str of length >= 1"),
    ],
)
def test_the_field_that_is_wrong_is_named(taker: Embedded, field: str, value: str, error: str) -> None:
    wrong = {"name": '"loss"', "value": "1", "step": "1", "tags": "{}", "timestamp": "1", field: value}
    point = ",".join(f'"{name}": {text}' for name, text in wrong.items())
    points = f'[{{"name": "a", "value": 1}}, {{{point}}}]'
    body = f'{{"workload_uid": "w", "run_id": "r", "metrics": {points}}}'
    answer = taker.post("metrics", body.encode())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)
    assert taker.is_empty  # not even the point that was right
    assert taker.counted('primus_lens_processor_refusals_total{reason="invalid"}') == 1


def test_a_missing_field_is_named(taker: Embedded) -> None:
    answer = taker.post("metrics", bodies.metrics({"name": "loss"}))
    assert answer.json() == {"error": "metrics[0].value: a required field is missing"}


def test_steps_take_the_whole_of_int64(taker: Embedded) -> None:
    steps = [-(2**63), 2**63 - 1]
    points = [bodies.point(step=step, timestamp=bodies.NOW) for step in steps]
    assert taker.post("metrics", bodies.metrics(*points)).status_code == 200
    assert [row["iteration"] for row in taker.get("/workloads/w/metrics/data")["data"]] == steps


def test_log_entries_are_objects(taker: Embedded) -> None:
    assert taker.post("logs", bodies.logs({"text": "a"}, {"loss": "NaN"})).json()["data"]["count"] == 2
    wrong = bodies.logs({"a": 1}, [1])  # type: ignore[arg-type]
    assert taker.post("logs", wrong).json() == {"error": "logs[1].data: expected object"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"source": "\xff"}', b"[" * 9999])
@pytest.mark.parametrize("kind", ["metrics", "logs", "detection", "batch"])
def test_what_is_no_json_object_is_refused(taker: Embedded, kind: str, content: bytes) -> None:
    answer = taker.post(kind, content)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body")


@pytest.mark.parametrize("method", ["put", "delete", "get"])
def test_other_methods_are_refused(taker: Embedded, method: str) -> None:
    answer = getattr(taker.client, method)("/api/v1/wandb/metrics")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})


def test_a_batch_answers_for_each_part(taker: Embedded) -> None:
    body = {
        "detection": bodies.detection(),
        "metrics": bodies.metrics(bodies.point()),
        "logs": bodies.logs({"a": 1}),
    }
    for duplicate in (False, True):
        results = taker.post("batch", body).json()["data"]["results"]
        part = {"success": True, "count": 1, "duplicate": duplicate}
        assert results == {"detection": part, "metrics": part, "logs": part}
    assert len(taker.points()) == 1


def test_a_batch_takes_one_place_in_the_queue(tmp_path: Path) -> None:
    body = {"metrics": bodies.metrics(bodies.point()), "logs": bodies.logs({"a": 1})}
    body["detection"] = bodies.detection()
    with embedded(tmp_path, Settings(queue=1)) as taker:
        answer = taker.post("batch", body)
        assert answer.status_code == 200
        results = answer.json()["data"]["results"].values()
        assert [part["success"] for part in results] == [True] * 3


def test_a_batch_with_one_bad_part_stores_nothing(taker: Embedded) -> None:
    wrong = bodies.metrics(bodies.point(step=1.5))  # type: ignore[arg-type]
    answer = taker.post("batch", {"detection": bodies.detection(), "metrics": wrong})
    assert answer.json() == {"error": "metrics.metrics[0].step: expected int, got float"}
    assert taker.post("batch", {}).status_code == 400
    assert taker.is_empty


def test_a_detection_record_is_kept_as_it_came(taker: Embedded) -> None:
    assert taker.post("detection", bodies.detection()).status_code == 200
    (run,) = taker.get("/workloads/w/runs")["runs"]
    assert run["config"] == {"lr": 0.1, "seed": 2**70}  # more than 64 bits
    assert (run["name"], run["project"], run["tags"]) == ("first", "vision", ["a"])


def test_gzip_is_unpacked_also_in_several_members(taker: Embedded) -> None:
    text = str(bodies.metrics(bodies.point())).replace("'", '"').encode()
    packed = gzip.compress(text[:20]) + gzip.compress(text[20:])
    assert taker.post("metrics", packed, Content_Encoding="gzip").status_code == 200
    assert len(taker.points()) == 1


@pytest.mark.parametrize(
    ("packed", "error"),
    [
        (gzip.compress(b"") * 17, "more than 16 members"),
        (b"", "cut short"),
        (b"{}", "not gzip"),
        (gzip.compress(b"{}" * 99)[:-9], "cut short"),
    ],
    ids=["members", "empty", "text", "cut"],  # bytes would be an id: gzip writes the time into them
)
def test_broken_gzip_is_refused(taker: Embedded, packed: bytes, error: str) -> None:
    answer = taker.post("metrics", packed, Content_Encoding="gzip")
    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_other_encodings_and_kinds_are_refused(taker: Embedded) -> None:
    assert taker.post("metrics", b"{}", Content_Encoding="br").status_code == 415
    assert taker.post("metrics", b"{}", Content_Type="text/plain").status_code == 415


@pytest.mark.parametrize("packed", [False, True])
def test_the_limit_counts_what_is_unpacked(tmp_path: Path, packed: bool) -> None:
    with embedded(tmp_path, Settings(max_body=1000)) as taker:
        text = b" " * 998 + b"{}"
        for body, status in ((text, 400), (b" " + text, 413)):
            content = gzip.compress(body) if packed else body
            headers = {"Content_Encoding": "gzip"} if packed else {}
            assert taker.post("metrics", content, **headers).status_code == status


def test_a_bomb_is_cut_at_the_limit(taker: Embedded) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert taker.post("metrics", bomb, Content_Encoding="gzip").status_code == 413


def test_a_body_of_unknown_length_is_not_read_to_its_end() -> None:
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 100
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    request = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)
    with pytest.raises(Refusal, match="larger than 1000 bytes"):
        asyncio.run(read_body(request, 1000, Place(Room(1000))))
    assert taken == 2100  # as much again is passed over, so that the sender gets to read the answer


def test_a_full_queue_and_a_full_disk_say_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(store: SqliteStore, deliveries: list[Delivery]) -> list[bool]:
        raise Full("no room")

    with embedded(tmp_path, Settings(queue=1)) as taker:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "write", no_room)
            answer = taker.post("metrics", bodies.metrics(bodies.point()))
            batch = taker.post("batch", {"metrics": bodies.metrics(bodies.point())})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert (batch.status_code, batch.headers["retry-after"]) == (503, "30")
        assert batch.json()["data"]["results"]["metrics"]["success"] is False
        assert taker.counted('primus_lens_processor_refusals_total{reason="full"}') == 2
        assert taker.post("metrics", bodies.metrics(bodies.point())).status_code == 200


def test_when_storing_is_behind_more_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, at_the_gate = threading.Event(), threading.Event()
    write = SqliteStore.write

    def wait_and_write(store: SqliteStore, deliveries: list[Delivery]) -> list[bool]:
        at_the_gate.set()
        assert gate.wait(30)
        return write(store, deliveries)

    monkeypatch.setattr(SqliteStore, "write", wait_and_write)
    with embedded(tmp_path, Settings(queue=1)) as taker, ThreadPoolExecutor(2) as pool:
        taken = [pool.submit(taker.post, "metrics", bodies.metrics(bodies.point(step=0)))]
        assert at_the_gate.wait(30)
        taken.append(pool.submit(taker.post, "metrics", bodies.metrics(bodies.point(step=1))))
        while not taker.counted("primus_lens_processor_queue"):
            pass
        answer = taker.post("metrics", b"not even looked at")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        gate.set()
        assert [future.result(30).status_code for future in taken] == [200, 200]
        assert len(taker.points()) == 2


def test_a_writer_that_takes_no_more_is_answered_429(tmp_path: Path) -> None:
    with embedded(tmp_path) as taker:
        pass  # its writer is closed now, and refuses as a full one does
    answer = taker.post("metrics", bodies.metrics(bodies.point()))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert taker.counted('primus_lens_processor_refusals_total{reason="busy"}') == 1


def test_what_the_store_chokes_on_is_answered_500_without_its_words(
    taker: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(store: SqliteStore, deliveries: list[Delivery]) -> list[bool]:
        raise RuntimeError("secret")

    monkeypatch.setattr(SqliteStore, "write", choke)
    answer = taker.post("metrics", bodies.metrics(bodies.point()))
    assert (answer.status_code, answer.json()) == (500, {"error": "it could not be stored"})


def test_tags_divide_a_metric(taker: Embedded) -> None:
    points = [bodies.point(tags={"rank": str(rank)}) for rank in range(2)]
    taker.post("metrics", bodies.metrics(*points))
    assert len(taker.points()) == 2


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KNOWN = [
    "workload_uid",
    "pod_name",
    "run_id",
    "timestamp",
    "metrics",
    "logs",
    "evidence",
    "hints",
    "source",
]
_items = st.dictionaries(
    st.sampled_from(["name", "value", "step", "timestamp", "tags", "data"]),
    st.one_of(_anything, st.text(max_size=3), st.integers(), st.floats(allow_nan=False)),
)
_bodies = st.dictionaries(
    st.sampled_from(_KNOWN),
    st.one_of(_anything, st.text(min_size=1, max_size=3), st.lists(_items, max_size=2)),
)


@given(
    kind=st.sampled_from(["metrics", "logs", "detection", "batch"]),
    body=st.one_of(_anything, _bodies, st.dictionaries(st.sampled_from(["metrics", "logs"]), _bodies)),
)
@settings(patient, max_examples=40)
def test_whatever_json_comes_is_taken_or_refused_and_then_not_stored(
    tmp_path_factory: pytest.TempPathFactory, kind: str, body: Any
) -> None:
    with embedded(tmp_path_factory.mktemp("t")) as taker:
        answer = taker.post(kind, body)
        assert answer.status_code in (200, 400)
        if answer.status_code == 400:
            assert taker.is_empty
            assert answer.json()["error"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.floats(-1, 1)), max_size=6))
@settings(patient, max_examples=40)
def test_what_is_taken_is_what_is_answered(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[str, int, float]]
) -> None:
    expected = {Stored(name, step, bodies.NOW + step, value)[:3]: value for name, step, value in points}
    unique = [bodies.point(name, value, step) for (name, step, _), value in expected.items()]
    with embedded(tmp_path_factory.mktemp("t")) as taker:
        for body in (unique, unique[::2], unique[1::2]):
            taker.post("metrics", bodies.metrics(*body))
        answered = {(name, step): value for name, step, value in taker.points()}
        assert len(taker.points()) == len(unique)
    assert answered == {(name, step): value for (name, step, _), value in expected.items()}


def test_a_number_that_no_machine_holds_is_kept_or_refused(taker: Embedded) -> None:
    digits = "9" * 5000
    text = json.dumps(bodies.detection())
    unknown = text.replace('"system": {', f'"x": {digits}, "system": {{')
    assert taker.post("detection", unknown.encode()).status_code == 200
    assert len(taker.get("/workloads/w/runs")["runs"]) == 1
    known = text.replace('"system": {', f'"system": {{"x": {digits}, ')
    assert taker.post("detection", known.encode()).status_code == 400


def test_a_large_body_is_decoded_like_any_other(taker: Embedded) -> None:
    points = [bodies.point(step=step) for step in range(5000)]
    assert taker.post("metrics", bodies.metrics(*points)).status_code == 200
    assert len(taker.points()) == 5000
    points[4999]["step"] = "x"
    assert "metrics[4999].step" in taker.post("metrics", bodies.metrics(*points)).text
