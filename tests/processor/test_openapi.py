"""The OpenAPI document: valid, complete, and kept by every answer, also to wrong questions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from starlette.applications import Starlette
from starlette.routing import Route

from primus_lens_wandb_exporter.processor.query.outside import key_of
from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support import bodies
from ..support.embedded import Embedded, embedded

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis needs Python 3.11")
validator = pytest.importorskip("openapi_spec_validator", reason="needs Python 3.10")


@pytest.fixture(scope="module")
def known() -> Iterator[Embedded]:
    """A processor that knows a workload and a run, and whose streams end at once."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as taker:
        points = [bodies.point("loss", step / 2, step, tags={"rank": "0"}) for step in range(50)]
        taker.post("metrics", bodies.metrics(*points))
        taker.post("detection", bodies.detection())
        taker.post("logs", bodies.logs({"loss": "NaN"}, {"note": ["x"]}))
        taker.post("metrics", bodies.metrics(bodies.point(), run_id="bare"))
        taker.client.app.state.stop_streams()  # type: ignore[attr-defined]
        yield taker


@pytest.fixture(scope="module")
def api(known: Embedded) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", known.client.app)


POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
DEPENDENT = ("cursor", "end", "width")  # what fits, other parameters say


def test_right_questions_are_answered_as_the_document_says(api: Any) -> None:
    for found in api.get_all_operations():
        check_all(found.ok().as_strategy(POSITIVE), without=DEPENDENT)


def test_wrong_questions_are_refused_as_the_document_says(api: Any) -> None:
    for found in api.get_all_operations():
        operation = found.ok()
        if operation.query or operation.body:  # any name may stand in a path
            check_all(operation.as_strategy(NEGATIVE))


def check_all(cases: Any, without: Sequence[str] = ()) -> None:
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def check(case: Any) -> None:
        query = case.query or {}
        for name in without:
            query.pop(name, None)
        assume(all(is_counted(value) for name, value in query.items() if name != "metric"))
        if isinstance(case.body, (dict, list)):
            case.body = with_integers(case.body)
        case.call_and_validate()

    check()


def is_counted(value: Any) -> bool:
    """Whether it is one value: an empty one is none, and of several the last counts."""
    return not isinstance(value, (dict, list)) and str(value).strip() != ""


def with_integers(value: Any) -> Any:
    """Return a body in which no integer is written as `3.0`, which JSON Schema takes and we do not."""
    if isinstance(value, dict):
        return {name: with_integers(nested) for name, nested in value.items()}
    if isinstance(value, list):
        return [with_integers(nested) for nested in value]
    is_integer = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return int(value) if is_integer else value


def test_the_document_is_valid_and_names_every_path(taker: Embedded) -> None:
    document = taker.client.get("/openapi.json").json()
    validator.validate(document)
    app = taker.client.app
    assert isinstance(app, Starlette)
    routes = {route.path_format for route in app.routes if isinstance(route, Route)}
    service = {"/health", "/ready", "/metrics"}
    assert {*document["paths"]} == service | {path for path in routes if path.startswith("/api/")}
    assert document["openapi"] == "3.1.0"
    body = document["components"]["schemas"]["MetricsBody"]
    assert body["properties"]["metrics"]["items"] == {"$ref": "#/components/schemas/Point"}


def test_what_is_known_is_answered_as_the_document_says(known: Embedded, api: Any) -> None:
    for run in ("r", "bare"):
        key = key_of(run_id("w", run))
        asked = {"uid": "w", "run": key}
        for operation in api.get_all_operations():
            operation = operation.ok()
            if operation.method == "get":
                names = [one.name for one in operation.path_parameters]
                case = operation.Case(
                    path_parameters={name: asked[name] for name in names},
                    query={"runs": key} if operation.path.endswith(("series", "stream")) else {},
                )
                response = case.call_and_validate()
                assert response.status_code == 200, operation.path
