"""Tests of the operator's cache of Tenants with classes: Tenants of other classes change nothing."""

from typing import Any

from tenant_operator.tenant_store import Affected, TenantStore

from tests.support.tenants.manifests import make_tenant_manifest

OWN, OTHER = "staging", "default"
FINALIZER = "tenantry.io/operator"


def make_body(
    name: str, tenant_class: str = OWN, *, uid: str = "", version: int = 0, reconciled: bool = False
) -> dict[str, Any]:
    spec = {} if tenant_class == OTHER else {"tenantClass": tenant_class}  # Tenants that name no class
    manifest = make_tenant_manifest(name, identity={"emails": ["*@same.example"]}, **spec)
    manifest["metadata"] |= {
        "uid": uid or f"uid-{name}-{tenant_class}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    if reconciled:
        manifest["metadata"]["finalizers"] = [FINALIZER]
        manifest["status"] = {"observedGeneration": 1, "quota": {"namespace": ""}}
    return manifest


def test_only_tenants_of_the_class_are_known() -> None:
    tenants = TenantStore(OWN)
    assert tenants.update(make_body("a", OTHER)) == Affected()
    assert tenants.update(make_body("b")) == Affected(("b",), urgent=True)
    assert [tenant.id for tenant in tenants.list_all()] == ["b"]
    by_email = tenants.get_by_email("diana@same.example")
    assert by_email
    assert by_email.id == "b"


def test_a_pattern_of_another_class_is_no_conflict() -> None:
    tenants = TenantStore(OWN)
    tenants.update(make_body("a", OTHER))
    tenants.update(make_body("b"))
    tenant = tenants.get("b")
    assert tenant
    assert tenants.email_patterns.describe_conflict(tenant) is None


def test_the_deletion_of_another_classs_tenant_is_ignored() -> None:
    tenants = TenantStore(OWN)
    tenants.update(make_body("a", OTHER, reconciled=True))
    assert tenants.update(make_body("a", OTHER, reconciled=True), deleted=True) == Affected()
    assert tenants.list_orphans() == ()


def test_a_tenant_of_another_class_that_cannot_be_read_is_ignored() -> None:
    unreadable = make_body("a", OTHER)
    unreadable["spec"]["tier"] = "a tier of a newer version"
    assert TenantStore(OWN).update(unreadable) == Affected()


def test_data_under_a_name_that_another_class_has_now_is_never_removed() -> None:
    """The own Tenant was deleted without its finalizer, and its name was taken before the clean-up."""
    tenants = TenantStore(OWN)
    tenants.update(make_body("a", version=1, reconciled=True))
    assert tenants.update(make_body("a", version=2, reconciled=True), deleted=True).names == ("a",)
    assert tenants.get_orphan("a")
    assert tenants.update(make_body("a", OTHER, version=3)) == Affected()
    assert tenants.get_orphan("a") is None


def test_a_name_that_another_class_took_between_two_events_is_forgotten() -> None:
    tenants = TenantStore(OWN)
    tenants.update(make_body("a", version=1, reconciled=True))
    tenants.update(make_body("b", version=2))
    assert tenants.update(make_body("a", OTHER, version=4)) == Affected(("b",))  # its conflict has ended
    assert (tenants.get("a"), tenants.get_orphan("a")) == (None, None)
    late = make_body("a", version=3, reconciled=True)
    assert tenants.update(late, deleted=True) == Affected()
    assert tenants.get_orphan("a") is None, "a late event must not remove data of the other class"


def test_a_late_event_of_another_classs_earlier_tenant_is_ignored() -> None:
    tenants = TenantStore(OWN)
    tenants.update(make_body("a", OTHER, version=1))
    tenants.update(make_body("a", version=3, reconciled=True))
    assert tenants.update(make_body("a", OTHER, version=2), deleted=True) == Affected()
    assert tenants.get("a")
    assert tenants.update(make_body("a", version=4, reconciled=True), deleted=True).names == ("a",)
    assert tenants.get_orphan("a"), "the name is free of the other class"
