"""The bodies that are built: of one run each, in order, of bounded size, as the contract wants them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter import payloads
from primus_lens_wandb_exporter.delivery import json_text
from primus_lens_wandb_exporter.delivery.envelope import Envelope
from primus_lens_wandb_exporter.delivery.json_text import to_json
from primus_lens_wandb_exporter.payloads import LogCall
from primus_lens_wandb_exporter.settings import Settings

from .support import contract
from .support.properties import patient

SETTINGS = Settings(workload_uid="workload-1", pod_uid="uid", pod_name="pod-1", pod_namespace="ns")
MAX_POINTS = 1000
MAX_BYTES = 256 * 1024

run_ids = st.sampled_from(["run-a", "run-b", "run-c"])
finite = st.floats(allow_nan=False, allow_infinity=False)
steps = st.integers(-(2**63), 2**63 - 1)
# Names of every width that JSON knows, up to a few thousand characters.
names = st.builds(
    lambda letter, length, tail: letter * length + tail,
    st.sampled_from(["a", '"', "\x01", "é", "損", "🔥"]),
    st.sampled_from([1, 20, 300, 3000]),
    st.integers(0, 10**6).map(str),
)
calls = st.builds(
    LogCall,
    run_ids,
    st.floats(1.1e9, 9e9),
    steps,
    st.dictionaries(names, finite, min_size=1, max_size=30),
    st.just({}),
)


def points_of(envelopes: Sequence[Envelope]) -> list[tuple[str, str, int, float]]:
    """Return the points of checked bodies, run by run, each in order."""
    points = []
    for envelope in envelopes:
        body = contract.check(envelope.path, envelope.body())
        points += [(body["run_id"], p["name"], p["step"], p["value"]) for p in body["metrics"]]
    return sorted(points, key=itemgetter(0))


def by_run(calls: Sequence[LogCall]) -> list[LogCall]:
    """Return the calls run by run, each in order."""
    return sorted(calls, key=attrgetter("run_id"))


def expected(calls: Sequence[LogCall]) -> list[tuple[str, str, int, float]]:
    """Return the points that were logged, run by run, each in order."""
    return [
        (call.run_id, name, call.step, value)
        for call in by_run(calls)
        for name, value in call.metrics.items()
    ]


@given(st.lists(calls, max_size=20))
@hypothesis_settings(patient, max_examples=50)
def test_metrics_travel_in_order_and_one_run_a_body(some: list[LogCall]) -> None:
    assert points_of(list(payloads.metrics_envelopes(SETTINGS, some))) == expected(some)


def wide_call(letter: str, length: int, count: int) -> LogCall:
    """Return a call with `count` metrics whose values and steps take as much room as they can."""
    metrics = {f"{letter * length}{i:07}": -2.2250738585072014e-308 for i in range(count)}
    return LogCall("run-a", 1234567890.1234567, -(2**63), metrics, {})


@pytest.mark.parametrize("letter", ["a", '"', "\n", "\x01", "é", "損", "🔥"], ids=ascii)
@pytest.mark.parametrize("length", [100, 2000])
@pytest.mark.parametrize("encoder", ["json", "orjson"])
def test_metrics_bodies_keep_within_points_and_bytes(
    letter: str, length: int, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_encoder(monkeypatch, encoder)
    call = wide_call(letter, length, 3000)
    envelopes = list(payloads.metrics_envelopes(SETTINGS, [call]))
    assert max(len(envelope.entries) for envelope in envelopes) <= MAX_POINTS
    assert max(len(envelope.body()) for envelope in envelopes) <= MAX_BYTES


def use_encoder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Encode with `orjson` or, as where it is missing, with `json`."""
    if name == "json":
        monkeypatch.setattr(json_text, "orjson", None)


