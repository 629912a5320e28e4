"""Tests of gateways of two classes on the same systems: each serves the Tenants of its class only."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tenancy.tickets import Ticket, TicketAction

from tests.support.backends.keycloak_users import open_people
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import IntegrationHarness, make_ticket_issuer

STAGING = "gw-staging"
PERSON = f"anna@{STAGING}.example"


@pytest.fixture(scope="module")
async def staging(harness: IntegrationHarness) -> AsyncIterator[tuple[RunningGateway, str, str]]:
    """A gateway of the class ``staging``, with the token of a person and the uid of its Tenant."""
    manifest = make_tenant_manifest(
        STAGING, tenantClass="staging", identity={"emails": [f"*@{STAGING}.example"]}, quota=PLENTY
    )
    async with open_people(harness.platform) as people:
        await people.add(PERSON)
        with apply_tenants(harness.platform, manifest) as tenants:
            async with run_gateway(harness.platform, tenant_class="staging") as gateway:
                await wait_until(lambda: gateway.context.registry.get(STAGING) is not None)
                tenant = tenants.get(STAGING)
                assert tenant
                yield gateway, await people.fetch_token(PERSON), tenant["metadata"]["uid"]


async def search(gateway: RunningGateway, authorization: str) -> httpx.Response:
    headers = {"Authorization": authorization}
    return await gateway.http.post("/v1/search", json={"query": "ferry"}, headers=headers)


async def test_a_gateway_serves_the_people_of_its_class_and_refuses_others(
    harness: IntegrationHarness, staging: tuple[RunningGateway, str, str]
) -> None:
    gateway, token, _ = staging
    assert (await search(gateway, f"Bearer {token}")).status_code == 200
    assert (await search(harness.gateway, f"Bearer {harness.token}")).status_code == 200
    for other, others_token in ((harness.gateway, token), (gateway, harness.token)):
        response = await search(other, f"Bearer {others_token}")
        assert (response.status_code, response.json()["type"].rpartition("/")[2]) == (403, "no-tenant")


async def test_a_gateway_refuses_tickets_of_another_class(
    harness: IntegrationHarness, staging: tuple[RunningGateway, str, str]
) -> None:
    gateway, _, uid = staging
    ticket = make_ticket_issuer(harness.platform).issue(Ticket(STAGING, uid, action=TicketAction.LIST))
    headers = {"Authorization": f"Ticket {ticket}"}
    assert (await gateway.http.get("/v1/documents", headers=headers)).status_code == 200
    refused = await harness.gateway.http.get("/v1/documents", headers=headers)
    assert refused.status_code == 403


async def test_a_gateway_knows_no_tenant_of_another_class(
    harness: IntegrationHarness, staging: tuple[RunningGateway, str, str]
) -> None:
    gateway, _, _ = staging
    assert {tenant.id for tenant in gateway.context.registry.list_tenants()} == {STAGING}
    assert harness.gateway.context.registry.get(STAGING) is None
