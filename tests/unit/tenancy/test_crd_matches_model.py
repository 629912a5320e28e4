"""Tests that the Tenant resource and its Python model agree.

Each schema becomes a table with a row per field, and the tables are compared. Only the API server evaluates
rules across fields (CEL); ``tests/integration/crd`` tests these rules.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pydantic.alias_generators import to_camel
from tenancy import names
from tenancy.model import Tenant, TenantSpec, TenantStatus

from tests.support.charts.crd import Table, build_table, load_schema


def _build_resource_table(schema: dict[str, Any]) -> Table:
    sections = {to_camel(name) for name in TenantStatus.model_fields}
    known = copy.deepcopy(schema)
    status = known["properties"]["status"]["properties"]
    # unit/tenant_operator/test_parts.py compares each section without a field here with its part's model.
    known["properties"]["status"]["properties"] = {key: status[key] for key in status if key in sections}
    return _keep_own_fields(build_table(known, {}))


def _build_model_table() -> Table:
    schema = Tenant.model_json_schema(by_alias=True)
    table = build_table(schema, schema["$defs"])
    table[".status"]["open"] = False  # the model keeps unknown sections, and the API server prunes them
    return _keep_own_fields(table)


def _keep_own_fields(table: Table) -> Table:
    """Return the fields of the resource, without those of every Kubernetes object."""
    return {path: demands for path, demands in table.items() if path.startswith((".spec", ".status"))}


def test_resource_and_model_have_equal_constraints() -> None:
    assert _build_resource_table(load_schema()) == _build_model_table()


def test_resource_and_model_require_a_spec() -> None:
    assert load_schema()["required"] == ["spec"]
    assert Tenant.model_json_schema()["required"] == ["metadata", "spec"]


def test_defaults_are_the_same() -> None:
    personas = [{"id": "finance"}]
    filled = _fill_defaults({"personas": personas}, load_schema()["properties"]["spec"])
    read = TenantSpec.model_validate({"personas": personas})
    assert filled == read.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_pattern_of_names_is_that_of_tenant_ids() -> None:
    (rule,) = load_schema()["x-kubernetes-validations"]
    assert rule["rule"] == f"self.metadata.name.matches('^{names._TENANT_ID.pattern}$')"


def _fill_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """Return a value with defaults filled in as by the API server."""
    if schema["type"] == "array":
        return [_fill_defaults(item, schema["items"]) for item in value]
    if schema["type"] != "object":
        return value
    return value | {
        name: _fill_defaults(value.get(name, field.get("default")), field)
        for name, field in schema["properties"].items()
        if name in value or "default" in field
    }


def _set(path: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        _get_field(schema, path)[key] = value

    return change


def _drop(path: str, key: str) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        del _get_field(schema, path)[key]

    return change


def _get_field(schema: dict[str, Any], path: str) -> dict[str, Any]:
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
def test_drift_is_detected(change: Callable[[dict[str, Any]], None]) -> None:
    schema = load_schema()
    change(schema)
    assert _build_resource_table(schema) != _build_model_table()
