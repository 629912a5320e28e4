"""Which Tenants claim the same addresses, and who has to give way."""

from hypothesis import given
from hypothesis import strategies as st
from tenancy.emails import overlap
from tenancy.model import Tenant
from tenant_operator.email_patterns import Claims

from tests.support.tenants import tenant_manifest


def aged(tenant_id: str, year: int, *emails: str, admins: tuple[str, ...] = ()) -> Tenant:
    manifest = tenant_manifest(tenant_id, identity={"emails": list(emails), "admins": list(admins)})
    manifest["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    return Tenant.from_object(manifest)


def claims(*tenants: Tenant) -> Claims:
    known = Claims()
    for tenant in tenants:
        known.put(tenant)
    return known


def test_the_younger_of_two_gives_way_and_is_told_to_whom() -> None:
    old, young = aged("old", 2020, "*@a.example"), aged("young", 2021, "bob@a.example")
    known = claims(young, old)
    assert known.conflict(old) is None
    told = known.conflict(young)
    assert told
    assert "bob@a.example" in told
    assert "*@a.example" in told
    assert "old" in told


def test_tenants_of_the_same_second_go_by_name() -> None:
    a, b = aged("a", 2020, "*@a.example"), aged("b", 2020, "*@a.example")
    known = claims(a, b)
    assert known.conflict(a) is None
    assert known.conflict(b)


def test_administrators_are_claimed_as_well() -> None:
    old = aged("old", 2020, admins=("boss@a.example",))
    young = aged("young", 2021, "*@a.example")
    assert claims(old, young).conflict(young)


def test_a_tenant_that_goes_or_changes_frees_the_addresses() -> None:
    old, young = aged("old", 2020, "*@a.example"), aged("young", 2021, "*@a.example")
    known = claims(old, young)
    known.put(aged("old", 2020, "*@b.example"))
    assert known.conflict(young) is None
    known.put(old)
    known.drop("old")
    assert known.conflict(young) is None


def test_a_domain_that_only_ends_alike_is_another_domain() -> None:
    old, young = aged("old", 2020, "*@a.example"), aged("young", 2021, "*@ba.example", "*@x.a.example")
    assert claims(old, young).conflict(young) is None


patterns = st.builds(
    "{}@{}{}".format,
    st.sampled_from(["*", "a", "a*", "*b", "a*b"]),
    st.sampled_from(["", "x.", "*.", "x*."]),
    st.sampled_from(["a.example", "b.example", "A.example"]),
)


@given(st.lists(st.lists(patterns, max_size=3, unique=True), max_size=6))
def test_the_index_finds_every_rival_that_comparing_all_pairs_finds(declared: list[list[str]]) -> None:
    tenants = [aged(f"t{number}", 2000 + number, *emails) for number, emails in enumerate(declared)]
    known = claims(*tenants)
    for tenant in tenants:
        others = [other for other in tenants if other is not tenant]
        expected = {
            other.id
            for other in others
            if any(overlap(a, b) for a in tenant.spec.email_patterns for b in other.spec.email_patterns)
        }
        assert {rival.id for rival in known.rivals(tenant)} == expected
