"""Schema of the Tenant resource in ``crds/``, and tables of constraints to compare schemas."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Table", "build_table", "load_schema"]

DEFINITION = Path(__file__).parents[3] / "crds" / "tenants.tenantry.io.yaml"


def load_schema() -> dict[str, Any]:
    """Return the schema of the only version. No two parts of it share an object, so each can be changed."""
    schema: dict[str, Any] = json.loads(_read_schema())
    return schema


@cache
def _read_schema() -> str:
    (version,) = yaml.load(DEFINITION.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    return json.dumps(version["schema"]["openAPIV3Schema"])


Table = dict[str, dict[str, Any]]

KEYWORDS = ("type", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
"""Keywords with the same name in both dialects of JSON Schema."""

PATTERN_RULE = re.compile(r'self\.matches\("(?P<pattern>[^"]*)"\)')
"""Rule that the resource has in place of ``pattern``, because only a rule can have a message."""


def build_table(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Table:
    """Return the constraints of each field of a schema, by the field's path."""
    node = _resolve(schema, definitions)
    demands = {key: node[key] for key in KEYWORDS if key in node}
    demands["required"] = sorted(node.get("required", []))
    demands["pattern"] = _get_pattern(node)
    demands["open"] = bool(
        node.get("x-kubernetes-preserve-unknown-fields") or node.get("additionalProperties")
    )
    # test_defaults_are_the_same compares defaults of objects and lists as a whole.
    demands["default"] = None if isinstance(node.get("default"), dict | list) else node.get("default")
    table = {path: demands}
    for name, field in node.get("properties", {}).items():
        table |= build_table(field, definitions, f"{path}.{name}")
    if "items" in node:
        table |= build_table(node["items"], definitions, f"{path}[]")
    return table


def _resolve(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Resolve a reference, and remove the alternative ``null`` that pydantic adds for an optional field."""
    if "anyOf" in schema:
        schema, _null = schema["anyOf"]
    if "$ref" in schema:
        return {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    return schema


def _get_pattern(node: dict[str, Any]) -> str | None:
    for rule in node.get("x-kubernetes-validations", []):
        if match := PATTERN_RULE.fullmatch(rule["rule"]):
            return match["pattern"]
    pattern: str | None = node.get("pattern")
    return pattern
