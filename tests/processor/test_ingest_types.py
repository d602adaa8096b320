"""Every field of the contract, with every value of another type: refused, named, and nothing stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, Union

import pytest

from ..support import bodies, contract
from ..support.embedded import Embedded

Path = tuple[Union[str, int], ...]

_WHOLE = {
    "metrics": bodies.metrics(bodies.point(tags={"rank": "0"})),
    "logs": bodies.logs({"free": ["form"]}),
    "detection": bodies.detection(),
}
_FREE = ("config", "system", "gpus", "framework_layers", "data")  # what is inside is not typed
_WRONG = (None, True, 7, 1.5, "text", [], {})


def _fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if path and path[-1] in _FREE:
        return
    if isinstance(value, dict):
        for name, nested in value.items():
            yield from _fields(nested, (*path, name))
    elif isinstance(value, list):
        for index, nested in enumerate(value):
            yield from _fields(nested, (*path, index))


def _fits(right: Any, wrong: Any) -> bool:
    """Whether a value is of the type of the right one."""
    if type(right) is float:
        return type(wrong) in (int, float)
    return type(right) is type(wrong)


def _cases() -> Iterator[tuple[str, Path, Any]]:
    for kind, whole in _WHOLE.items():
        for path, right in _fields(whole):
            for wrong in _WRONG:
                if not _fits(right, wrong):
                    yield kind, path, wrong


def _with(whole: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(whole)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return dict(changed)


@pytest.mark.parametrize("kind", _WHOLE)
def test_the_complete_body_is_taken(taker: Embedded, kind: str) -> None:
    assert taker.post(kind, _WHOLE[kind]).status_code == 200


def test_every_wrong_type_of_every_field_is_refused_by_name(taker: Embedded) -> None:
    cases = [*_cases()]
    assert len(cases) > 500
    for kind, path, wrong in cases:
        body = _with(_WHOLE[kind], path, wrong)
        with pytest.raises(contract.Violation):  # the tests' own reading of the contract agrees
            contract.check(f"/wandb/{kind}", json.dumps(body).encode())
        answer = taker.post(kind, body)
        assert answer.status_code == 400, (kind, path, wrong, answer.text)
        name = next(str(step) for step in path if isinstance(step, str))
        assert answer.json()["error"].startswith(name), (path, wrong, answer.text)
    assert taker.is_empty
