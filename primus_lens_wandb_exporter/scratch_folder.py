"""A folder to write into before the result is moved into its place, on the same file system."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".primus-lens-wandb-"


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Make a folder inside another, and remove it at the end; also those of killed processes.

    Raises:
        OSError: it cannot be made.
    """
    for left in folder.glob(f"{_PREFIX}*"):
        with _locked(left) as nobody_else:
            if nobody_else and _is_filled(left):  # an empty one may be about to be locked
                shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    with _locked(scratch):
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _is_filled(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:  # it has been removed meanwhile
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block runs; yield whether that could be done, at once."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = True
    except OSError:  # somebody has it, or this file system locks no folders
        locked = False
    try:
        yield locked
    finally:
        os.close(descriptor)
