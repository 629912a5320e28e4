"""Tests of the index of Tenants by id and by e-mail pattern."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenancy.directory import Directory
from tenancy.emails import matches_any
from tenancy.model import Tenant

from tests.support.tenants.manifests import make_tenant

ENDS = ["b.example", "x.b.example", "gmail.com", "B.Example", "co.uk"]
locals_ = st.text("ab*.", min_size=1, max_size=4)
patterns = st.builds(
    "{}@{}".format, locals_, st.sampled_from([*ENDS, "*.b.example", "x*.b.example", "*.*.co.uk"])
)
addresses = st.builds(
    "{}@{}".format, st.text("abAB.", max_size=5), st.sampled_from([*ENDS, "x.y.b.example", "example", ""])
)


def make_test_tenant(tenant_id: str, *emails: str, admins: tuple[str, ...] = ()) -> Tenant:
    return make_tenant(tenant_id, identity={"emails": list(emails), "admins": list(admins)})


def list_ids(found: list[Tenant]) -> list[str]:
    return [tenant.id for tenant in found]


@settings(deadline=None)
@given(st.lists(st.lists(patterns, max_size=3), max_size=4), addresses)
def test_an_address_returns_exactly_the_matching_tenants(claims: list[list[str]], address: str) -> None:
    tenants = [make_test_tenant(f"t{number}", *emails) for number, emails in enumerate(claims)]
    expected = [tenant.id for tenant in tenants if matches_any(tenant.spec.email_patterns, address)]
    assert list_ids(Directory(tenants).find_by_email(address)) == expected


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("*@*.b.example", "me@x.b.example"),
        ("*@*.b.example", "me@y.x.b.example"),
        ("*@b.example", "me@b.example"),
        ("*a*b@b.example", "xaybzb@b.example"),
        ("*a*@b.example", "1a2@b.example"),
    ],
)
def test_a_pattern_with_wildcards_anywhere_matches(pattern: str, address: str) -> None:
    assert list_ids(
        Directory([make_test_tenant("a", pattern), make_test_tenant("b", "*@c.example")]).find_by_email(
            address
        )
    ) == ["a"]


def test_patterns_of_administrators_also_match() -> None:
    assert list_ids(
        Directory([make_test_tenant("a", admins=("boss@a.example",))]).find_by_email("Boss@A.example")
    ) == ["a"]


def test_an_updated_tenant_matches_its_new_patterns() -> None:
    directory = Directory([make_test_tenant("a", "*@a.example", admins=("*@a.example",))])
    directory.put(make_test_tenant("a", "*@b.example"))
    assert list_ids(directory.find_by_email("x@a.example")) == []
    assert list_ids(directory.find_by_email("x@b.example")) == ["a"]
    assert len(directory) == 1


def test_a_removed_tenant_matches_nothing_and_leaves_no_entries() -> None:
    directory = Directory([make_test_tenant("a", "*@a.example"), make_test_tenant("b", "*@a.example")])
    directory.discard("a")
    directory.discard("a")
    assert list_ids(directory.find_by_email("x@a.example")) == ["b"]
    assert directory.get("a") is None
    directory.discard("b")
    assert directory.list_tenants() == ()
    assert not directory._patterns


def test_only_possible_matches_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request takes the same time with ten tenants and with ten thousand."""
    directory = Directory(make_test_tenant(f"t{number}", f"*.t{number}@gmail.com") for number in range(1000))
    compared: list[str] = []

    def matches(pattern: str, _: str) -> bool:
        compared.append(pattern)
        return True

    monkeypatch.setattr("tenancy.directory.matches", matches)
    directory.find_by_email("diana.t7@gmail.com")
    assert compared == ["*.t7@gmail.com"]
