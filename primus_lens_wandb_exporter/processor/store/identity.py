"""Numbers that stand for names: all replicas and engines compute the same, so none is read back."""

from __future__ import annotations

import hashlib


def digest(*texts: str) -> int:
    """Return a 63-bit number (0 … 2⁶³ - 1) for a sequence of texts.

    The lengths (in characters) go in front, so no two sequences run together. Among a million two are
    the same once in 20 million databases.

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair, which no database takes.
    """
    lengths = ",".join([str(len(text)) for text in texts])
    data = "".join((lengths, ":", *texts)).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1


def run_id(workload: str, run: str) -> int:
    """Return the id of a workload's run."""
    return digest(workload, run)


def series_id(workload: str, run: str, source: str, name: str, tags: tuple[tuple[str, str], ...]) -> int:
    """Return the id of a metric of a run, from one source and with one set of tags."""
    return digest(workload, run, source, name, *(text for pair in tags for text in pair))
