"""Tests of deletion protection: no request deletes a protected Tenant; the refusal names the remedy."""

import uuid
from collections.abc import Callable

import pytest
from kubernetes import client

from tests.support.backends.api_server import Refused, Tenants

PROTECT = "tenantry.io/protect"


def test_protected_tenant_is_not_deleted_until_the_annotation_is_removed(
    tenants: Tenants, store_tenant: Callable[..., str]
) -> None:
    name = store_tenant(annotations={PROTECT: "true"})
    with pytest.raises(Refused) as refusal:
        tenants.delete(name)
    assert refusal.value.status == 403
    assert f"Tenant {name} is protected from deletion" in refusal.value.message
    assert f"kubectl annotate tenant {name} tenantry.io/protect-" in refusal.value.message
    assert not tenants.is_being_deleted(name)

    tenants.patch(name, {"metadata": {"annotations": {PROTECT: None}}})
    tenants.delete(name)
    assert tenants.is_being_deleted(name)


@pytest.mark.parametrize("value", ["yes", "True", "", "tru"])
def test_an_invalid_annotation_value_keeps_the_protection(
    tenants: Tenants, store_tenant: Callable[..., str], value: str
) -> None:
    name = store_tenant(annotations={PROTECT: value})
    with pytest.raises(Refused, match="is protected from deletion"):
        tenants.delete(name)


@pytest.mark.parametrize(
    "annotations",
    [None, {}, {"example.com/note": "true"}, {PROTECT: "false"}],
    ids=["none", "empty", "other", "false"],
)
def test_unprotected_tenant_is_deleted(
    tenants: Tenants, store_tenant: Callable[..., str], annotations: dict[str, str] | None
) -> None:
    name = store_tenant(annotations=annotations)
    tenants.delete(name)
    assert tenants.is_being_deleted(name)


def test_a_deletion_of_all_tenants_keeps_protected_tenants(
    tenants: Tenants, store_tenant: Callable[..., str]
) -> None:
    labels = {"test": uuid.uuid4().hex}
    protected = store_tenant(labels=labels, annotations={PROTECT: "true"})
    others = [store_tenant(labels=labels) for _ in range(3)]
    with pytest.raises(Refused, match=f"Tenant {protected} is protected"):
        tenants.delete_all(f"test={labels['test']}")
    assert not tenants.is_being_deleted(protected)

    tenants.patch(protected, {"metadata": {"annotations": {PROTECT: None}}})
    tenants.delete_all(f"test={labels['test']}")
    assert all(tenants.is_being_deleted(name) for name in (protected, *others))


def test_the_definition_of_tenants_is_protected_from_deletion(api: client.ApiClient) -> None:
    definitions = client.ApiextensionsV1Api(api)
    with pytest.raises(client.exceptions.ApiException, match="protected from deletion") as refusal:
        definitions.delete_custom_resource_definition("tenants.tenantry.io", dry_run="All")
    assert refusal.value.status == 403
    assert "kubectl annotate customresourcedefinition tenants.tenantry.io" in (refusal.value.body or "")


def test_a_protected_tenant_may_still_be_changed(tenants: Tenants, store_tenant: Callable[..., str]) -> None:
    name = store_tenant(annotations={PROTECT: "true"})
    assert tenants.patch(name, {"spec": {"suspended": True}})["spec"]["suspended"] is True
