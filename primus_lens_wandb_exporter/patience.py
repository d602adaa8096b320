"""Call what may hang: a lost file server or a driver that does not answer must not hold up a thread."""

from __future__ import annotations

import threading
from typing import Any, Callable, Generic, TypeVar

from . import guard
from .delivery.bell import Bell

T = TypeVar("T")


class OutOfPatience(Exception):
    """The function takes too long, or did so before and has not come back yet."""


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
        if self._error is not None:
            raise self._error
        raise OutOfPatience(f"no answer within {seconds:g} s")


class Patience:
    """Calls functions by name, each in a short-lived daemon thread, and waits so many seconds.

    Whoever has not come back is not called again before it has, so no threads pile up.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._missing: dict[str, _Errand[Any]] = {}

    def call(self, name: str, function: Callable[[], T]) -> T:
        """Return what the function returns.

        Raises:
            OutOfPatience: it takes longer; it goes on by itself, and its answer is forgotten.
            Exception: whatever it raises.
        """
        missing = self._missing.get(name)
        if missing is not None and not missing.is_over:
            raise OutOfPatience(f"{name} has not come back from an earlier call")
        self._missing.pop(name, None)
        errand = _Errand(function)
        thread = threading.Thread(target=errand.run, name=f"primus-lens-{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter shuts down: then without a net
            return function()
        try:
            return errand.wait(self.seconds)
        except OutOfPatience:
            self._missing[name] = errand
            raise
