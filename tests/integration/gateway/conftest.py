"""Fixtures for integration tests: a gateway on real backends, a tenant with a user, and Redis."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from gateway.redis import TenantRedis
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis
from tenancy.model import Tenant
from tenancy.tickets import Ticket, TicketIssuer
from tenantry_local.parts.redis import Redis as RedisPart
from tenantry_local.platform import Platform
from tenantry_local.tickets import ensure_private_key

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import PLENTY, UNCACHED, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

TENANT = "gw-main"
PERSON = "anna@gw-main.example"


@dataclass
class IntegrationHarness:
    """A running gateway, its backends, and a user's token."""

    platform: Platform
    gateway: RunningGateway
    tenants: Tenants
    qdrant: AsyncQdrantClient
    token: str

    @property
    def tenant(self) -> Tenant:
        """The Tenant as the gateway observes it."""
        tenant = self.gateway.context.registry.get(TENANT)
        assert tenant
        return tenant

    async def post(self, path: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.post(
            path, headers={"Authorization": f"Bearer {self.token}"}, **arguments
        )

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.get(
            path, headers={"Authorization": f"Bearer {self.token}"}, **arguments
        )

    async def delete(self, path: str) -> httpx.Response:
        return await self.gateway.http.delete(path, headers={"Authorization": f"Bearer {self.token}"})

    async def upload(self, name: str, content: bytes, persona: str = "finance") -> httpx.Response:
        return await self.post("/v1/documents", files={"file": (name, content)}, data={"personaId": persona})

    async def redeem(self, ticket: Ticket) -> httpx.Response:
        token = make_ticket_issuer(self.platform).issue(ticket)
        return await self.gateway.http.post("/v1/documents", headers={"Authorization": f"Ticket {token}"})

    async def search(self, query: str, **body: Any) -> list[dict[str, Any]]:
        response = await self.post("/v1/search", json={"query": query, **body})
        assert response.status_code == 200, response.text
        passages: list[dict[str, Any]] = response.json()["passages"]
        return passages

    async def patch(self, spec: dict[str, Any]) -> None:
        """Change the Tenant and wait until the gateway has observed it."""
        changed = self.tenants.patch(TENANT, {"spec": spec})
        generation = changed["metadata"]["generation"]

        def is_observed() -> bool:
            tenant = self.gateway.context.registry.get(TENANT)
            return tenant is not None and tenant.metadata.generation >= generation

        await wait_until(is_observed)


def make_ticket_issuer(platform: Platform) -> TicketIssuer:
    """Return the issuer whose tickets the platform's services trust."""
    return TicketIssuer(json.loads(ensure_private_key(platform.context.state).read_text()))


@pytest.fixture(scope="session")
async def harness(platform: Platform) -> AsyncIterator[IntegrationHarness]:
    identity = {"emails": ["*@gw-main.example"]}
    manifest = make_tenant_manifest(TENANT, identity=identity, quota=PLENTY, model=UNCACHED)
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        await people.add(PERSON)
        with apply_tenants(platform, manifest) as tenants:
            async with run_gateway(platform) as gateway:
                await wait_until(lambda: gateway.context.registry.get(TENANT) is not None)
                yield IntegrationHarness(platform, gateway, tenants, qdrant, await people.fetch_token(PERSON))


@pytest.fixture(scope="session")
def redis_url(platform: Platform) -> str:
    return RedisPart(platform.context).url_with_password


@pytest.fixture(scope="session")
async def redis(redis_url: str) -> AsyncIterator[TenantRedis]:
    adapter = TenantRedis(SecretStr(redis_url))
    yield adapter
    await adapter.close()


@pytest.fixture(scope="session")
async def redis_client(redis_url: str) -> AsyncIterator[Any]:
    """Direct client of Redis, to read and change keys."""
    async with Redis.from_url(redis_url, decode_responses=True, protocol=2) as client:
        yield client
