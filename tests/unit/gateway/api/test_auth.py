"""Who may call what. Whether tokens and tickets are sound is tested in tenancy and in tests/isolation."""

import pytest
from tenancy.tickets import Ticket

from tests.support.tenants import uid_of

from .conftest import World

SEARCH = {"query": "x"}


def ticket(world: World, tenant_id: str = "tenanta", uid: str = "") -> str:
    named = Ticket(tenant_id, uid or uid_of(tenant_id), "finance", "doc-1", "a.md")
    return f"Ticket {world.issuer.issue(named)}"


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
async def test_without_a_sound_token_nobody_searches(world: World, header: str) -> None:
    assert (await world.post("/v1/search", as_=header, json=SEARCH)).status_code == 401


async def test_the_scheme_is_read_in_any_case(world: World) -> None:
    assert (await world.post("/v1/search", as_="bearer person-tenanta", json=SEARCH)).status_code == 200


async def test_two_authorization_headers_are_refused(world: World) -> None:
    headers = [("Authorization", "Bearer person-tenanta"), ("Authorization", "Bearer person-tenantb")]
    assert (await world.http.post("/v1/search", headers=headers, json=SEARCH)).status_code == 401


@pytest.mark.parametrize(
    ("tenant_id", "problem"),
    [("sleeping", "tenant-suspended"), ("leaving", "tenant-suspended"), ("unknown", "no-tenant")],
)
async def test_a_tenant_out_of_service_is_refused_by_token_and_by_ticket(
    world: World, tenant_id: str, problem: str
) -> None:
    by_token = await world.post("/v1/search", as_=f"Bearer person-{tenant_id}", json=SEARCH)
    by_ticket = await world.post("/v1/documents", as_=ticket(world, tenant_id))
    for response in (by_token, by_ticket):
        assert response.status_code == 403
        assert response.json()["type"].endswith(f"/{problem}")


async def test_nobody_is_let_in_before_the_tenants_are_known(world: World) -> None:
    world.registry.synced = False
    for response in (
        await world.post("/v1/search", json=SEARCH),
        await world.post("/v1/documents", as_=ticket(world)),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"]


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers"])
async def test_a_ticket_opens_no_search(world: World, path: str) -> None:
    response = await world.post(path, as_=ticket(world), json={"query": "x"})
    assert response.status_code == 401


async def test_a_ticket_that_does_not_hold_is_refused(world: World) -> None:
    assert (await world.post("/v1/documents", as_="Ticket forged")).status_code == 401


async def test_a_ticket_of_an_earlier_tenant_of_the_name_opens_nothing(world: World) -> None:
    response = await world.post("/v1/documents", as_=ticket(world, uid="uid-an-earlier-one"))
    assert response.status_code == 401
    assert response.json()["type"].endswith("/ticket-refused")
    assert "earlier tenant of this name" in response.json()["detail"]
