"""Points to a file, a part at a time: CSV or Parquet, whole under its name or not at all."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TextIO

COLUMNS = ("metric", "source", "tags", "step", "timestamp", "value")
ROW_GROUP = 131_072  # points; a reader loads a group at least

Point = tuple[str, str, str, int, int, float]  # as `Store.export` yields it


class CannotExport(Exception):
    """Why there is no file now; what there was is as it was."""


def write_points(points: Iterator[Point], output: str, kind: str, *, force: bool) -> int:
    """Write points to a file, `-` being standard output; return how many.

    `timestamp` is Unix seconds with six decimals in CSV, and a time in UTC in Parquet; `tags` is JSON.

    Raises:
        CannotExport: the file is there and `force` was not said, it cannot be written, or pyarrow,
            which Parquet needs, is missing.
    """
    write = _csv_file if kind == "csv" else _parquet_writer()
    if output == "-":
        if kind != "csv":
            raise CannotExport("Parquet needs a file: name it with --output")
        if isinstance(sys.stdout, io.TextIOWrapper):  # whatever the locale: a file has the same bytes
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        return _write_csv(points, sys.stdout)
    folder, name = os.path.split(os.path.abspath(output))
    scratch = os.path.join(folder, f".{name}.{os.getpid()}.new")
    try:
        _refuse_existing(output, force)
        try:
            count = write(points, scratch)
            _refuse_existing(output, force)  # it has been a while
            os.replace(scratch, output)
        finally:
            if os.path.lexists(scratch):
                os.unlink(scratch)
    except OSError as error:
        raise CannotExport(f"cannot write {output}: {error.strerror or error}") from None
    return count


def _refuse_existing(output: str, force: bool) -> None:
    if os.path.isdir(output):
        raise CannotExport(f"{output} is a folder: name a file in it")
    if os.path.lexists(output) and not force:
        raise CannotExport(
            f"{output} is there already: choose another name with --output, or say --force"
        )


def _csv_file(points: Iterator[Point], path: str) -> int:
    with open(path, "x", encoding="utf-8", newline="") as file:
        return _write_csv(points, file)


def _write_csv(points: Iterator[Point], file: TextIO) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for metric, source, tags, step, time, value in points:
        writer.writerow((metric, source, tags, step, _seconds(time), value))
        count += 1
    return count


def _seconds(microseconds: int) -> str:
    sign, rest = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    return f"{sign}{rest // 1_000_000}.{rest % 1_000_000:06d}"


def _parquet_writer() -> Callable[[Iterator[Point], str], int]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CannotExport(
            "pyarrow is missing: pip install 'primus-lens-wandb-exporter[parquet]', or say --format csv"
        ) from None
    text, whole = pyarrow.string(), pyarrow.int64()
    kinds: tuple[Any, ...] = (
        text,
        text,
        text,
        whole,
        pyarrow.timestamp("us", tz="UTC"),
        pyarrow.float64(),
    )
    schema = pyarrow.schema(list(zip(COLUMNS, kinds)))

    def write(points: Iterator[Point], path: str) -> int:
        count = 0
        with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            while group := list(islice(points, ROW_GROUP)):
                columns = [pyarrow.array(column, kind) for column, kind in zip(zip(*group), kinds)]
                writer.write_table(pyarrow.table(columns, schema=schema), row_group_size=ROW_GROUP)
                count += len(group)
        return count

    return write
