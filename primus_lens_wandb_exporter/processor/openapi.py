"""The OpenAPI document: made from the routes and from the types of bodies and answers, never by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from .. import __version__
from .endpoint import Endpoint, Parameter

_PREFIX = "/api/v1/"
_REASONS = {
    400: "Something in it is wrong: the error names the field or the parameter.",
    401: "A bearer token is required, or the one that was shown is wrong.",
    404: "It is not known.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON, or packed otherwise than by gzip.",
    429: "Too many at once; `Retry-After` says for how many seconds to wait.",
    500: "An internal error.",
    503: "The database is not ready, or full; to be tried again later.",
}
_ALWAYS = (429, 500, 503)
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_META = {"type": "object", "properties": {"status": {"const": 200}}, "required": ["status"]}


def _any_of(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the rule that one of these fields is there, and fits."""
    return {"anyOf": [{"properties": {name: schema}, "required": [name]} for name in names]}


_RULES = {  # what types do not say
    **dict.fromkeys(
        ("DetectionBody", "MetricsBody", "LogsBody"),
        _any_of({"minLength": 1}, "workload_uid", "pod_name"),
    ),
    "BatchBody": _any_of({"type": "object"}, "detection", "metrics", "logs"),
}
_PLACES = {  # in paths
    "uid": {"type": "string", "minLength": 1},
    "run": {"type": "string", "pattern": "^[0-7][0-9a-f]{15}$"},
}
_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string"},
    "description": "The same on a retry: what was stored under it is not stored again.",
}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1.0)."""
    endpoints = list(endpoints)
    types = [kind for one in endpoints for kind in (one.answer, one.body) if kind is not None]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for name, rule in _RULES.items():
        schemas[name].update(rule)
    paths: dict[str, Any] = {}
    for one in endpoints:
        method = "post" if one.body else "get"
        paths.setdefault(one.route().path_format, {})[method] = _describe_operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "primus-lens telemetry-processor",
            "version": __version__,
            "description": "Takes what training jobs report, keeps it, and answers questions.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Refusal": _ERROR},
            "responses": {str(status): _describe_refusal(status) for status in _REASONS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_operation(one: Endpoint) -> dict[str, Any]:
    guarded = one.path.startswith(_PREFIX)
    refusals = sorted({*one.refusals, *((401, *_ALWAYS) if guarded else ())})
    operation: dict[str, Any] = {
        "summary": one.help,
        "operationId": _name(one),
        "responses": {
            "200": {"description": "It went well.", "content": {one.media: {"schema": _form(one)}}},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals},
        },
    }
    parameters = [*_path_parameters(one), *map(_describe_parameter, one.parameters)]
    if one.body is not None:
        content = {"application/json": {"schema": _reference(one.body)}}
        operation["requestBody"] = {"required": True, "content": content}
        parameters.append(_KEY)
    if parameters:
        operation["parameters"] = parameters
    if guarded:  # by a token only where one is set
        operation["security"] = [{}, {"token": []}]
    return operation


def _form(one: Endpoint) -> dict[str, Any]:
    """Return the schema of an answer: `{"meta": …, "data": …}`."""
    if one.answer is None:
        return {"type": "string"}
    properties = {"meta": _META, "data": _reference(one.answer)}
    return {"type": "object", "properties": properties, "required": ["meta", "data"]}


def _describe_refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {"description": _REASONS[status], "content": {"application/json": {"schema": schema}}}


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = msgspec.json.schema(parameter.type)
    if parameter.many:
        schema = {"type": "array", "items": schema}
    described = {
        "in": "query",
        "name": parameter.name,
        "description": parameter.help,
        "schema": schema,
    }
    return {**described, "style": "form", "explode": True} if parameter.many else described


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)", one.path)
    return [{"in": "path", "name": name, "required": True, "schema": _PLACES[name]} for name in names]


def _reference(kind: Any) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _name(one: Endpoint) -> str:
    """Return a name for its operation, which clients that are made from the document take."""
    return "_".join(re.findall(r"\w+", one.route().path_format.replace(_PREFIX, "")))
