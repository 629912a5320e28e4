"""Tests of the plans of parts, without I/O."""

import pytest
from tenancy.model import Tenant, TenantStatus
from tenant_operator.parts import vectors
from tenant_operator.parts.identity import Account, plan_members
from tenant_operator.parts.namespace import objects
from tenant_operator.parts.namespace.part import _contains
from tenant_operator.parts.storage import part
from tenant_operator.parts.storage.part import StorageState
from tenant_operator.parts.vectors import VectorsState

from tests.support.tenants.manifests import make_tenant

ACME = make_tenant("acme", personas=[{"id": "finance"}, {"id": "people"}])
TAGS = {"tenant": "tenant-acme", "tenant-uid": "uid-acme", "managed-by": "tenantry"}
ROOT, FINANCE, PEOPLE = "tenant-acme/", "tenant-acme/finance/documents/", "tenant-acme/people/documents/"


@pytest.mark.parametrize(
    ("markers", "steps"),
    [
        ({}, {ROOT: "create", FINANCE: "create", PEOPLE: "create"}),
        ({ROOT: TAGS, FINANCE: TAGS, PEOPLE: TAGS}, {}),
        ({ROOT: TAGS, PEOPLE: TAGS}, {FINANCE: "create"}),
        ({ROOT: TAGS | {"tenant": "tenant-evil"}, FINANCE: TAGS, PEOPLE: {}}, {ROOT: "tag", PEOPLE: "tag"}),
        ({ROOT: TAGS, FINANCE: TAGS, PEOPLE: TAGS, "tenant-acme/gone/documents/": TAGS}, {}),
    ],
    ids=["new", "as-declared", "marker-gone", "tags-changed", "a-former-personas-marker-stays"],
)
def test_storage_writes_the_difference(markers: dict[str, dict[str, str]], steps: dict[str, str]) -> None:
    assert part.plan(part.build_desired(ACME), StorageState(markers)) == steps


@pytest.mark.parametrize(
    ("said", "marked", "owns"),
    [
        (None, None, False),
        (None, "an-earlier-one", False),
        (None, "uid-acme", True),
        ({"tenantUid": "an-earlier-one"}, None, False),
        ({"tenantUid": "uid-acme"}, None, True),
        ({"tenantUid": "uid-acme"}, "another-program", True),
        ({}, None, True),
    ],
    ids=[
        "new", "left-by-an-earlier-one", "killed-before-the-status", "a-status-brought-back-from-a-backup",
        "marker-gone", "marker-changed", "of-an-operator-without-uids",
    ],
)  # fmt: skip
def test_the_owner_of_a_prefix_is_known_from_status_or_marker(
    said: dict[str, str] | None, marked: str | None, owns: bool
) -> None:
    section = {"bucket": "b", "prefix": ROOT}
    status = TenantStatus.model_validate({} if said is None else {"storage": section | said})
    tags = {} if marked is None else {ROOT: {"tenant-uid": marked}}
    tenant = ACME.model_copy(update={"status": status})
    assert part._owns_prefix(tenant, StorageState(tags)) is owns


@pytest.mark.parametrize(
    ("observed", "steps"),
    [
        (VectorsState(), ["collection", "tenantId", "tenantUid", "personaId", "documentId"]),
        (VectorsState(768, True, frozenset({"tenantId", "documentId"})), ["tenantUid", "personaId"]),
        (VectorsState(768, True, frozenset({*vectors.INDEXES, "more"})), []),
    ],
    ids=["no-collection", "index-gone", "as-declared"],
)
def test_vectors_create_missing_objects(observed: VectorsState, steps: list[str]) -> None:
    assert vectors.plan(observed) == steps


def test_members_become_exactly_the_wanted_accounts() -> None:
    ann, ben, cat = (
        Account("1", "ann@a.example"),
        Account("2", "ben@a.example"),
        Account("3", "cat@a.example"),
    )
    assert plan_members({ann, ben}, {ben, cat}) == ([ann], [cat])
    assert plan_members({ann}, {Account("1", "ann@new.example")}) == ([], [])


def test_only_a_tenant_with_compute_has_a_namespace() -> None:
    assert objects.build_objects(ACME) == []
    kinds = [each["kind"] for each in objects.build_objects(make_tenant_with_compute())]
    assert kinds == ["Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount"]


def test_the_namespaces_quota_has_the_declared_limits_and_no_others() -> None:
    quota = next(
        each for each in objects.build_objects(make_tenant_with_compute()) if each["kind"] == "ResourceQuota"
    )
    assert quota["spec"]["hard"] == {"requests.cpu": "2", "pods": "10"}


def test_the_network_policy_allows_only_dns() -> None:
    policy = next(
        each for each in objects.build_objects(make_tenant_with_compute()) if each["kind"] == "NetworkPolicy"
    )
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    assert [rule["ports"] for rule in policy["spec"]["egress"]] == [
        [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    ]


@pytest.mark.parametrize(
    ("live", "holds"),
    [
        ({"a": 1, "b": {"c": [1, {"d": 2, "added": 3}], "added": 4}}, True),
        ({"a": 1, "b": {"c": [1, {"d": 9}]}}, False),
        ({"a": 1, "b": {"c": [1]}}, False),
        ({"a": 1}, False),
        ({}, False),
    ],
    ids=["more-than-wanted", "a-value-differs", "a-list-is-shorter", "a-branch-is-gone", "nothing-there"],
)
def test_values_that_other_writers_added_are_ignored(live: dict[str, object], holds: bool) -> None:
    assert _contains(live, {"a": 1, "b": {"c": [1, {"d": 2}]}}) is holds


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [("0.5", "500m"), ("4000m", "4"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("0.5m", "500u")],
)
def test_an_equal_quantity_in_another_unit_is_no_difference(wanted: str, stored: str) -> None:
    assert _contains({"hard": {"requests.cpu": stored}}, {"hard": {"requests.cpu": wanted}})
    assert not _contains({"hard": {"requests.cpu": "3"}}, {"hard": {"requests.cpu": wanted}})


def make_tenant_with_compute() -> Tenant:
    return make_tenant("acme", quota={"compute": {"requests.cpu": "2", "pods": "10"}})
