"""The visible-device variables: which GPUs each runtime shows a process, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.gpu import Gpu, visible

from .support.properties import patient

NVIDIA = [
    Gpu(at, "nvidia", "H100", uuid=f"GPU-{at}{at}aa-{at}", pci=f"0000:{at:02x}:00.0") for at in range(8)
]
AMD = [Gpu(at, "amd", "MI300X", uuid=f"GPU-a{at:015x}", pci=f"0000:{at:02x}:00.0") for at in range(8)]
MIG = [
    Gpu(0, "nvidia", "A100", uuid="MIG-0a-1", partition="MIG 1g.5gb", pci="0000:00:00.0"),
    Gpu(0, "nvidia", "A100", uuid="MIG-0b-2", partition="MIG 2g.10gb", pci="0000:00:00.0"),
    Gpu(1, "nvidia", "A100", uuid="GPU-1c", pci="0000:01:00.0"),
    Gpu(2, "nvidia", "A100", uuid="GPU-2d", partition="MIG", pci="0000:02:00.0"),
]
Choose = Callable[[Optional[str], Sequence[Gpu]], "list[Gpu]"]
RULES = [
    (visible.choose_cuda, NVIDIA),
    (visible.choose_cuda, MIG),
    (visible.choose_container, NVIDIA),
    (visible.choose_container, MIG),
    (visible.choose_rocr, AMD),
    (visible.choose_hip, AMD),
    (visible.choose_level_zero, AMD),
]


def indices(gpus: Sequence[Gpu]) -> list[int]:
    return [gpu.index for gpu in gpus]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("none", []),
        ("0", [0]),
        ("2,1", [2, 1]),
        (" 2 , 1 ", [2, 1]),
        ("0,2,-1,1", [0, 2]),
        ("0,8,1", [0]),
        ("99999999999999999999", []),
        ("0,,1", [0]),
        ("1,1", []),
        ("0,1,0", []),
        ("0,-1,0", [0]),
        ("1gpu2,2ampere", [1, 2]),
        ("GPU-33aa-3", [3]),
        ("GPU-3,GPU-1", [3, 1]),
        ("GPU-", []),
        ("GPU-3,GPU-99,GPU-1", [3]),
        ("GPU-3,GPU-33aa", []),
        ("GPU-3,1", [3]),
        ("1,GPU-3", [1]),
        ("MIG-3", []),
    ],
)
def test_cuda_shows_what_its_variable_lists(value: str | None, expected: list[int]) -> None:
    assert indices(visible.choose_cuda(value, NVIDIA)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["MIG-0a-1"]),
        ("0", ["MIG-0a-1"]),
        ("1", ["GPU-1c"]),
        ("1,0", ["MIG-0a-1"]),
        ("2", []),
        ("MIG-0b-2", ["MIG-0b-2"]),
        ("MIG-0b-2,MIG-0a-1", ["MIG-0b-2"]),
        ("MIG-0", []),
        ("GPU-1c", ["GPU-1c"]),
    ],
)
def test_cuda_shows_one_mig_device_and_no_whole_gpu_beside_it(
    value: str | None, expected: list[str]
) -> None:
    assert [gpu.uuid for gpu in visible.choose_cuda(value, MIG)] == expected


def test_old_drivers_name_a_mig_device_by_its_board() -> None:
    old = replace(MIG[0], uuid="MIG-GPU-8932f937-d72c/3/0")
    assert visible.choose_cuda("MIG-GPU-8932f937-d72c/3/0", [old, *MIG[1:]]) == [old]


@pytest.mark.parametrize("value", [None, "", "all", "none", "void", "8", "GPU-unknown", "0,GPU-unknown"])
def test_the_container_runtime_s_words_and_unknown_names_take_nothing_away(value: str | None) -> None:
    assert visible.choose_container(value, NVIDIA) == NVIDIA


@pytest.mark.parametrize("value", ["1,3", "3, 1", "GPU-11aa-1,GPU-33aa-3", "1,GPU-33aa-3", "1,3,1"])
def test_a_list_for_the_container_runtime_counts_where_more_is_seen(value: str) -> None:
    assert indices(visible.choose_container(value, NVIDIA)) == [1, 3]


def test_a_container_s_one_gpu_stays_though_its_number_on_the_machine_is_another() -> None:
    assert visible.choose_container("5", NVIDIA[:1]) == NVIDIA[:1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("", []),
        ("-1", []),
        ("3,1", [3, 1]),
        (" 3 , 0x1 ", [3, 1]),
        ("08", []),
        ("0,8,1", [0]),
        ("0,1,0,2", [0, 1]),
        ("2x", []),
        ("GPU-a000000000000003", [3]),
        ("gpu-A000000000000003,0", [3, 0]),
        ("GPU-a", []),
        ("GPU-", []),
        ("GPU", []),
        ("0,GPU-b", [0]),
    ],
)
def test_rocr_shows_what_its_variable_lists(value: str | None, expected: list[int]) -> None:
    assert indices(visible.choose_rocr(value, AMD)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("-1", []),
        ("3,1", [3, 1]),
        ("3, 1", [3]),
        ("01", []),
        ("0,8,1", [0]),
        ("0,1,0,2", [0, 1, 2]),
        ("GPU-a000000000000003,0", [3, 0]),
        ("GPU-b", []),
    ],
)
def test_hip_shows_what_its_variable_lists(value: str | None, expected: list[int]) -> None:
    assert indices(visible.choose_hip(value, AMD)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, [0, 1, 2]), ("", [0, 1, 2]), ("1", [1]), ("2,0", [0, 2]), ("0.0,0.1", [0]), ("9", [])],
)
def test_level_zero_shows_what_its_mask_lists(value: str | None, expected: list[int]) -> None:
    assert indices(visible.choose_level_zero(value, AMD[:3])) == expected


values = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            ["0", "1", "7", "8", "-1", "", "GPU-", "GPU-1", "MIG-0a", "0x2", "٣", "1.5", " 2"]
        ),
        max_size=6,
    ).map(",".join),
)


@pytest.mark.parametrize(("choose", "gpus"), RULES)
@given(value=values)
@patient
def test_any_value_shows_gpus_that_are_there_and_none_twice(
    choose: Choose, gpus: list[Gpu], value: str | None
) -> None:
    shown = choose(value, gpus)
    assert all(gpu in gpus for gpu in shown)
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize(
    "choose", [visible.choose_cuda, visible.choose_rocr, visible.choose_hip], ids=["cuda", "rocr", "hip"]
)
@given(order=st.lists(st.integers(0, 7), unique=True, min_size=1))
@patient
def test_indices_without_repetition_are_shown_in_their_order(choose: Choose, order: list[int]) -> None:
    assert indices(choose(",".join(map(str, order)), NVIDIA)) == order


@pytest.mark.parametrize(("choose", "gpus"), RULES)
def test_where_there_is_no_gpu_none_is_shown(choose: Choose, gpus: list[Gpu]) -> None:
    for value in (None, "", "0", "GPU-1", "all"):
        assert choose(value, []) == []
