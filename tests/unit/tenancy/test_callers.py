"""Tests of the ``Authorization`` header: accepted schemes, and the order of its checks."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import structlog
from tenancy.callers import identify, parse_authorization, require_bearer, verify
from tenancy.directory import Directory
from tenancy.errors import IdentityUnavailable, TokenRefused
from tenancy.identity import Claims

from tests.support.tenants.manifests import make_tenant

CLAIMS = Claims(subject="diana", email="diana@tenantb.example", email_verified=True)


@dataclass
class SingleTokenVerifier:
    """Verifier that accepts one token."""

    async def verify(self, token: str) -> Claims:
        if token != "good":
            raise TokenRefused("The access token is not valid.")
        return CLAIMS


@dataclass
class SingleTenantRegistry:
    """Registry with one Tenant."""

    synced: bool = True
    directory: Directory = field(default_factory=lambda: Directory([make_tenant("tenantb")]))


def make_registry(**given: Any) -> Any:
    return SingleTenantRegistry(**given)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Bearer abc", ("bearer", "abc")),
        ("bEARER abc", ("bearer", "abc")),
        ("Ticket abc", ("ticket", "abc")),
        ("Ticket a b", ("ticket", "a b")),
    ],
)
def test_a_header_contains_a_token_or_a_ticket(header: str, expected: tuple[str, str]) -> None:
    assert parse_authorization([header]) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic abc"],
        ["abc"],
        ["Bearer abc", "Bearer abc"],
        ["Bearer abc", "Ticket abc"],
    ],
)
def test_other_headers_and_a_second_header_are_refused(headers: list[str]) -> None:
    with pytest.raises(TokenRefused, match="Authorization: Bearer"):
        parse_authorization(headers)


def test_a_ticket_is_not_a_token() -> None:
    assert require_bearer(["Bearer abc"]) == "abc"
    with pytest.raises(TokenRefused, match="person's access token"):
        require_bearer(["Ticket abc"])


async def test_a_token_is_verified_after_the_tenants_are_loaded() -> None:
    tokens = cast("Any", SingleTokenVerifier())
    assert await verify("good", tokens, make_registry()) is CLAIMS
    with pytest.raises(TokenRefused):
        await verify("forged", tokens, make_registry())
    with pytest.raises(IdentityUnavailable, match="not known yet"):
        await verify("good", tokens, make_registry(synced=False))


def test_later_log_lines_contain_the_tenant() -> None:
    with structlog.contextvars.bound_contextvars():
        person = identify(CLAIMS, make_registry())
        assert person.tenant.id == "tenantb"
        assert structlog.contextvars.get_contextvars()["tenant"] == "tenant-tenantb"
        structlog.contextvars.unbind_contextvars("tenant")