@pytest.mark.parametrize("letter", ["a", "損", "\x01"], ids=ascii)
@pytest.mark.parametrize("encoder", ["json", "orjson"])
def test_log_bodies_keep_within_bytes(
    letter: str, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_encoder(monkeypatch, encoder)
    calls = [LogCall("run-a", 1.7e9, i, {}, {"text": letter * 8192}) for i in range(100)]
    envelopes = list(payloads.logs_envelopes(SETTINGS, calls))
    assert max(len(envelope.body()) for envelope in envelopes) <= MAX_BYTES
    entries = [
        e for envelope in envelopes for e in contract.check(envelope.path, envelope.body())["logs"]
    ]
    assert [entry["step"] for entry in entries] == list(range(100))


def test_bodies_are_filled() -> None:
    call = LogCall("run-a", 1.7e9, 1, {f"m{i}": 1.0 for i in range(2500)}, {})
    envelopes = list(payloads.metrics_envelopes(SETTINGS, [call]))
    assert [envelope.weight for envelope in envelopes] == [1000, 1000, 500]


def test_one_call_with_a_hundred_thousand_names_arrives_in_order() -> None:
    call = LogCall("run-a", 1.7e9, 1, {f"layer.{i}.norm": float(i) for i in range(100_000)}, {})
    envelopes = list(payloads.metrics_envelopes(SETTINGS, [call]))
    assert points_of(envelopes) == expected([call])
    assert sum(envelope.weight for envelope in envelopes) == 100_000


def test_a_name_larger_than_a_body_still_travels_alone() -> None:
    huge = "x" * (2 * MAX_BYTES)
    call = LogCall("run-a", 1.7e9, 1, {"before": 1.0, huge: 2.0, "after": 3.0}, {})
    envelopes = list(payloads.metrics_envelopes(SETTINGS, [call]))
    assert [[json.loads(p)["name"] for p in e.entries] for e in envelopes] == [
        ["before"],
        [huge],
        ["after"],
    ]


@given(
    st.lists(
        st.builds(
            LogCall,
            run_ids,
            st.floats(1.1e9, 9e9),
            steps,
            st.just({}),
            st.dictionaries(st.text(max_size=5), st.text() | st.booleans(), min_size=1, max_size=3),
        ),
        max_size=10,
    )
)
@hypothesis_settings(patient, max_examples=50)
def test_logs_travel_in_order_and_one_run_a_body(some: list[LogCall]) -> None:
    entries = [
        (body["run_id"], entry["step"], entry["timestamp"], entry["data"])
        for envelope in payloads.logs_envelopes(SETTINGS, some)
        for body in [contract.check(envelope.path, envelope.body())]
        for entry in body["logs"]
    ]
    assert sorted(entries, key=itemgetter(0)) == [
        (call.run_id, call.step, call.timestamp, call.entries) for call in by_run(some)
    ]


def test_a_body_says_whose_it_is() -> None:
    (envelope,) = payloads.metrics_envelopes(SETTINGS, [LogCall("run-a", 1.7e9, 1, {"a": 1.0}, {})])
    body = json.loads(envelope.body())
    assert (body["source"], body["workload_uid"]) == ("wandb", "workload-1")
    assert (body["pod_uid"], body["pod_name"]) == ("uid", "pod-1")
    assert body["metrics"] == [{"name": "a", "value": 1.0, "step": 1, "timestamp": 1.7e9, "tags": {}}]


def test_local_lines_hold_numbers_and_entries_together() -> None:
    some = [LogCall("run-a", 1.7e9 + i, i, {"a": 1.0}, {"b": "text"}) for i in range(500)]
    envelopes = payloads.local_envelopes(some)
    lines = [json.loads(line) for envelope in envelopes for line in envelope.entries]
    assert lines == [
        {"run_id": "run-a", "step": i, "timestamp": 1.7e9 + i, "data": {"a": 1.0, "b": "text"}}
        for i in range(500)
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_head_ever_holds_a_number_that_json_lacks(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_encoder(monkeypatch, "json")
    with pytest.raises(ValueError, match="JSON"):
        Envelope("/", {"value": value}).body()


json_values: Any = st.recursive(
    st.none() | st.booleans() | finite | st.integers() | st.text(),
    lambda nested: st.lists(nested, max_size=3) | st.dictionaries(st.text(), nested, max_size=3),
    max_leaves=5,
)


@given(head=st.dictionaries(st.text(min_size=1), finite, min_size=1), entries=st.lists(json_values))
@hypothesis_settings(patient, max_examples=50)
def test_a_body_is_its_head_and_its_entries(head: dict[str, Any], entries: list[Any]) -> None:
    head.pop("entries", None)
    texts = [to_json(entry) for entry in entries]
    envelope = Envelope("/", {"source": "wandb", **head}, "entries", texts)
    assert json.loads(envelope.body()) == {"source": "wandb", **head, "entries": entries}
