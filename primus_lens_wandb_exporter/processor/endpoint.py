"""What is said of a path beside its handler: from this its route and its documentation are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.routing import Route


class Parameter(NamedTuple):
    """A parameter of a query; `type` as msgspec understands it."""

    name: str
    type: Any
    help: str
    many: bool = False  # may be repeated


class Endpoint(NamedTuple):
    """A path and what answers it.

    Args:
        path: as Starlette writes it.
        answer: the type of `data`; None: the answer is no JSON, but of the type `media`.
        body: the type of the body that is posted; None: it is asked with GET.
        refusals: the statuses besides 401, which all have that ask for a token, 429 and 5xx.
    """

    path: str
    handler: Callable[..., Any]
    help: str
    answer: Any
    parameters: Sequence[Parameter] = ()
    body: Any = None
    refusals: Sequence[int] = (400,)
    media: str = "application/json"

    def route(self) -> Route:
        """Return its route."""
        return Route(self.path, self.handler, methods=["POST" if self.body else "GET"])
