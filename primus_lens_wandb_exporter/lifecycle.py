"""Fork and exit: what a process does that its exporter must know of."""

from __future__ import annotations

import atexit
import logging  # noqa: F401 - see call_after_fork
import mmap
import os
import sys
import threading
from collections.abc import Callable

_MADV_WIPEONFORK = 18  # asm-generic/mman-common.h
_LONGEST_WAIT = 2.0  # seconds that a fork waits for the worker's imports

# Held while the worker imports. A child that is forked in the middle of an import has half a module,
# and its lock in the hands of a thread that does not exist there.
_importing = threading.Lock()
_held_by_fork = False


class _PidCanary:
    """Answers like a page that a fork wipes, in five times the time."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> int:
        return int(self._pid == os.getpid())


def make_fork_canary() -> mmap.mmap | _PidCanary:
    """Return something whose item 0 is 1 in this process and 0 in a child, whoever forked it.

    A page that the kernel wipes on fork (`MADV_WIPEONFORK`, Linux 4.14), as BoringSSL and glibc guard
    their random numbers with; asking for the pid instead costs a tenth of a log call.
    """
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError):
        return _PidCanary()
    page[0] = 1
    return page


def import_undisturbed(load: Callable[[], None]) -> None:
    """Call a function that imports, while no fork can happen in between."""
    # A child that was forked behind Python's back may find the lock held for good.
    held = _importing.acquire(timeout=_LONGEST_WAIT)
    try:
        load()
    finally:
        if held:
            _importing.release()


def call_after_fork(renew: Callable[[], None]) -> None:
    """Arrange that `renew` is called in every child that Python forks; it must only assign.

    A fork calls what was registered last first. `logging` holds its lock from then on, and modules
    that the worker imports ask for loggers, so it must have been registered before us.
    """
    if not hasattr(os, "register_at_fork"):
        return

    def before() -> None:
        global _held_by_fork
        _held_by_fork = _importing.acquire(timeout=_LONGEST_WAIT)

    def after_in_parent() -> None:
        if _held_by_fork:
            _importing.release()

    def after_in_child() -> None:
        global _importing
        _importing = threading.Lock()
        renew()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


def recall_interrupt() -> None:
    """Remind Python that it ends by an interrupt nobody handled, so that it dies of SIGINT.

    It forgets that when source text is evaluated meanwhile (`run_eval_code_obj` in CPython's
    `pythonrun.c`), which imports do that define named tuples.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        try:
            exec("raise KeyboardInterrupt")
        except KeyboardInterrupt:
            pass


def call_at_exit(shutdown: Callable[[], None]) -> None:
    """Arrange that `shutdown` is called when this process ends by itself."""
    atexit.register(shutdown)
    # Children of multiprocessing leave by os._exit: no atexit, but its own finalisers run.
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, shutdown, exitpriority=0)
