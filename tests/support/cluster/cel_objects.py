"""The types that a mutation's CEL constructs: `JSONPatch` and the `Object.…` of a pod, field by field.

The API server takes any field below `Object`, and finds out when it decodes the result. Here each is a
protobuf message made of Kubernetes' own schema of a pod, so that CEL's type checker refuses a field that
there is not, a value of another type, and a literal named after another field.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from importlib import resources
from typing import Any

import kubernetes_validate
from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

NEWEST = kubernetes_validate.latest_version()

_LITERAL = re.compile(r'(?P<text>"(?:\\.|[^"\\])*")|\b(?P<name>Object(?:\.\w+)*)(?=\s*\{)')
_SCALARS = {"string": Field.TYPE_STRING, "boolean": Field.TYPE_BOOL, "integer": Field.TYPE_INT64}


def names_in(expression: str) -> set[str]:
    """Return the `Object.…` types that an expression constructs."""
    return {found["name"] for found in _LITERAL.finditer(expression) if found["name"]}


def translate(expression: str) -> str:
    """Write `Object.spec.x{…}` as `Object_spec_x{…}`: protobuf has no field and type of one name."""

    def replace(found: re.Match[str]) -> str:
        return found["text"] or _mangled(found["name"])

    return _LITERAL.sub(replace, expression)


def _mangled(name: str) -> str:
    return name.replace(".", "_")


def make_pool(names: Iterable[str], version: str = NEWEST) -> DescriptorPool:
    """Return the messages of `names`, as a Kubernetes version has them, and JSONPatch.

    Raises:
        KeyError: a name is no object in a pod of that version.
    """
    pool = DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    # In proto2 a field that was set to its default (`false`) is still set.
    file = FileDescriptorProto(
        name="kubernetes.proto", syntax="proto2", dependency=["google/protobuf/struct.proto"]
    )
    patch = file.message_type.add(name="JSONPatch")
    for number, field in enumerate(["op", "path", "from"], 1):
        patch.field.add(name=field, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
    patch.field.add(
        name="value",
        number=4,
        type=Field.TYPE_MESSAGE,
        type_name=".google.protobuf.Value",
        label=Field.LABEL_OPTIONAL,
    )
    names = set(names)
    for name in sorted(names):
        message = file.message_type.add(name=_mangled(name))
        properties = _properties(name, version)
        for number, (field, schema) in enumerate(properties.items(), 1):
            _add_field(message, number, field, schema, f"{name}.{field}", names)
    pool.Add(file)
    return pool


def _add_field(
    message: Any, number: int, field: str, schema: dict[str, Any], path: str, names: set[str]
) -> None:
    added = message.field.add(name=field, json_name=field, number=number, label=Field.LABEL_OPTIONAL)
    kind = _kind(schema)
    if kind == "array":
        added.label = Field.LABEL_REPEATED
        schema = schema["items"]
        kind = _kind(schema)
    if kind in _SCALARS:
        added.type = _SCALARS[kind]
        return
    added.type = Field.TYPE_MESSAGE
    if _kind(schema.get("additionalProperties") or {}) == "string":
        entry = message.nested_type.add(name=f"{field[0].upper()}{field[1:]}Entry")
        entry.options.map_entry = True
        for place, part in enumerate(["key", "value"], 1):
            entry.field.add(name=part, number=place, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
        added.label = Field.LABEL_REPEATED
        added.type_name = f".{message.name}.{entry.name}"
    elif path in names:
        added.type_name = f".{_mangled(path)}"
    else:  # an object that no expression constructs
        added.type_name = ".google.protobuf.Struct"


def _kind(schema: dict[str, Any]) -> str:
    if schema.get("$ref", "").endswith(("Quantity", "IntOrString")):
        return "string"
    kinds = schema.get("type", "object")
    return str(kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null"))


def _properties(name: str, version: str) -> dict[str, Any]:
    definitions = _definitions(version)
    schema = definitions["io.k8s.api.core.v1.Pod"]
    for field in name.split(".")[1:]:
        schema = schema["properties"][field]
        schema = schema.get("items", schema)
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
    properties: dict[str, Any] = schema["properties"]
    return properties


@functools.cache
def _definitions(version: str) -> dict[str, Any]:
    folder = resources.files(kubernetes_validate) / "kubernetes-json-schema"
    text = (folder / f"v{version}-local-strict" / "_definitions.json").read_text()
    definitions: dict[str, Any] = json.loads(text)["$defs"]
    return definitions
