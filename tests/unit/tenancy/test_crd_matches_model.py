"""The Tenant resource and its Python model say the same: neither can be changed alone.

Both schemas are laid out as one table, field by field, and compared. Rules across fields (CEL) are the API
server's alone; ``tests/integration/crd`` tries them.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tenancy import names
from tenancy.model import Tenant, TenantSpec

from tests.support.crd import load_schema

Table = dict[str, dict[str, Any]]

ALIKE = ("type", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
"""Keywords that both dialects of JSON Schema spell alike."""

SHAPE = re.compile(r'self\.matches\("(?P<pattern>[^"]*)"\)')
"""How the resource says what a pattern would: as a rule, for the sake of its message."""


def _table(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Table:
    """Return what the schema demands of each field, by the field's path."""
    node = _resolved(schema, definitions)
    demands = {key: node[key] for key in ALIKE if key in node}
    demands["required"] = sorted(node.get("required", []))
    demands["pattern"] = _pattern(node)
    demands["open"] = bool(
        node.get("x-kubernetes-preserve-unknown-fields") or node.get("additionalProperties")
    )
    # What an object or a list is filled with is compared as a whole, by test_defaults_are_the_same.
    demands["default"] = None if isinstance(node.get("default"), dict | list) else node.get("default")
    table = {path: demands}
    for name, field in node.get("properties", {}).items():
        table |= _table(field, definitions, f"{path}.{name}")
    if "items" in node:
        table |= _table(node["items"], definitions, f"{path}[]")
    return table


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return what stands behind a reference, without the ``null`` that Python adds for "absent"."""
    if "anyOf" in schema:
        schema, _null = schema["anyOf"]
    if "$ref" in schema:
        return {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    return schema


def _pattern(node: dict[str, Any]) -> str | None:
    for rule in node.get("x-kubernetes-validations", []):
        if match := SHAPE.fullmatch(rule["rule"]):
            return match["pattern"]
    pattern: str | None = node.get("pattern")
    return pattern


def _of_resource(schema: dict[str, Any]) -> Table:
    return {path: demands for path, demands in _table(schema, {}).items() if _is_ours(path)}


def _of_model() -> Table:
    schema = Tenant.model_json_schema(by_alias=True)
    # The model keeps status sections that no service reads; the resource lists them all.
    schema["$defs"]["TenantStatus"]["additionalProperties"] = False
    return {path: demands for path, demands in _table(schema, schema["$defs"]).items() if _is_ours(path)}


def _is_ours(path: str) -> bool:
    """Tell whether a field is the resource's own, not one that every object has."""
    return path.startswith((".spec", ".status"))


def test_resource_and_model_demand_the_same_of_every_field() -> None:
    assert _of_resource(load_schema()) == _of_model()


def test_tenant_needs_a_spec_on_both_sides() -> None:
    assert load_schema()["required"] == ["spec"]
    assert Tenant.model_json_schema()["required"] == ["metadata", "spec"]


def test_defaults_are_the_same() -> None:
    personas = [{"id": "finance"}]
    filled = _filled({"personas": personas}, load_schema()["properties"]["spec"])
    read = TenantSpec.model_validate({"personas": personas})
    assert filled == read.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_name_is_what_tenant_keys_are_made_from() -> None:
    (rule,) = load_schema()["x-kubernetes-validations"]
    assert rule["rule"] == f"self.metadata.name.matches('^{names._TENANT_ID.pattern}$')"


def _filled(value: Any, schema: dict[str, Any]) -> Any:
    """Return a value with defaults filled in, as the API server does it."""
    if schema["type"] == "array":
        return [_filled(item, schema["items"]) for item in value]
    if schema["type"] != "object":
        return value
    return value | {
        name: _filled(value.get(name, field.get("default")), field)
        for name, field in schema["properties"].items()
        if name in value or "default" in field
    }


def _set(path: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        _field(schema, path)[key] = value

    return change


def _drop(path: str, key: str) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        del _field(schema, path)[key]

    return change


def _field(schema: dict[str, Any], path: str) -> dict[str, Any]:
    node = schema
    for name in path.split("/"):
        node = node["items"] if name == "[]" else node["properties"][name]
    return node


DRIFT = {
    "a bound moved": _set("spec/retrieval/topK", "maximum", 51),
    "a bound dropped": _drop("spec/quota/documents", "minimum"),
    "a length moved": _set("spec/personas/[]/instructions", "maxLength", 9000),
    "a list made longer": _set("spec/identity/emails", "maxItems", 65),
    "another pattern": _set(
        "spec/identity/emails/[]", "x-kubernetes-validations", [{"rule": 'self.matches("@")'}]
    ),
    "no pattern": _drop("spec/personas/[]/id", "x-kubernetes-validations"),
    "another default": _set("spec/quota/storage", "default", "60Gi"),
    "another type": _set("spec/retrieval/scoreThreshold", "type", "integer"),
    "one more choice": _set("spec/tier", "enum", ["pooled", "dedicated", "shared"]),
    "a field required": _set("spec/identity", "required", ["emails"]),
    "a field no longer required": _drop("spec/personas/[]", "required"),
    "one more field": _set(
        "spec/model", "properties", {"chat": {"type": "string"}, "new": {"type": "string"}}
    ),
    "a field gone": _drop("spec", "properties"),
    "a status field's shape": _drop("status/conditions/[]/reason", "pattern"),
    "a status object closed": _drop("status/vectors/filter", "x-kubernetes-preserve-unknown-fields"),
}


@pytest.mark.parametrize("change", DRIFT.values(), ids=DRIFT)
def test_drift_is_seen(change: Callable[[dict[str, Any]], None]) -> None:
    schema = load_schema()
    change(schema)
    assert _of_resource(schema) != _of_model()
