"""Tests of the CRD: accepted Tenants, refused Tenants, and the messages about refusals.

Tests of changes to a Tenant are in ``test_changes.py``.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tenancy.model import TenantSpec

from tests.support.backends.api_server import Refused, Tenants
from tests.support.charts.crd_cases import ACCEPTED_CASES, REFUSED_CASES, AcceptedCase, RefusedCase

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("case", ACCEPTED_CASES, ids=lambda case: case.description)
def test_valid_tenant_is_accepted_with_defaults(tenants: Tenants, case: AcceptedCase) -> None:
    accepted = tenants.check(tenants.make_manifest(case.name, case.spec))
    as_python_fills_it_in = TenantSpec.model_validate(case.spec).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    assert accepted["spec"] == as_python_fills_it_in


@pytest.mark.parametrize("case", REFUSED_CASES, ids=lambda case: case.description)
def test_invalid_tenant_is_refused_with_field_and_message(tenants: Tenants, case: RefusedCase) -> None:
    with pytest.raises(Refused) as refusal:
        tenants.check(tenants.make_manifest(case.name, case.spec))
    assert refusal.value.status == 422
    assert [
        cause for cause in refusal.value.causes if cause.field == case.path and case.message in cause.message
    ], refusal.value.causes


def test_several_errors_are_reported_together(tenants: Tenants) -> None:
    spec = {
        "identity": {"emails": ["diana"]},
        "quota": {"storage": "50GB"},
        "model": {"chat": "Claude Sonnet"},
    }
    with pytest.raises(Refused) as refusal:
        tenants.check(tenants.make_manifest("crd-case", spec))
    assert {"spec.identity.emails[0]", "spec.quota.storage", "spec.model.chat"} == {
        cause.field for cause in refusal.value.causes
    }


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"displayname": "Tenant X"}, "spec.displayname"),
        ({"identity": {"email": ["*@tenantx.example"]}}, "spec.identity.email"),
        ({"personas": [{"id": "finance", "prompt": "..."}]}, "spec.personas[0].prompt"),
        ({"quota": {"compute": {"cpu": "4"}}}, "spec.quota.compute.cpu"),
    ],
    ids=["in the spec", "in identity", "in a persona", "in compute"],
)
def test_unknown_field_is_refused_under_strict_validation(
    tenants: Tenants, spec: dict[str, Any], path: str
) -> None:
    with pytest.raises(Refused, match="unknown field") as refusal:
        tenants.check(tenants.make_manifest("crd-case", spec))
    assert refusal.value.status == 400
    assert f'"{path}"' in refusal.value.message


def test_tenant_without_a_spec_is_refused(tenants: Tenants) -> None:
    manifest = tenants.make_manifest("crd-case")
    del manifest["spec"]
    with pytest.raises(Refused, match="spec: Required value"):
        tenants.check(manifest)


def test_generated_name_has_the_same_maximum_length(tenants: Tenants) -> None:
    manifest = tenants.make_manifest("")
    manifest["metadata"] = {"generateName": "a-tenant-with-a-very-long-name-indeed-"}
    with pytest.raises(Refused, match="at most 40 characters"):
        tenants.check(manifest)


@pytest.mark.parametrize(
    "path",
    sorted(REPOSITORY.glob("docs/examples/tenant*.yaml"))
    + sorted(REPOSITORY.glob("local/tenantry_local/demo/*/tenant.yaml")),
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_published_manifests_are_accepted(tenants: Tenants, path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        manifest["metadata"]["name"] += "-copy"  # the API server may have the original
        tenants.check(manifest)
