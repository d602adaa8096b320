"""Read back what W&B itself recorded of an offline run: its `.wandb` file.

A log in LevelDB's format (https://github.com/google/leveldb/blob/main/doc/log_format.md) of
Protobuf records. wandb had a reader of its own up to 0.30.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = 32768  # bytes; a chunk of a record never crosses the end of a block
_FILE_HEADER = 7
_CHUNK_HEADER = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _LAST = 1, 4


class Row(NamedTuple):
    """One row of a run's history. W&B's own values (`_runtime`, …) are left out."""

    step: int
    values: dict[str, Any]


def find_files(folder: Path) -> list[Path]:
    """Return the files of all offline runs below a folder, oldest first."""
    return sorted(folder.rglob("run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def run_id(path: Path) -> str:
    """Return the id of the run that a file records."""
    return path.stem[len("run-") :]


def read_history(path: Path) -> list[Row]:
    """Return the history of a finished run; nested names are joined with `.`, and sorted."""
    from wandb.proto import wandb_internal_pb2

    rows = []
    for raw in _records(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(raw)
        if record.WhichOneof("record_type") == "history":
            values = {
                ".".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            public = {name: values[name] for name in sorted(values) if not name.startswith("_")}
            # wandb 0.16 gives an explicit step as a value only.
            rows.append(Row(int(values.get("_step", record.history.step.num)), dict(_flat(public))))
    return rows


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Join the names of nested values; wandb before 0.17 records them nested."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _records(log: bytes) -> Iterator[bytes]:
    position, record = _FILE_HEADER, b""
    while position + _CHUNK_HEADER.size <= len(log):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK_HEADER.size:
            position += left
            continue
        _, length, kind = _CHUNK_HEADER.unpack_from(log, position)
        position += _CHUNK_HEADER.size
        record += log[position : position + length]
        position += length
        if kind in (_FULL, _LAST):
            yield record
            record = b""
