"""What leaves has the types that the contract demands, whatever a source returned."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.redaction import redact
from primus_lens_wandb_exporter.evidence.shape import EVIDENCE, Misfit, fit

from .support import contract
from .support.properties import patient


def test_what_fits_is_kept_as_it_is() -> None:
    whole = {"gpu_name": "AMD Instinct MI300X", "gpu_count": 2, "gpu_memory_gb": 192.0, "gpus": [{}]}
    assert fit(whole, EVIDENCE["hardware"]) == (whole, [])


@pytest.mark.parametrize(
    ("source", "value", "fitting", "complaint"),
    [
        ("hardware", {"gpu_count": "2", "gpu_name": "n"}, {"gpu_name": "n"}, "gpu_count: expected int"),
        ("hardware", {"gpu_count": True}, {}, "gpu_count: expected int, got bool"),
        ("hardware", {"gpu_memory_gb": float("nan")}, {}, "gpu_memory_gb"),
        ("hardware", {"gpus": [1, {}]}, {"gpus": [{}]}, "gpus.0"),
        ("hardware", {"colour": "red"}, {}, "colour: no such field"),
        ("environment", {"RANK": 0, "A": "b"}, {"A": "b"}, "RANK: expected str"),
        ("git", {"dirty": None, "branch": "main"}, {"branch": "main"}, "dirty"),
    ],
)
def test_what_does_not_fit_costs_its_own_field(
    source: str, value: Any, fitting: Any, complaint: str
) -> None:
    found, (misfit,) = fit(value, EVIDENCE[source], source)
    assert found == fitting
    assert complaint in str(misfit)


@pytest.mark.parametrize("garbage", [None, "text", 7, [], [{}], object()])
def test_a_source_that_returns_garbage_fits_nowhere(garbage: Any) -> None:
    with pytest.raises(Misfit, match="hardware: expected an object"):
        fit(garbage, EVIDENCE["hardware"], "hardware")


_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    sorted({"x", *(n for shape in EVIDENCE.values() if shape is not dict for n in shape)})
)  # type: ignore[union-attr]


@patient
@given(st.dictionaries(st.sampled_from(sorted(EVIDENCE)), st.dictionaries(_NAMES, _ANYTHING)))
def test_no_garbage_breaks_the_contract(garbage: dict[str, Any]) -> None:
    evidence = {name: fit(redact(value), EVIDENCE[name])[0] for name, value in garbage.items()}
    contract.check_evidence(json.loads(json.dumps(evidence)), complete=False)
