"""Validation of requests against Bedrock's service model in botocore.

botocore's clients validate less than the service: no patterns and no upper bounds. So a request that a client
sends in a test could still be rejected by Bedrock.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from .errors import SerializationException, ValidationException

__all__ = ["check_shape"]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
}


def check_shape(operation: str, parameters: Mapping[str, Any]) -> None:
    """Validate the parameters of an operation: body and path, by botocore's names.

    Raises
    ------
    SerializationException
        A value has the wrong type.
    ValidationException
        A required value is missing, or one violates a bound, enumeration or pattern; all errors are listed.
    """
    shape = _load_operation(operation).input_shape
    errors = list(_validate_structure("", shape, parameters))
    if errors:
        plural = "error" if len(errors) == 1 else "errors"
        raise ValidationException(f"{len(errors)} validation {plural} detected: {'; '.join(errors)}")


@cache
def _load_operation(name: str) -> OperationModel:
    return botocore.session.get_session().get_service_model("bedrock-runtime").operation_model(name)


def _check(path: str, shape: Shape, value: Any) -> Iterator[str]:
    expected = _TYPES.get(shape.type_name)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool)):
        raise SerializationException(f"{path}: expected a {shape.type_name}, found {type(value).__name__}")
    match shape:
        case StructureShape():
            if not shape.is_document_type:
                yield from _validate_structure(f"{path}.", shape, value)
        case ListShape():
            yield from _validate_bounds(path, shape, value, len(value))
            for number, each in enumerate(value, start=1):
                yield from _check(f"{path}.{number}.member", shape.member, each)
        case MapShape():
            yield from _validate_bounds(path, shape, value, len(value))
            for key, each in value.items():
                yield from _check(path, shape.key, key)
                yield from _check(f"{path}.{key}.member", shape.value, each)
        case _:
            yield from _validate_bounds(path, shape, value, len(value) if isinstance(value, str) else value)


def _validate_structure(prefix: str, shape: Any, value: Mapping[str, Any]) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{prefix}{name}' failed to satisfy constraint: Member must not be null"
    if shape.is_tagged_union and sum(name in shape.members for name in value) != 1:
        yield f"Value at '{prefix[:-1]}' failed to satisfy constraint: Member must have exactly one field set"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _check(f"{prefix}{name}", member, value[name])


def _validate_bounds(path: str, shape: Shape, value: Any, size: Any) -> Iterator[str]:
    rule = shape.metadata
    noun = "value" if not isinstance(value, Sequence | Mapping) else "length"
    start = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must"
    if "min" in rule and size < rule["min"]:
        yield f"{start} have {noun} greater than or equal to {rule['min']}"
    if "max" in rule and size > rule["max"]:
        yield f"{start} have {noun} less than or equal to {rule['max']}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{start} satisfy enum value set: [{', '.join(rule['enum'])}]"
    if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
        yield f"{start} satisfy regular expression pattern: {rule['pattern']}"
