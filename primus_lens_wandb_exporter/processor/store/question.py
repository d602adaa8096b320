"""From a function that asks a connection to a method of a store."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Callable, TypeVar

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    Asked = ParamSpec("Asked")
Connection = TypeVar("Connection")
Answer = TypeVar("Answer")


def question(
    ask: Callable[Concatenate[Connection, Asked], Answer],
) -> Callable[Concatenate[Any, Asked], Answer]:
    """Return a method that calls `ask` with a connection from its object's `_reading()`."""

    @functools.wraps(ask)
    def method(self: Any, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        with self._reading() as connection:
            return ask(connection, *args, **kwargs)

    return method
