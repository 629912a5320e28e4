"""Tests of the Tenant model: parsing of objects from the API server.

``test_crd_matches_model`` checks that the CRD and the model agree.
"""

from typing import Any

import pytest
from pydantic import ValidationError
from tenancy.model import DeletionPolicy, RetrievalMode, Tenant, TenantStatus, Tier

OBJECT: dict[str, Any] = {
    "apiVersion": "tenantry.io/v1alpha1",
    "kind": "Tenant",
    "metadata": {
        "name": "tenantb",
        "uid": "7d0f",
        "generation": 3,
        "resourceVersion": "42",
        "creationTimestamp": "2026-11-23T05:00:00Z",
        "finalizers": ["tenantry.io/cleanup"],
        "annotations": {"tenantry.io/protect": "true"},
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "displayName": "Tenant B",
        "tier": "dedicated",
        "identity": {"emails": ["*@tenantb.example"], "admins": ["diana@tenantb.example"]},
        "personas": [{"id": "finance", "displayName": "Finance", "instructions": "Answer briefly."}],
        "model": {"chat": "amazon.nova-pro-v1:0", "guardrail": {"id": "gr1", "version": "2"}},
        "retrieval": {"topK": 5, "scoreThreshold": 0.25, "mode": "dense"},
        "quota": {"storage": "1.5Gi", "compute": {"requests.cpu": "4", "limits.memory": "8Gi", "pods": "20"}},
        "suspended": True,
        "deletionPolicy": "Delete",
    },
    "status": {
        "observedGeneration": 2,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "AsDeclared",
                "message": "",
                "lastTransitionTime": "2026-11-23T05:00:01Z",
                "observedGeneration": 2,
            }
        ],
        "vectors": {"collection": "digital_twin_knowledge--tenant-tenantb", "filter": {"must": []}},
        "quota": {"namespace": "tenant-tenantb"},
    },
}


def read(**metadata: Any) -> Tenant:
    return Tenant.from_object({"metadata": {"name": "tenantb", **metadata}, "spec": {}})


def test_every_field_of_a_stored_tenant_is_read() -> None:
    tenant = Tenant.from_object(OBJECT)
    assert (tenant.id, tenant.metadata.generation, tenant.metadata.uid) == ("tenantb", 3, "7d0f")
    assert tenant.spec.tier is Tier.DEDICATED
    assert tenant.spec.retrieval.mode is RetrievalMode.DENSE
    assert tenant.spec.deletion_policy is DeletionPolicy.DELETE
    assert tenant.spec.model_dump(mode="json", by_alias=True, exclude_unset=True) == OBJECT["spec"]
    assert tenant.status.model_dump(mode="json", by_alias=True, exclude_unset=True) == OBJECT["status"]


def test_unknown_field_of_a_newer_version_is_ignored() -> None:
    newer = {**OBJECT, "spec": {**OBJECT["spec"], "region": "eu-central-1"}, "status": {"usage": {}}}
    assert Tenant.from_object(newer).spec == Tenant.from_object(OBJECT).spec


@pytest.mark.parametrize(
    "spec",
    [
        {"identity": {"emails": ["diana"]}},
        {"tier": "gold"},
        {"quota": {"storage": "50GB"}},
        {"personas": [{"id": "a/b"}]},
        {"retrieval": {"topK": 0}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_invalid_tenant_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Tenant.from_object({"metadata": {"name": "tenantb"}, "spec": spec})


def test_a_tenant_is_immutable() -> None:
    tenant = read()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(tenant.spec, "suspended", True)  # noqa: B010 (mypy refuses the assignment)


def test_names_come_from_the_metadata() -> None:
    tenant = read()
    assert tenant.key == "tenant-tenantb"
    assert tenant.collection == "digital_twin_knowledge"
    assert Tenant.from_object(OBJECT).collection == "digital_twin_knowledge--tenant-tenantb"


def test_tenant_with_a_deletion_timestamp_is_being_deleted() -> None:
    assert not read().deleting
    assert read(deletionTimestamp="2026-11-23T06:00:00Z").deleting


def test_tenants_are_ordered_by_age_and_name() -> None:
    tenants = [
        read(name="c", creationTimestamp="2026-11-23T05:00:01Z"),
        read(name="b", creationTimestamp="2026-11-23T05:00:00Z"),
        read(name="a", creationTimestamp="2026-11-23T05:00:01Z"),
    ]
    assert [tenant.id for tenant in sorted(tenants, key=lambda tenant: tenant.seniority)] == ["b", "a", "c"]


def test_administrators_are_members() -> None:
    assert Tenant.from_object(OBJECT).spec.email_patterns == ["*@tenantb.example", "diana@tenantb.example"]


def test_persona_is_found_by_its_id() -> None:
    tenant = Tenant.from_object(OBJECT)
    persona = tenant.get_persona("finance")
    assert persona
    assert persona.display_name == "Finance"
    assert tenant.get_persona("legal") is None


def test_condition_is_found_by_its_type() -> None:
    status = Tenant.from_object(OBJECT).status
    ready = status.get_condition("Ready")
    assert ready
    assert ready.reason == "AsDeclared"
    assert status.get_condition("Stalled") is None


@pytest.mark.parametrize(
    ("storage", "count"), [("50Gi", 50 * 2**30), ("1.5Gi", 3 * 2**29), ("1", 1), ("1.9", 1)]
)
def test_storage_is_parsed_to_whole_bytes(storage: str, count: int) -> None:
    tenant = Tenant.from_object({"metadata": {"name": "tenantb"}, "spec": {"quota": {"storage": storage}}})
    assert tenant.spec.quota.storage_bytes == count


@pytest.mark.parametrize(
    ("uid", "prepared_for", "is_owned"),
    [("u-1", "u-1", True), ("u-2", "u-1", False), ("u-1", None, False), ("", "", False)],
    ids=["for this very Tenant", "for an earlier one of its name", "before uids were noted", "without a uid"],
)
def test_storage_is_owned_only_if_prepared_for_the_uid(
    uid: str, prepared_for: str | None, *, is_owned: bool
) -> None:
    storage = {"bucket": "documents", "prefix": "tenant-tenantb/", "tenantUid": prepared_for}
    tenant = Tenant.from_object(
        {"metadata": {"name": "tenantb", "uid": uid}, "spec": {}, "status": {"storage": storage}}
    )
    assert tenant.owns_storage is is_owned
    assert not tenant.model_copy(update={"status": TenantStatus()}).owns_storage
