"""Tests of authentication; the tests of tenancy and tests/isolation cover tokens and tickets."""

import pytest
from tenancy.tickets import Ticket

from tests.support.tenants.manifests import make_uid

from .conftest import GatewayHarness

SEARCH = {"query": "x"}


def make_ticket(harness: GatewayHarness, tenant_id: str = "tenanta", uid: str = "") -> str:
    named = Ticket(tenant_id, uid or make_uid(tenant_id), "finance", "doc-1", "a.md")
    return f"Ticket {harness.issuer.issue(named)}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwdw==",
        "person-tenanta",
        "Bearer forged",
        "Token person-tenanta",
    ],
)
async def test_a_search_without_a_valid_token_is_401(harness: GatewayHarness, header: str) -> None:
    assert (await harness.post("/v1/search", as_=header, json=SEARCH)).status_code == 401


async def test_the_scheme_is_case_insensitive(harness: GatewayHarness) -> None:
    assert (await harness.post("/v1/search", as_="bearer person-tenanta", json=SEARCH)).status_code == 200


async def test_two_authorization_headers_are_refused(harness: GatewayHarness) -> None:
    headers = [("Authorization", "Bearer person-tenanta"), ("Authorization", "Bearer person-tenantb")]
    assert (await harness.http.post("/v1/search", headers=headers, json=SEARCH)).status_code == 401


@pytest.mark.parametrize(
    ("tenant_id", "problem"),
    [("sleeping", "tenant-suspended"), ("leaving", "tenant-suspended"), ("unknown", "no-tenant")],
)
async def test_an_inactive_tenant_is_refused_by_token_and_by_ticket(
    harness: GatewayHarness, tenant_id: str, problem: str
) -> None:
    by_token = await harness.post("/v1/search", as_=f"Bearer person-{tenant_id}", json=SEARCH)
    by_ticket = await harness.post("/v1/documents", as_=make_ticket(harness, tenant_id))
    for response in (by_token, by_ticket):
        assert response.status_code == 403
        assert response.json()["type"].endswith(f"/{problem}")


async def test_requests_are_503_until_the_tenants_are_listed(harness: GatewayHarness) -> None:
    harness.registry.synced = False
    for response in (
        await harness.post("/v1/search", json=SEARCH),
        await harness.post("/v1/documents", as_=make_ticket(harness)),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"]


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers"])
async def test_a_ticket_does_not_allow_a_search(harness: GatewayHarness, path: str) -> None:
    response = await harness.post(path, as_=make_ticket(harness), json={"query": "x"})
    assert response.status_code == 401


async def test_an_invalid_ticket_is_refused(harness: GatewayHarness) -> None:
    assert (await harness.post("/v1/documents", as_="Ticket forged")).status_code == 401


async def test_a_ticket_of_an_earlier_tenant_of_the_same_name_is_refused(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/documents", as_=make_ticket(harness, uid="uid-an-earlier-one"))
    assert response.status_code == 401
    assert response.json()["type"].endswith("/ticket-refused")
    assert "earlier tenant of this name" in response.json()["detail"]
