"""Tests of the cache of Tenants: the reconciles that each event requires."""

from itertools import combinations
from typing import Any

import pytest
from tenancy.model import Tenant
from tenancy.names import DEFAULT_TENANT_CLASS
from tenant_operator.tenant_store import Affected, TenantStore

from tests.support.tenants.manifests import make_tenant_manifest


def make_body(name: str, generation: int = 1, **spec: Any) -> dict[str, Any]:
    manifest = make_tenant_manifest(name, **spec)
    manifest["metadata"] |= {"uid": f"uid-{name}", "generation": generation}
    return manifest


def make_claiming(*emails: str) -> dict[str, Any]:
    return {"identity": {"emails": list(emails)}}


def test_a_tenant_that_was_never_reconciled_is_urgent() -> None:
    assert TenantStore(DEFAULT_TENANT_CLASS).update(make_body("a")) == Affected(("a",), urgent=True)


def test_a_tenant_known_from_before_a_restart_is_not_urgent() -> None:
    assert TenantStore(DEFAULT_TENANT_CLASS).update(make_reconciled("a")) == Affected(("a",), urgent=False)


def make_reconciled(name: str, generation: int = 1, **spec: Any) -> dict[str, Any]:
    """Return a Tenant that has been reconciled once."""
    manifest = make_body(name, generation, **spec)
    manifest["metadata"]["finalizers"] = ["tenantry.io/operator"]
    return manifest | {"status": {"observedGeneration": generation, "quota": {"namespace": ""}}}


def remove_finalizer(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"metadata": {**manifest["metadata"], "finalizers": []}}


def mark_deleting(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"metadata": {**manifest["metadata"], "deletionTimestamp": "2026-11-23T10:00:00Z"}}


def test_writes_of_the_operator_require_no_reconcile() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_body("a"))
    assert tenants.update(make_reconciled("a")) == Affected()
    newest = tenants.get("a")
    assert newest
    assert newest.metadata.finalizers == ["tenantry.io/operator"]


def test_a_new_spec_and_a_deletion_require_a_reconcile() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_reconciled("a"))
    assert tenants.update(make_reconciled("a", generation=2)).names == ("a",)
    assert tenants.update(mark_deleting(make_reconciled("a", generation=2))).names == ("a",)


def test_an_existing_tenant_without_the_finalizer_is_urgent() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_reconciled("a"))
    for _ in range(2):  # the second event lacks the finalizer as well
        assert tenants.update(remove_finalizer(make_reconciled("a"))) == Affected(("a",), urgent=True)
    assert tenants.update(make_reconciled("a")) == Affected()


def test_a_tenant_in_deletion_without_the_finalizer_requires_no_reconcile() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(mark_deleting(make_reconciled("a")))
    assert tenants.update(mark_deleting(remove_finalizer(make_reconciled("a")))) == Affected()


GONE = {
    "replaced, then deleted": [make_reconciled("a"), remove_finalizer(make_reconciled("a"))],
    "deleted, without an event of the replacement": [make_reconciled("a")],
    "during the first reconcile": [
        make_body("a"),
        make_reconciled("a") | {"status": {}},
        remove_finalizer(make_reconciled("a")),
    ],
    "in the foreground": [
        make_reconciled("a"),
        remove_finalizer(make_reconciled("a")),
        mark_deleting(remove_finalizer(make_reconciled("a"))),
    ],
    "just after the start": [remove_finalizer(make_reconciled("a"))],
    "while its deletion waits": [
        make_reconciled("a"),
        mark_deleting(make_reconciled("a")),
        mark_deleting(remove_finalizer(make_reconciled("a"))),
    ],
    "while its deletion waits, in one step": [make_reconciled("a"), mark_deleting(make_reconciled("a"))],
}


@pytest.mark.parametrize("events", GONE.values(), ids=GONE.keys())
def test_a_deleted_tenant_with_data_is_an_orphan(events: list[dict[str, Any]]) -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    for event in events:
        tenants.update(event)
    assert tenants.update(events[-1], deleted=True).names == ("a",)
    orphan = tenants.get_orphan("a")
    assert orphan
    assert orphan.metadata.uid == "uid-a"
    tenants.remove_orphan("a")
    assert tenants.get_orphan("a") is None


@pytest.mark.parametrize(
    ("events", "is_orphan"),
    [
        ([make_reconciled("a")], True),
        ([make_reconciled("a"), remove_finalizer(make_reconciled("a"))], True),
        ([make_reconciled("a"), mark_deleting(make_reconciled("a"))], True),
        ([make_reconciled("a"), mark_deleting(make_reconciled("a"))], False),
    ],
    ids=["at any time", "replaced", "while its deletion waits", "removed in order"],
)
def test_a_deletion_without_an_event_is_detected_by_the_next_uid(
    events: list[dict[str, Any]], is_orphan: bool
) -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    for event in events:
        tenants.update(event)
    if not is_orphan:
        tenants.mark_finalized(Tenant.from_object(events[-1]))
    again = make_body("a")
    again["metadata"]["uid"] = "another"
    assert tenants.update(again) == Affected(("a",), urgent=True)
    orphan = tenants.get_orphan("a")
    assert (orphan.metadata.uid if orphan else None) == ("uid-a" if is_orphan else None)


