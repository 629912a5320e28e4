"""Tests of changes to a stored Tenant, of its status, and of the output of ``kubectl get``."""

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from tests.support.backends.api_server import Refused, Tenants

CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "AsDeclared",
    "message": "",
    "lastTransitionTime": "2026-11-23T00:00:00Z",
    "observedGeneration": 1,
}


@pytest.mark.parametrize(("before", "after"), [("pooled", "dedicated"), ("dedicated", "pooled")])
def test_tier_is_immutable(
    tenants: Tenants, store_tenant: Callable[..., str], before: str, after: str
) -> None:
    name = store_tenant({"tier": before})
    with pytest.raises(Refused) as refusal:
        tenants.patch(name, {"spec": {"tier": after}})
    (cause,) = refusal.value.causes
    assert cause.field == "spec.tier"
    assert "the tier cannot be changed yet" in cause.message
    assert "create another Tenant" in cause.message


def test_a_removed_tier_is_a_change(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant({"tier": "dedicated"})
    with pytest.raises(Refused, match="the tier cannot be changed yet"):
        tenants.patch(name, {"spec": {"tier": None}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "staging"),
        ({"tenantClass": "staging"}, "default"),
        ({"tenantClass": "staging"}, None),  # the default, another class
    ],
)
def test_the_class_is_immutable(
    tenants: Tenants, store_tenant: Callable[..., str], before: dict[str, str], after: str | None
) -> None:
    name = store_tenant(before)
    with pytest.raises(Refused) as refusal:
        tenants.patch(name, {"spec": {"tenantClass": after}})
    (cause,) = refusal.value.causes
    assert cause.field == "spec.tenantClass"
    assert "the class cannot be changed" in cause.message


def test_naming_the_default_class_is_no_change(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant()
    after = tenants.patch(name, {"spec": {"tenantClass": "default"}})
    assert (after["spec"]["tenantClass"], after["metadata"]["generation"]) == ("default", 1)


def test_all_other_fields_are_mutable(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant({"displayName": "Before", "personas": [{"id": "finance"}]})
    changed = {
        "displayName": "After",
        "identity": {"emails": ["*@tenantx.example"], "admins": ["diana@tenantx.example"]},
        "personas": [{"id": "legal", "displayName": "Legal", "instructions": "Answer briefly."}],
        "model": {
            "chat": "amazon.nova-pro-v1:0",
            "guardrail": {"id": "gr1", "version": "DRAFT"},
            "cacheAnswers": False,
        },
        "retrieval": {"topK": 5, "scoreThreshold": 0.2, "mode": "dense"},
        "quota": {
            "documents": 1,
            "storage": "1Gi",
            "queriesPerMinute": 1,
            "tokensPerMonth": 1,
            "compute": {"pods": "1"},
        },
        "suspended": True,
        "deletionPolicy": "Delete",
    }
    after = tenants.patch(name, {"spec": changed})
    assert after["spec"] == {**changed, "tier": "pooled", "tenantClass": "default"}
    assert after["metadata"]["generation"] == 2


def test_status_and_spec_are_written_separately(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant()
    after = tenants.patch_status(name, {"spec": {"suspended": True}, "status": {"personas": 0}})
    assert after["spec"]["suspended"] is False
    assert after["status"] == {"personas": 0}
    after = tenants.patch(name, {"status": {"personas": 7}})
    assert after["status"] == {"personas": 0}
    assert after["metadata"]["generation"] == 1


def test_the_api_server_stores_every_field_of_the_status(
    tenants: Tenants, store_tenant: Callable[..., str]
) -> None:
    status = {
        "observedGeneration": 1,
        "conditions": [CONDITION],
        "personas": 1,
        "storage": {"bucket": "digital-twin-docs-dev", "prefix": "tenant-x/"},
        "vectors": {
            "collection": "digital_twin_knowledge",
            "filter": {"must": [{"key": "tenantId", "match": {"value": "tenant-x"}}]},
        },
        "identity": {"realm": "tenantry", "groupId": "1f", "groupPath": "/tenants/tenant-x"},
        "quota": {"namespace": ""},
    }
    assert tenants.patch_status(store_tenant(), {"status": status})["status"] == status


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"status": "Yes"}, "status.conditions[0].status"),
        ({"reason": "not one word"}, "status.conditions[0].reason"),
        ({"reason": ""}, "status.conditions[0].reason"),
        ({"type": "ready"}, "status.conditions[0].type"),
        ({"lastTransitionTime": "yesterday"}, "status.conditions[0].lastTransitionTime"),
        ({"observedGeneration": -1}, "status.conditions[0].observedGeneration"),
        ({"message": None}, "status.conditions[0].message"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_condition_that_breaks_the_conventions_is_refused(
    tenants: Tenants, store_tenant: Callable[..., str], wrong: dict[str, Any], path: str
) -> None:
    with pytest.raises(Refused) as refusal:
        tenants.patch_status(store_tenant(), {"status": {"conditions": [CONDITION | wrong]}})
    assert path in {cause.field for cause in refusal.value.causes}


def test_two_conditions_of_a_type_are_refused(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    with pytest.raises(Refused, match="Duplicate value"):
        tenants.patch_status(store_tenant(), {"status": {"conditions": [CONDITION, CONDITION]}})


def test_kubectl_get_shows_the_columns(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant({"tier": "dedicated", "personas": [{"id": "finance"}, {"id": "legal"}]})
    tenants.patch_status(
        name,
        {
            "status": {
                "conditions": [CONDITION],
                "personas": 2,
                "storage": {"bucket": "documents", "prefix": "tenant-x/"},
                "identity": {"realm": "tenantry", "groupId": "1f", "groupPath": "/tenants/tenant-x"},
            }
        },
    )
    table = tenants.get_table(name)
    columns = [(column["name"], column["priority"]) for column in table["columnDefinitions"]]
    assert columns == [
        ("Name", 0), ("Ready", 0), ("Tier", 0), ("Personas", 0), ("Age", 0),
        ("Class", 1), ("Prefix", 1), ("Group", 1), ("Reason", 1),
    ]  # fmt: skip
    cells = dict(zip((name for name, _ in columns), table["rows"][0]["cells"], strict=True))
    assert cells.pop("Age").endswith("s")
    assert cells == {
        "Name": name,
        "Ready": "True",
        "Tier": "dedicated",
        "Personas": 2,
        "Class": "default",
        "Prefix": "tenant-x/",
        "Group": "/tenants/tenant-x",
        "Reason": "AsDeclared",
    }


def test_kubectl_finds_tenants_by_category_and_by_no_short_name(api: client.ApiClient) -> None:
    definition = client.ApiextensionsV1Api(api).read_custom_resource_definition("tenants.tenantry.io")
    names = definition.to_dict()["status"]["accepted_names"]
    assert (names["categories"], names["short_names"]) == (["tenantry"], None)
    assert definition.spec.scope == "Cluster"
