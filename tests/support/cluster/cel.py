"""CEL as the API server runs it in admission policies, checked and run by Google's CEL for C++.

It has no function that Kubernetes' has not. Where the two differ this one is stricter: what `Object` and
`JSONPatch` literals may hold is known (see `cel_objects`). The cost of an expression is not counted.
Source: k8s.io/apiserver, pkg/cel/environment and pkg/admission/plugin/cel.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping
from typing import Any

import pytest

cel = pytest.importorskip(
    "cel_expr_python.cel",
    reason="pip install cel-expr-python"
    if sys.version_info >= (3, 11)
    else "cel-expr-python needs Python 3.11",
)
from cel_expr_python.ext import ext_optional  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402

from .cel_objects import make_pool, names_in, translate  # noqa: E402


class Refused(Exception):
    """An API server would not take the expression, or it has no value for what it was given."""


def evaluate(
    expression: str, given: Mapping[str, Any], types: Mapping[str, str], *, constructs: bool = False
) -> tuple[str, Any]:
    """Return the type that the checker found, and the value: JSON, or of JSONPatch a list of operations.

    `types` are those of the variables in `given`; one that is not named is dyn. Only an expression that
    `constructs` may have literals of Object and JSONPatch, as only a mutation may.

    Raises:
        Refused: it does not compile, or evaluates to an error.
    """
    kinds = tuple((name, types.get(name, "DYN")) for name in given)
    try:
        program = _program(expression, kinds, constructs)
        value = program.eval(data=dict(given))
    except Exception as error:
        raise Refused(f"{error}\n{expression}") from error
    if value.type() == cel.Type.ERROR:
        raise Refused(f"{value.value()}\n{expression}")
    return program.return_type().name(), _json(value.plain_value())


@functools.cache
def _program(expression: str, kinds: tuple[tuple[str, str], ...], constructs: bool) -> Any:
    names = names_in(expression)
    if names and not constructs:
        raise Refused(f"{', '.join(names)}: only a mutation may construct them")
    environment = cel.NewEnv(
        make_pool(names) if constructs else None,
        variables={name: _type(kind) for name, kind in kinds},
        extensions=[ext_optional.ExtOptional(), _library()],
    )
    return environment.compile(translate(expression))


def _type(name: str) -> Any:
    if name.startswith("LIST<"):
        return cel.Type.List(_type(name[len("LIST<") : -1]))
    return getattr(cel.Type, name)


def _json(value: Any) -> Any:
    """Return a value as Go writes it: a whole number without a fraction, a message as an object."""
    if hasattr(value, "DESCRIPTOR"):
        return _json(MessageToDict(value, preserving_proto_field_name=True))
    if isinstance(value, dict):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_json(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _library() -> Any:
    """Return what we use of Kubernetes' functions, which CEL itself has not."""
    items, item, text, number = cel.Type.LIST, cel.Type.DYN, cel.Type.STRING, cel.Type.INT

    def declare(name: str, parameters: list[Any], result: Any, function: Any) -> Any:
        overload = cel.Overload(
            f"our_{name}",
            result,
            parameters=parameters,
            is_member=len(parameters) > 1,
            impl=function,
        )
        return cel.FunctionDecl(name, [overload])

    def index_of(found: list[Any], wanted: Any) -> int:
        return found.index(wanted) if wanted in found else -1

    def last_index_of(found: list[Any], wanted: Any) -> int:
        return max((place for place, other in enumerate(found) if other == wanted), default=-1)

    def join(parts: list[str], separator: str) -> str:
        return separator.join(parts)

    def find(text: str, pattern: str) -> str:
        found = re.search(pattern, text, re.ASCII)
        return found[0] if found else ""

    def find_all(text: str, pattern: str) -> list[str]:
        return [found[0] for found in re.finditer(pattern, text, re.ASCII)]

    def is_quantity(given: str) -> bool:
        return bool(re.fullmatch(r"[+-]?\d+(\.\d*)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", given))

    functions = [
        declare("indexOf", [items, item], number, index_of),
        declare("lastIndexOf", [items, item], number, last_index_of),
        declare("split", [text, text], cel.Type.List(text), str.split),
        declare("find", [text, text], text, find),
        declare("findAll", [text, text], cel.Type.List(text), find_all),
        declare("join", [cel.Type.List(text), text], text, join),
        declare("isQuantity", [text], cel.Type.BOOL, is_quantity),
    ]
    return cel.CelExtension("kubernetes", functions)
