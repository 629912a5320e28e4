"""Tests of the index of e-mail patterns: conflicts, and the Tenant that is refused."""

from hypothesis import given
from hypothesis import strategies as st
from tenancy.emails import has_overlap
from tenancy.model import Tenant
from tenant_operator.email_patterns import EmailPatternIndex

from tests.support.tenants.manifests import make_tenant_manifest


def make_aged_tenant(tenant_id: str, year: int, *emails: str, admins: tuple[str, ...] = ()) -> Tenant:
    manifest = make_tenant_manifest(tenant_id, identity={"emails": list(emails), "admins": list(admins)})
    manifest["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    return Tenant.from_object(manifest)


def make_index(*tenants: Tenant) -> EmailPatternIndex:
    index = EmailPatternIndex()
    for tenant in tenants:
        index.put(tenant)
    return index


def test_of_two_tenants_with_the_same_address_only_the_younger_conflicts() -> None:
    old, young = (
        make_aged_tenant("old", 2020, "*@a.example"),
        make_aged_tenant("young", 2021, "bob@a.example"),
    )
    index = make_index(young, old)
    assert index.describe_conflict(old) is None
    message = index.describe_conflict(young)
    assert message
    assert "bob@a.example" in message
    assert "*@a.example" in message
    assert "old" in message


def test_tenants_of_the_same_second_are_ordered_by_name() -> None:
    a, b = make_aged_tenant("a", 2020, "*@a.example"), make_aged_tenant("b", 2020, "*@a.example")
    index = make_index(a, b)
    assert index.describe_conflict(a) is None
    assert index.describe_conflict(b)


def test_administrators_addresses_conflict_too() -> None:
    old = make_aged_tenant("old", 2020, admins=("boss@a.example",))
    young = make_aged_tenant("young", 2021, "*@a.example")
    assert make_index(old, young).describe_conflict(young)


def test_a_deleted_or_changed_tenant_frees_its_addresses() -> None:
    old, young = make_aged_tenant("old", 2020, "*@a.example"), make_aged_tenant("young", 2021, "*@a.example")
    index = make_index(old, young)
    index.put(make_aged_tenant("old", 2020, "*@b.example"))
    assert index.describe_conflict(young) is None
    index.put(old)
    index.remove("old")
    assert index.describe_conflict(young) is None


def test_a_domain_with_the_same_suffix_is_another_domain() -> None:
    old, young = (
        make_aged_tenant("old", 2020, "*@a.example"),
        make_aged_tenant("young", 2021, "*@ba.example", "*@x.a.example"),
    )
    assert make_index(old, young).describe_conflict(young) is None


patterns = st.builds(
    "{}@{}{}".format,
    st.sampled_from(["*", "a", "a*", "*b", "a*b"]),
    st.sampled_from(["", "x.", "*.", "x*."]),
    st.sampled_from(["a.example", "b.example", "A.example"]),
)


@given(st.lists(st.lists(patterns, max_size=3, unique=True), max_size=6))
def test_the_index_finds_every_conflict_of_a_comparison_of_all_pairs(declared: list[list[str]]) -> None:
    tenants = [
        make_aged_tenant(f"t{number}", 2000 + number, *emails) for number, emails in enumerate(declared)
    ]
    index = make_index(*tenants)
    for tenant in tenants:
        others = [other for other in tenants if other is not tenant]
        expected = {
            other.id
            for other in others
            if any(has_overlap(a, b) for a in tenant.spec.email_patterns for b in other.spec.email_patterns)
        }
        assert {other.id for other in index.list_conflicts(tenant)} == expected