@pytest.mark.parametrize(
    "events",
    [
        [make_reconciled("a"), mark_deleting(make_reconciled("a"))],
        [
            make_reconciled("a"),
            mark_deleting(make_reconciled("a")),
            mark_deleting(remove_finalizer(make_reconciled("a"))),
        ],
    ],
    ids=["in the background", "in the foreground"],
)
def test_a_finalized_tenant_is_not_an_orphan(events: list[dict[str, Any]]) -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    for event in events[:2]:
        tenants.update(event)
    tenants.mark_finalized(Tenant.from_object(events[1]))
    for event in events[2:]:
        tenants.update(event)
    assert tenants.update(remove_finalizer(events[-1]), deleted=True) == Affected()
    assert tenants.get_orphan("a") is None


@pytest.mark.parametrize(
    "events",
    [[make_body("a")], [make_body("a") | {"status": {"observedGeneration": 1}}]],
    ids=["never reconciled", "never more than a conflict"],
)
def test_a_deleted_tenant_without_data_is_not_an_orphan(events: list[dict[str, Any]]) -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    for event in events:
        tenants.update(event)
    assert tenants.update(remove_finalizer(events[-1]), deleted=True) == Affected()
    assert tenants.get_orphan("a") is None


def test_a_tenant_created_again_under_its_name_requires_a_reconcile() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_body("a"))
    again = make_body("a")
    again["metadata"]["uid"] = "another"
    assert tenants.update(again).names == ("a",)


def set_version(manifest: dict[str, Any], version: int, uid: str) -> dict[str, Any]:
    metadata = {**manifest["metadata"], "resourceVersion": str(version), "uid": uid}
    return manifest | {"metadata": metadata}


Event = tuple[dict[str, Any], bool]

FIRST: list[Event] = [
    (set_version(make_reconciled("a", **make_claiming("*@x.example")), 8, "first"), False),
    (set_version(mark_deleting(make_reconciled("a", **make_claiming("*@x.example"))), 9, "first"), False),
    (
        set_version(
            mark_deleting(remove_finalizer(make_reconciled("a", **make_claiming("*@x.example")))), 10, "first"
        ),
        True,
    ),
]
SECOND: list[Event] = [
    (set_version(make_body("a", **make_claiming("*@y.example")), 11, "second"), False),
    (set_version(make_reconciled("a", **make_claiming("*@y.example")), 12, "second"), False),
]


def list_interleavings() -> list[list[Event]]:
    """Return every order that keeps the order of each uid's events and begins with the first event."""
    orders = []
    for places in combinations(range(4), 2):
        first, second = iter(FIRST[1:]), iter(SECOND)
        orders.append([FIRST[0], *(next(second if place in places else first) for place in range(4))])
    return orders


@pytest.mark.parametrize("events", list_interleavings())
def test_late_events_of_an_earlier_tenant_do_not_replace_its_successor(events: list[Event]) -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    seen = [tenants.update(event, deleted=deleted) for event, deleted in events]
    newest = tenants.get("a")
    assert newest
    assert newest.uid == "second"
    assert newest.metadata.finalizers == ["tenantry.io/operator"]
    assert seen[events.index(SECOND[0])] == Affected(("a",), urgent=True)
    assert tenants.update(make_body("y", **make_claiming("*@y.example"))).names == ("y", "a")
    assert tenants.update(make_body("x", **make_claiming("*@x.example"))).names == ("x",)


def test_versions_are_compared_as_numbers() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(set_version(make_reconciled("a"), 10, "second"))
    assert tenants.update(set_version(make_reconciled("a"), 9, "first"), deleted=True) == Affected()
    assert tenants.get("a")


def test_tenants_with_the_same_addresses_are_reconciled_with_every_change() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_body("a", **make_claiming("*@x.example")))
    tenants.update(make_body("other", **make_claiming("*@y.example")))
    assert tenants.update(make_body("b", **make_claiming("*@x.example"))).names == ("b", "a")
    assert tenants.update(make_body("b", 2, **make_claiming("*@z.example"))).names == ("b", "a")
    tenants.update(make_body("b", 3, **make_claiming("*@x.example")))
    assert tenants.update(make_body("b", 3, **make_claiming("*@x.example")), deleted=True).names == ("a",)
    assert tenants.get("b") is None


def test_an_unreadable_tenant_changes_nothing() -> None:
    tenants = TenantStore(DEFAULT_TENANT_CLASS)
    tenants.update(make_body("a"))
    assert tenants.update(make_body("a", 2, quota={"documents": "many"})) == Affected()
    newest = tenants.get("a")
    assert newest
    assert newest.metadata.generation == 1
