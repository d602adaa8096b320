"""The one exception boundary between our code and the user's, and the one place that prints.

Everything of ours that runs in a user's thread stands inside `with guard.boundary:`; what it raises
is counted and, in the debug log, named. `KeyboardInterrupt` and `SystemExit` are the user's and
pass. Tests set `guard.reraise = True`.
"""

from __future__ import annotations

import os
import time
import traceback
from types import TracebackType

HOOK_PREFIX = "[Primus Lens WandB]"
REPORTER_PREFIX = "[Primus Lens API Reporter]"

_SECONDS_BETWEEN_WARNINGS = 600.0

reraise = False
debug_enabled = False
internal_errors = 0

_last_warning: float | None = None


class _Boundary:
    """A re-entrant context manager without state of its own, so one instance serves all threads."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        swallow(error)
        return True


boundary = _Boundary()


def swallow(error: Exception) -> None:
    """Count an exception that must not reach the user; tests get it back.

    For the one place that is too hot for a `with`.
    """
    global internal_errors
    internal_errors += 1
    if debug_enabled:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        debug(HOOK_PREFIX, f"internal error: {type(error).__name__}: {error} at {where}")
    if reraise:
        raise error


def begin_anew() -> None:
    """Forget, in a child that was just forked, what its parent counted and said."""
    global internal_errors, _last_warning
    internal_errors, _last_warning = 0, None


def debug(prefix: str, message: str) -> None:
    """Print one line to standard error if the debug log is on."""
    if debug_enabled:
        _print(prefix, message)


def warn(message: str) -> None:
    """Print one line to standard error: each in the debug log, else at most one in ten minutes.

    Reserved for data being lost.
    """
    global _last_warning
    now = time.monotonic()
    if debug_enabled or _last_warning is None or now - _last_warning >= _SECONDS_BETWEEN_WARNINGS:
        _last_warning = now
        _print(REPORTER_PREFIX, message)


def _print(prefix: str, message: str) -> None:
    # The descriptor, not sys.stderr: wandb copies what passes sys.stderr into the user's run.
    try:
        os.write(2, f"{prefix} {message}\n".encode(errors="backslashreplace"))
    except OSError:
        pass
