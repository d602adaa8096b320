"""Fork and exit: what a process does that its exporter must know of."""

from __future__ import annotations

import atexit
import mmap
import os
import sys
from collections.abc import Callable

_MADV_WIPEONFORK = 18  # asm-generic/mman-common.h


class _PidCanary:
    """Answers like a page that a fork wipes, in five times the time."""

    def __init__(self) -> None:
        self._pid, self._value = os.getpid(), 1

    def __getitem__(self, index: int) -> int:
        return self._value if self._pid == os.getpid() else 0

    def __setitem__(self, index: int, value: int) -> None:
        self._value = value


def make_fork_canary() -> mmap.mmap | _PidCanary:
    """Return something whose item 0 is 1, or what it is set to, in this process and 0 in a child.

    Whoever forked it: the kernel wipes the page on fork (`MADV_WIPEONFORK`, Linux 4.14), as BoringSSL
    and glibc guard their random numbers; asking for the pid instead costs a tenth of a log call.
    """
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError):
        return _PidCanary()
    page[0] = 1
    return page


def call_after_fork(renew: Callable[[], None]) -> None:
    """Arrange that `renew` is called in every child that Python forks; it must only assign."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def call_at_exit(shutdown: Callable[[], None]) -> None:
    """Arrange that `shutdown` is called when this process ends by itself."""
    atexit.register(shutdown)
    # Children of multiprocessing leave by os._exit: no atexit, but its own finalisers run.
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, shutdown, exitpriority=0)
