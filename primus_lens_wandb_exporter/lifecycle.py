"""Fork and exit: what a process does that its exporter must know of."""

from __future__ import annotations

import atexit
import mmap
import os
import sys
from collections.abc import Callable

from .run_events import Ending, to_exit_code

_MADV_WIPEONFORK = 18  # asm-generic/mman-common.h
_DIED_OF_SIGINT = 130  # what a shell makes of it


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


def read_ending() -> Ending:
    """Return how this process ends, as far as its exit handlers can know.

    Python does not tell them. Children of multiprocessing run theirs in the midst of the exception, or
    (forked, since 3.13) below the function that holds their code; of one that nobody caught, the
    interpreter keeps a record for debuggers; and what `sys.exit` was given is seen by wandb, which
    replaces it. Nobody sees the code of a `raise SystemExit(3)`.
    """
    error, code = sys.exc_info()[1], 0
    if error is None and not hasattr(sys, "ps1"):  # at a prompt they go on after an exception
        error = getattr(sys, "last_value", None)
        if isinstance(error, KeyboardInterrupt):
            return Ending(_DIED_OF_SIGINT, type(error).__name__)
    if error is None:
        code, error = _read_wandb_hooks()
        code = code or _read_fork_launcher()
    if isinstance(error, SystemExit):
        code, error = to_exit_code(error.code), None
    return Ending(code, "exit") if error is None else Ending(1, type(error).__name__)


def _read_wandb_hooks() -> tuple[int, BaseException | None]:
    """Return the exit code by which wandb itself will call its runs finished or failed, and why."""
    for hook in (sys.exit, sys.excepthook):
        seen = getattr(hook, "__self__", None)  # wandb's ExitHooks
        code = to_exit_code(getattr(seen, "exit_code", None))
        if code:
            return code, getattr(seen, "exception", None)
    return 0, None


def _read_fork_launcher() -> int:
    """Return the code by which multiprocessing will end a child that it forked, since Python 3.13.

    Before, a child's exit functions run inside `_bootstrap`, which has not told the code yet.
    """
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name not in ("_bootstrap", "_launch"):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or frame.f_globals.get("__name__") != "multiprocessing.popen_fork":
        return 0
    return to_exit_code(frame.f_locals.get("code"))
