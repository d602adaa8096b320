"""NumPy and Torch values in a `wandb.log` call."""

from __future__ import annotations

import math

import pytest

from primus_lens_wandb_exporter.capture import Captured, capture


def test_numpy_scalars_and_arrays_of_one_element_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    captured = capture(
        {
            "float16": np.float16(0.5),
            "float32": np.float32(0.1),
            "float64": np.float64(0.1),
            "int8": np.int8(-3),
            "uint64": np.uint64(2**63),
            "zero-d": np.array(4),
            "one": np.array([5.5]),
            "matrix": np.array([[6]]),
            "true": np.bool_(True),
            "text": np.str_("t"),
            "nan": np.float32("nan"),
            "infinite": np.array([-np.inf]),
        }
    )
    assert captured.metrics == {
        "float16": 0.5,
        "float32": float(np.float32(0.1)),
        "float64": 0.1,
        "int8": -3.0,
        "uint64": 2.0**63,
        "zero-d": 4.0,
        "one": 5.5,
        "matrix": 6.0,
    }
    assert captured.entries == {"true": True, "text": "t", "nan": "NaN", "infinite": "-Infinity"}
    assert {type(value) for value in captured.metrics.values()} == {float}
    assert {type(value) for value in captured.entries.values()} == {bool, str}


def test_numpy_values_that_are_no_single_number_are_left_out() -> None:
    np = pytest.importorskip("numpy")
    values = [np.zeros(2), np.zeros(0), np.zeros((1, 3)), np.complex128(1j), np.datetime64("2026-01-01")]
    for value in values:
        assert capture({"v": value}) == Captured({}, {}, {type(value).__name__: 1})


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "uint8"])
def test_torch_tensors_of_one_element_are_numbers(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    assert capture(
        {"zero-d": torch.tensor(3, dtype=kind), "one": torch.tensor([[3]], dtype=kind)}
    ) == Captured({"zero-d": 3.0, "one": 3.0}, {}, {})


def test_torch_tensors_in_a_graph_and_of_other_kinds() -> None:
    torch = pytest.importorskip("torch")
    loss = (torch.ones(3, requires_grad=True) * 2).sum()
    captured = capture(
        {
            "loss": loss,
            "parameter": torch.nn.Parameter(torch.tensor(0.5)),
            "true": torch.tensor(True),
            "nan": torch.tensor(math.nan, dtype=torch.bfloat16),
            "several": torch.zeros(2),
            "without data": torch.zeros((), device="meta"),
        }
    )
    assert captured.metrics == {"loss": 6.0, "parameter": 0.5}
    assert captured.entries == {"true": True, "nan": "NaN"}
    assert captured.skipped == {"Tensor": 2}
    loss.backward()  # the graph is still there
