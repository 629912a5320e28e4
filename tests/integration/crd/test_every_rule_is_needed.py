"""Mutation tests of the Tenant resource: without a rule, the API server accepts an invalid Tenant.

The tests define a copy of the resource in a separate API group, with one version for each rule. In this
version the rule is missing, or a bound is looser by one. The version has to accept a Tenant of
:data:`REFUSED_CASES`. Otherwise the rule is superfluous, or a case is missing.
"""

import time
import uuid
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
from kubernetes import client

from tests.support.backends.api_server import Refused, Tenants
from tests.support.charts.crd import load_schema
from tests.support.charts.crd_cases import ACCEPTED_CASES, REFUSED_CASES

GROUP = f"mutants-{uuid.uuid4().hex[:8]}.tenantry.test"
COMPLETE = "v1"
"""Version with all rules."""

LOOSER = {"minimum": -1, "maximum": 1, "maxLength": 1, "maxItems": 1}
"""Change of each bound. The API server refuses a resource without bounds, because the cost of its CEL rules
would be unlimited."""

RULES = {"x-kubernetes-validations", "x-kubernetes-list-type", "enum", "pattern", *LOOSER}

Rule = tuple[str | int, ...]
"""The keys that lead to a rule."""


def _load_schema() -> dict[str, Any]:
    """Return the schema without the status, which ``test_changes.py`` tests."""
    schema = load_schema()
    del schema["properties"]["status"]
    return schema


def _iterate_rules(node: Any, path: Rule = ()) -> Iterator[Rule]:
    """Yield the path of each rule; every validation of a field is a separate rule."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "x-kubernetes-validations":
            yield from ((*path, key, index) for index in range(len(value)))
        elif key in RULES and path[-1:] != ("properties",):
            yield (*path, key)
        else:
            yield from _iterate_rules(value, (*path, key))


def _remove_rule(rule: Rule) -> dict[str, Any]:
    schema = _load_schema()
    *parents, last = rule
    node: Any = schema
    for key in parents:
        node = node[key]
    if last in LOOSER:
        node[last] += LOOSER[last]
    else:
        del node[last]
    if last == "x-kubernetes-list-type":
        node.pop("x-kubernetes-list-map-keys", None)
    return schema


def _format_rule(rule: Rule) -> str:
    return ".".join(str(key) for key in rule if key not in ("properties", "x-kubernetes-validations"))


MUTANTS = {f"v{number}": rule for number, rule in enumerate(_iterate_rules(_load_schema()), start=2)}


@pytest.fixture(scope="module")
def mutants(api: client.ApiClient) -> Iterator[None]:
    """Versions of the resource: the complete version, and a version for each broken rule."""
    schemas = {COMPLETE: _load_schema()} | {version: _remove_rule(rule) for version, rule in MUTANTS.items()}
    names = {"plural": "tenants", "singular": "tenant", "kind": "Tenant", "listKind": "TenantList"}
    definitions = client.ApiextensionsV1Api(api)
    name = f"tenants.{GROUP}"
    body: Any = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": names,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == COMPLETE,
                    "schema": {"openAPIV3Schema": schema},
                }
                for version, schema in schemas.items()
            ],
        },
    }
    definitions.create_custom_resource_definition(body)
    try:
        _wait_served(Tenants(api, GROUP, COMPLETE))
        yield
    finally:
        definitions.delete_custom_resource_definition(name)


def _wait_served(tenants: Tenants) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            tenants.create(tenants.make_manifest("pooled"))
        except Refused:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the API server does not serve the copies of the resource")


def _count_shared(path: str, field: str) -> int:
    """Return the number of leading steps that two paths share."""
    steps = zip(path.replace("[", ".").split("."), field.split("."), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], steps)))


def _list_accepted(tenants: Tenants, field: str = "") -> list[str]:
    """Return a list with the first immutable field or invalid Tenant that is accepted; else empty.

    Tenants whose error is about a field like ``field`` are tried first.
    """
    for immutable, value in (("tier", "dedicated"), ("tenantClass", "staging")):
        try:
            tenants.patch("pooled", {"spec": {immutable: value}}, dry_run=True)
        except Refused:
            continue
        return [f"a change of {immutable}"]
    for case in sorted(REFUSED_CASES, key=lambda case: -_count_shared(case.path, field)):
        try:
            tenants.check(tenants.make_manifest(case.name, case.spec))
        except Refused:
            continue
        return [case.description]
    return []


def test_the_complete_schema_refuses_every_invalid_tenant(api: client.ApiClient, mutants: None) -> None:
    tenants = Tenants(api, GROUP, COMPLETE)
    assert _list_accepted(tenants) == []
    for case in ACCEPTED_CASES:
        tenants.check(tenants.make_manifest(case.name, case.spec))


@pytest.mark.parametrize("version", MUTANTS, ids=lambda version: _format_rule(MUTANTS[version]))
def test_without_a_rule_an_invalid_tenant_is_accepted(
    api: client.ApiClient, mutants: None, version: str
) -> None:
    assert _list_accepted(Tenants(api, GROUP, version), _format_rule(MUTANTS[version]))
