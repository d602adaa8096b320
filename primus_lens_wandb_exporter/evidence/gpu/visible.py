"""Which of the GPUs a process is meant to see: the rules of the visible-device variables.

Every function takes a variable's value (None: not set) and the GPUs in the runtime's order, and returns
the visible ones in the order in which the runtime numbers them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .inventory import Gpu

_LEADING_NUMBER = re.compile(r"\s*\+?(\d+)", re.ASCII)
_C_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+", re.ASCII)
_WHOLE_NUMBER = re.compile(r"0|[1-9]\d*", re.ASCII)
_NO_INSTANCE = "MIG"  # the partition of a board that is in MIG mode and has no instance
_LONGEST = 6  # digits of a number that can be an index


def choose_cuda(value: str | None, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Apply `CUDA_VISIBLE_DEVICES` as the CUDA driver does.

    A list of indices of boards, or of unique beginnings of UUIDs (`GPU-…`, `MIG-…`), ends at the first
    entry that names nothing; with an entry twice it is empty. Where a MIG device is visible, it is the
    first one alone. Sources: CUDA programming guide, "CUDA environment variables" (order, end of the
    list, abbreviation); MIG user guide, "Device enumeration" (one MIG device, no whole GPU beside it);
    PyTorch, `torch/cuda/__init__.py` (repeated entries, text after a number).
    """
    boards = _group_by_board(gpus)
    if value is None:
        chosen = boards
    elif value.strip().startswith(("GPU-", "MIG-")):
        kind = value.strip()[:4]
        singles = [[gpu] for gpu in gpus if gpu.uuid.startswith(kind)]
        picked = [_find_uuid(entry.strip(), singles, kind) for entry in value.split(",")]
        chosen = _take_until_invalid(picked, singles)
    else:
        picked = [_read_index(_LEADING_NUMBER.match(entry), 1) for entry in value.split(",")]
        chosen = _take_until_invalid(picked, boards)
    usable = [board[0] for board in chosen if board[0].partition != _NO_INSTANCE]
    instances = [gpu for gpu in usable if gpu.partition]
    return instances[:1] or usable


def choose_container(value: str | None, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Apply `NVIDIA_VISIBLE_DEVICES`, which speaks to the container runtime.

    The runtime has acted on it before the process began, so what can be seen is what there is: `all`,
    `none`, `void` and nothing at all take no GPU away. (A CDI specification sets `void` so that the
    older hook stays out, though its GPUs are there: NVIDIA/nvidia-container-toolkit#395.) A list counts
    where more is seen than it names and each name is known, as in a privileged container.
    """
    boards = _group_by_board(gpus)
    named: list[Gpu] = []
    for entry in (value or "").split(","):
        index = _read_index(_WHOLE_NUMBER.fullmatch(entry.strip()))
        if 0 <= index < len(boards):
            named += boards[index]
        elif index < 0:
            named += [gpu for gpu in gpus if gpu.uuid and gpu.uuid == entry.strip()] or gpus
        else:
            return list(gpus)
    return [gpu for gpu in gpus if gpu in named]


def choose_rocr(value: str | None, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Apply `ROCR_VISIBLE_DEVICES` as the ROCm runtime does.

    Indices (in C notation) and unique beginnings of `GPU-<unique id in hex>` in any case; the first
    entry that names nothing, or one twice, ends the list; an empty value hides all. Source:
    ROCR-Runtime, `core/runtime/amd_filter_device.cpp`.
    """
    if value is None:
        return list(gpus)
    chosen: list[Gpu] = []
    uuids = [[gpu] for gpu in gpus]
    for entry in value.split(","):
        token = entry.strip().upper()
        if token.startswith("G"):
            index = _find_uuid(token, uuids, "GPU-") if len(token) > 4 else -1
        else:
            index = _read_c_index(token)
        if not 0 <= index < len(gpus) or gpus[index] in chosen:
            break
        chosen.append(gpus[index])
    return chosen


def choose_hip(value: str | None, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Apply `HIP_VISIBLE_DEVICES` or one that stands in for it, as HIP does, to what ROCr has left.

    Indices and `GPU-…`; the first entry that names nothing ends the list, one named twice counts once,
    and an empty value hides nothing. Source: ROCm clr, `rocclr/device/rocm/rocdevice.cpp`.
    """
    if not value:
        return list(gpus)
    chosen: list[Gpu] = []
    for entry in value.split(","):
        index = _read_index(_WHOLE_NUMBER.fullmatch(entry))
        if entry.startswith("GPU-"):
            index = next((at for at, gpu in enumerate(gpus) if gpu.uuid.startswith(entry)), -1)
        if not 0 <= index < len(gpus):
            break
        if gpus[index] not in chosen:
            chosen.append(gpus[index])
    return chosen


def choose_level_zero(value: str | None, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Apply `ZE_AFFINITY_MASK`: indices of devices, a sub-device (`0.1`) standing for its device.

    An empty value hides nothing. Source: Level Zero specification, "Environment variables".
    """
    if not value:
        return list(gpus)
    named = {
        _read_index(_WHOLE_NUMBER.fullmatch(entry.partition(".")[0].strip()))
        for entry in value.split(",")
    }
    return [gpu for at, gpu in enumerate(gpus) if at in named]


def _group_by_board(gpus: Sequence[Gpu]) -> list[list[Gpu]]:
    boards: dict[str, list[Gpu]] = {}
    for gpu in gpus:
        boards.setdefault(gpu.pci, []).append(gpu)
    return list(boards.values())


def _take_until_invalid(picked: list[int], devices: list[list[Gpu]]) -> list[list[Gpu]]:
    end = next((at for at, index in enumerate(picked) if not 0 <= index < len(devices)), len(picked))
    valid = picked[:end]
    return [devices[index] for index in valid] if len(set(valid)) == len(valid) else []


def _find_uuid(entry: str, devices: Sequence[Sequence[Gpu]], kind: str) -> int:
    wanted = entry.upper()
    found = [at for at, device in enumerate(devices) if device[0].uuid.upper().startswith(wanted)]
    return found[0] if len(found) == 1 and wanted.startswith(kind) else -1


def _read_index(number: re.Match[str] | None, group: int = 0) -> int:
    return int(number[group]) if number is not None and len(number[group]) <= _LONGEST else -1


def _read_c_index(token: str) -> int:
    if _C_NUMBER.fullmatch(token) is None or len(token) > _LONGEST:
        return -1
    base = 16 if token.startswith("0X") else 8 if token.startswith("0") else 10
    try:
        return int(token, base)
    except ValueError:  # an 8 or a 9 after a leading zero
        return -1
