"""Which events are worth a reconcile, and of whom."""

from typing import Any

from tenant_operator.tenants import Seen, Tenants

from tests.support.tenants import tenant_manifest


def body(name: str, generation: int = 1, **spec: Any) -> dict[str, Any]:
    manifest = tenant_manifest(name, **spec)
    manifest["metadata"] |= {"uid": f"uid-{name}", "generation": generation}
    return manifest


def claiming(*emails: str) -> dict[str, Any]:
    return {"identity": {"emails": list(emails)}}


def test_a_tenant_that_was_never_reconciled_is_urgent() -> None:
    assert Tenants().see(body("a")) == Seen(("a",), urgent=True)


def test_a_tenant_known_from_before_a_restart_is_looked_at_without_haste() -> None:
    known = body("a") | {"status": {"observedGeneration": 1}}
    assert Tenants().see(known) == Seen(("a",), urgent=False)


def test_our_own_writes_are_no_reason_to_look_again() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    written = body("a")
    written["metadata"]["finalizers"] = ["tenantry.io/operator"]
    written["status"] = {"observedGeneration": 1}
    assert tenants.see(written) == Seen()
    newest = tenants.get("a")
    assert newest
    assert newest.metadata.finalizers == ["tenantry.io/operator"]


def test_a_new_spec_and_a_deletion_are() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    assert tenants.see(body("a", generation=2)).names == ("a",)
    going = body("a", generation=2)
    going["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    assert tenants.see(going).names == ("a",)


def test_a_tenant_made_again_under_its_name_is_another_one() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    again = body("a")
    again["metadata"]["uid"] = "another"
    assert tenants.see(again).names == ("a",)


def test_whoever_shares_addresses_is_looked_at_when_a_tenant_comes_changes_or_goes() -> None:
    tenants = Tenants()
    tenants.see(body("a", **claiming("*@x.example")))
    tenants.see(body("other", **claiming("*@y.example")))
    assert tenants.see(body("b", **claiming("*@x.example"))).names == ("b", "a")
    assert tenants.see(body("b", 2, **claiming("*@z.example"))).names == ("b", "a")
    tenants.see(body("b", 3, **claiming("*@x.example")))
    assert tenants.see(body("b", 3, **claiming("*@x.example")), deleted=True).names == ("a",)
    assert tenants.get("b") is None


def test_a_tenant_that_cannot_be_read_changes_nothing() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    assert tenants.see(body("a", 2, quota={"documents": "many"})) == Seen()
    newest = tenants.get("a")
    assert newest
    assert newest.metadata.generation == 1
