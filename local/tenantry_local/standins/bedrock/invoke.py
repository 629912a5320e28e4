"""InvokeModel: request and response bodies of Amazon's and Cohere's embedding models, and their errors.

The error texts are quoted from reports about Bedrock. Titan reports one error without its location, or only
the number of errors. Cohere concatenates all errors with their locations.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .embeddings import count_tokens, embed, project
from .errors import ValidationException
from .models import COHERE_V3, TITAN_G1, TITAN_V2

__all__ = ["invoke"]

MAX_TOKENS = 8192
"""Token limit of a text, for both Titan models."""

UNNORMALIZED_LENGTH = 4.0
"""Length of a Titan V2 vector without normalization; not 1, so that tests notice a wrong assumption."""

_JSON_NAMES = {
    bool: "Boolean",
    float: "Number",
    int: "Integer",
    list: "JSONArray",
    str: "String",
    dict: "JSONObject",
}

_TITAN_TEXT: dict[str, Any] = {"type": str, "min": 1, "max": 50_000, "required": True}
_TITAN_V2_BODY: dict[str, dict[str, Any]] = {
    "inputText": _TITAN_TEXT,
    "dimensions": {"type": int, "enum": (256, 512, 1024)},
    "normalize": {"type": bool},
    "embeddingTypes": {"type": list, "items": {"type": str, "enum": ("float", "binary")}},
}
_TITAN_G1_BODY = {"inputText": _TITAN_TEXT}

_COHERE_BODY: dict[str, dict[str, Any]] = {
    "texts": {"type": list, "min": 1, "max": 96, "items": {"type": str}, "required": True},
    "input_type": {
        "type": str,
        "enum": ("search_document", "search_query", "classification", "clustering"),
        "required": True,
    },
    "truncate": {"type": str, "enum": ("NONE", "LEFT", "RIGHT", "START", "END")},
    "embedding_types": {"type": list, "items": {"type": str, "enum": ("float",)}},
}
_COHERE_V3_BODY = _COHERE_BODY | {"texts": _COHERE_BODY["texts"] | {"items": {"type": str, "max": 2048}}}
_COHERE_V4_BODY = _COHERE_BODY | {"output_dimension": {"type": int, "enum": (256, 512, 1024, 1536)}}


def invoke(model: str, raw: bytes) -> tuple[dict[str, Any], int]:
    """Return the response body of InvokeModel for an embedding model, and the number of input tokens.

    Raises
    ------
    ValidationException
        The model would reject the body.
    """
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise _build_malformed_error() from exc
    if model in (TITAN_V2, TITAN_G1):
        return _invoke_titan(model, body)
    return _invoke_cohere(model, body)


def _invoke_titan(model: str, body: Any) -> tuple[dict[str, Any], int]:
    errors = list(_validate("#", body, _TITAN_V2_BODY if model == TITAN_V2 else _TITAN_G1_BODY))
    if len(errors) > 1:
        raise _build_malformed_error(f"{len(errors)} schema violations found")
    if errors:
        raise _build_malformed_error(errors[0][1])
    text = body["inputText"]
    tokens = count_tokens(text)
    if tokens > MAX_TOKENS:
        raise ValidationException(
            f"400 Bad Request: Too many input tokens. Max input tokens: {MAX_TOKENS}, "
            f"request input token count: {tokens} "
        )
    if model == TITAN_G1:
        return {"embedding": _embed_texts([text], 1536)[0], "inputTextTokenCount": tokens}, tokens
    vector = _embed_texts([text], body.get("dimensions", 1024))[0]
    if not body.get("normalize", True):
        vector = [round(number * UNNORMALIZED_LENGTH, 8) for number in vector]
    kinds = {"float": vector, "binary": [int(number > 0) for number in vector]}
    wanted = {kind: kinds[kind] for kind in body.get("embeddingTypes") or ["float"]}
    first = {"embedding": vector} if "float" in wanted else {}
    return {**first, "embeddingsByType": wanted, "inputTextTokenCount": tokens}, tokens


def _invoke_cohere(model: str, body: Any) -> tuple[dict[str, Any], int]:
    v3 = model in COHERE_V3
    errors = list(_validate("#", body, _COHERE_V3_BODY if v3 else _COHERE_V4_BODY))
    if errors:
        raise _build_malformed_error("".join(f"{pointer}: {error}" for pointer, error in errors))
    texts = body["texts"]
    vectors = _embed_texts(texts, 1024 if v3 else body.get("output_dimension", 1536))
    by_type = "embedding_types" in body
    response = {
        "id": hashlib.sha256(repr(texts).encode()).hexdigest()[:32],
        "texts": texts,
        "embeddings": {"float": vectors} if by_type else vectors,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }
    return response, sum(map(count_tokens, texts))


def _embed_texts(texts: list[str], dimensions: int) -> list[list[float]]:
    """Return embeddings with eight decimals, about the precision of the models' 32-bit floats."""
    rounded: list[list[float]] = np.round(project(embed(texts), dimensions), 8).tolist()
    return rounded


def _validate(pointer: str, value: Any, rules: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of each error in a body, in the words of Bedrock's JSON schema validator."""
    if not isinstance(value, dict):
        yield pointer, f"expected type: JSONObject, found: {_get_json_type(value)}"
        return
    for name, rule in rules.items():
        if rule.get("required") and name not in value:
            yield pointer, f"required key [{name}] not found"
    for name, each in value.items():
        if name in rules:
            yield from _validate_value(f"{pointer}/{name}", each, rules[name])
        else:
            yield pointer, f"extraneous key [{name}] is not permitted"


def _validate_value(pointer: str, value: Any, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if type(value) is not rule["type"]:
        yield pointer, f"expected type: {_JSON_NAMES[rule['type']]}, found: {_get_json_type(value)}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield pointer, f"{value} is not a valid enum value"
    least, most, actual = (
        ("minimum item count", "maximum item count", "found")
        if rule["type"] is list
        else ("minLength", "maxLength", "actual")
    )
    if "min" in rule and len(value) < rule["min"]:
        yield pointer, f"expected {least}: {rule['min']}, {actual}: {len(value)}"
    if "max" in rule and len(value) > rule["max"]:
        yield pointer, f"expected {most}: {rule['max']}, {actual}: {len(value)}"
    if "items" in rule:
        for number, item in enumerate(value):
            yield from _validate_value(f"{pointer}/{number}", item, rule["items"])


def _get_json_type(value: Any) -> str:
    return "Null" if value is None else _JSON_NAMES[type(value)]


def _build_malformed_error(error: str = "") -> ValidationException:
    detail = f": {error}" if error else ""
    return ValidationException(f"Malformed input request{detail}, please reformat your input and try again.")
