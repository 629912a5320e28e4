"""Which events are worth a reconcile, and of whom."""

from itertools import combinations
from typing import Any

import pytest
from tenancy.model import Tenant
from tenant_operator.tenant_store import Seen, Tenants

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
    assert Tenants().see(held("a")) == Seen(("a",), urgent=False)


def held(name: str, generation: int = 1, **spec: Any) -> dict[str, Any]:
    """Return a Tenant that has been reconciled once."""
    manifest = body(name, generation, **spec)
    manifest["metadata"]["finalizers"] = ["tenantry.io/operator"]
    return manifest | {"status": {"observedGeneration": generation, "quota": {"namespace": ""}}}


def without_finalizer(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"metadata": {**manifest["metadata"], "finalizers": []}}


def deleting(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"metadata": {**manifest["metadata"], "deletionTimestamp": "2026-11-23T10:00:00Z"}}


def test_our_own_writes_are_no_reason_to_look_again() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    assert tenants.see(held("a")) == Seen()
    newest = tenants.get("a")
    assert newest
    assert newest.metadata.finalizers == ["tenantry.io/operator"]


def test_a_new_spec_and_a_deletion_are() -> None:
    tenants = Tenants()
    tenants.see(held("a"))
    assert tenants.see(held("a", generation=2)).names == ("a",)
    assert tenants.see(deleting(held("a", generation=2))).names == ("a",)


def test_a_living_tenant_without_our_finalizer_is_urgent_whatever_else_is_unchanged() -> None:
    tenants = Tenants()
    tenants.see(held("a"))
    for _ in range(2):  # seen once more, it is still without
        assert tenants.see(without_finalizer(held("a"))) == Seen(("a",), urgent=True)
    assert tenants.see(held("a")) == Seen()


def test_a_tenant_that_goes_needs_no_finalizer() -> None:
    tenants = Tenants()
    tenants.see(deleting(held("a")))
    assert tenants.see(deleting(without_finalizer(held("a")))) == Seen()


GONE = {
    "replaced, then deleted": [held("a"), without_finalizer(held("a"))],
    "and nobody saw the replacing": [held("a")],
    "while it was first made": [body("a"), held("a") | {"status": {}}, without_finalizer(held("a"))],
    "in the foreground": [held("a"), without_finalizer(held("a")), deleting(without_finalizer(held("a")))],
    "and we have just started": [without_finalizer(held("a"))],
    "while its deletion waits": [held("a"), deleting(held("a")), deleting(without_finalizer(held("a")))],
    "while its deletion waits, in one step": [held("a"), deleting(held("a"))],
}


@pytest.mark.parametrize("events", GONE.values(), ids=GONE.keys())
def test_a_tenant_that_vanishes_with_what_was_made_for_it_is_an_orphan(events: list[dict[str, Any]]) -> None:
    tenants = Tenants()
    for event in events:
        tenants.see(event)
    assert tenants.see(events[-1], deleted=True).names == ("a",)
    orphan = tenants.orphan("a")
    assert orphan
    assert orphan.metadata.uid == "uid-a"
    tenants.forget_orphan("a")
    assert tenants.orphan("a") is None


@pytest.mark.parametrize(
    ("events", "is_orphan"),
    [
        ([held("a")], True),
        ([held("a"), without_finalizer(held("a"))], True),
        ([held("a"), deleting(held("a"))], True),
        ([held("a"), deleting(held("a"))], False),
    ],
    ids=["at any time", "replaced", "while its deletion waits", "removed in order"],
)
def test_a_tenant_whose_end_nobody_saw_is_known_by_the_uid_of_the_next(
    events: list[dict[str, Any]], is_orphan: bool
) -> None:
    tenants = Tenants()
    for event in events:
        tenants.see(event)
    if not is_orphan:
        tenants.note_taken_down(Tenant.from_object(events[-1]))
    again = body("a")
    again["metadata"]["uid"] = "another"
    assert tenants.see(again) == Seen(("a",), urgent=True)
    orphan = tenants.orphan("a")
    assert (orphan.metadata.uid if orphan else None) == ("uid-a" if is_orphan else None)


@pytest.mark.parametrize(
    "events",
    [
        [held("a"), deleting(held("a"))],
        [held("a"), deleting(held("a")), deleting(without_finalizer(held("a")))],
    ],
    ids=["in the background", "in the foreground"],
)
def test_a_tenant_that_was_taken_down_is_no_orphan(events: list[dict[str, Any]]) -> None:
    tenants = Tenants()
    for event in events[:2]:
        tenants.see(event)
    tenants.note_taken_down(Tenant.from_object(events[1]))
    for event in events[2:]:
        tenants.see(event)
    assert tenants.see(without_finalizer(events[-1]), deleted=True) == Seen()
    assert tenants.orphan("a") is None


@pytest.mark.parametrize(
    "events",
    [[body("a")], [body("a") | {"status": {"observedGeneration": 1}}]],
    ids=["never reconciled", "never more than a conflict"],
)
def test_a_tenant_that_leaves_nothing_is_no_orphan(events: list[dict[str, Any]]) -> None:
    tenants = Tenants()
    for event in events:
        tenants.see(event)
    assert tenants.see(without_finalizer(events[-1]), deleted=True) == Seen()
    assert tenants.orphan("a") is None


def test_a_tenant_made_again_under_its_name_is_another_one() -> None:
    tenants = Tenants()
    tenants.see(body("a"))
    again = body("a")
    again["metadata"]["uid"] = "another"
    assert tenants.see(again).names == ("a",)


def versioned(manifest: dict[str, Any], version: int, uid: str) -> dict[str, Any]:
    metadata = {**manifest["metadata"], "resourceVersion": str(version), "uid": uid}
    return manifest | {"metadata": metadata}


Event = tuple[dict[str, Any], bool]

FIRST: list[Event] = [
    (versioned(held("a", **claiming("*@x.example")), 8, "first"), False),
    (versioned(deleting(held("a", **claiming("*@x.example"))), 9, "first"), False),
    (versioned(deleting(without_finalizer(held("a", **claiming("*@x.example")))), 10, "first"), True),
]
SECOND: list[Event] = [
    (versioned(body("a", **claiming("*@y.example")), 11, "second"), False),
    (versioned(held("a", **claiming("*@y.example")), 12, "second"), False),
]


def interleaved() -> list[list[Event]]:
    """Return every order that keeps the events of each uid, but for the first one, which comes first."""
    orders = []
    for places in combinations(range(4), 2):
        first, second = iter(FIRST[1:]), iter(SECOND)
        orders.append([FIRST[0], *(next(second if place in places else first) for place in range(4))])
    return orders


@pytest.mark.parametrize("events", interleaved())
def test_late_events_of_an_earlier_tenant_do_not_hide_the_one_that_has_its_name(events: list[Event]) -> None:
    tenants = Tenants()
    seen = [tenants.see(event, deleted=deleted) for event, deleted in events]
    newest = tenants.get("a")
    assert newest
    assert newest.uid == "second"
    assert newest.metadata.finalizers == ["tenantry.io/operator"]
    assert seen[events.index(SECOND[0])] == Seen(("a",), urgent=True)
    assert tenants.see(body("y", **claiming("*@y.example"))).names == ("y", "a")
    assert tenants.see(body("x", **claiming("*@x.example"))).names == ("x",)


def test_versions_are_compared_as_numbers() -> None:
    tenants = Tenants()
    tenants.see(versioned(held("a"), 10, "second"))
    assert tenants.see(versioned(held("a"), 9, "first"), deleted=True) == Seen()
    assert tenants.get("a")


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
