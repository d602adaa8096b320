"""Call what may hang: a lost file server or a driver that does not answer must not hold up a thread."""

from __future__ import annotations

import threading
from typing import Any, Callable, Generic, TypeVar

from . import guard
from .delivery.bell import Bell

T = TypeVar("T")


class OutOfPatience(Exception):
    """It takes too long, has not come back from an earlier call, or cannot be called safely."""


class _Errand(Generic[T]):
    """One call, in a thread of its own."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._done = Bell()
        self._outcome: tuple[T] | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        with guard.boundary:
            try:
                self._outcome = (self._function(),)
            except BaseException as error:  # raised again by whoever waits
                self._error = error
            self._done.ring()

    @property
    def is_over(self) -> bool:
        return self._outcome is not None or self._error is not None

    def wait(self, seconds: float) -> T:
        self._done.wait(seconds)
        if self._outcome is not None:
            return self._outcome[0]
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:  # `SystemExit` and the like are meant for that thread, not for ours
            raise RuntimeError(type(self._error).__name__) from self._error
        raise OutOfPatience(f"no answer within {seconds:g} s")


class Patience:
    """Calls functions by name, each in a short-lived daemon thread, and waits for a while.

    Whoever has not come back is not called again before it has, so no threads pile up; its late answer
    is that of the next call. For one caller at a time.
    """

    def __init__(self) -> None:
        self._missing: dict[str, _Errand[Any]] = {}

    @property
    def has_late_answers(self) -> bool:
        """Whether somebody has come back meanwhile."""
        return any(errand.is_over for errand in list(self._missing.values()))

    def call(self, name: str, function: Callable[[], T], seconds: float, *, safe: bool = False) -> T:
        """Return what the function returns.

        Args:
            name: what is asked, for the thread's name and for the next call.
            function: what is called.
            seconds: how long to wait.
            safe: whether to call it directly where no thread can be started (there are too many, or the
                interpreter shuts down).

        Raises:
            OutOfPatience: it takes longer, and goes on by itself.
            Exception: whatever it raises.
        """
        missing: _Errand[T] | None = self._missing.get(name)
        if missing is not None:
            if not missing.is_over:
                raise OutOfPatience(f"{name} has not come back from an earlier call")
            del self._missing[name]
            return missing.wait(0)
        errand = _Errand(function)
        thread = threading.Thread(target=errand.run, name=f"primus-lens-{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if safe:
                return function()
            raise OutOfPatience(f"no thread can be started for {name}") from None
        try:
            return errand.wait(seconds)
        except OutOfPatience:
            self._missing[name] = errand
            raise
