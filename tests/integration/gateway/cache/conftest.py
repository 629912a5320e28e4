"""Fixtures for tests of the answer cache: Redis, and a gateway behind a proxy to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tenancy.model import Tenant
from tenancy.tickets import Ticket
from tenantry_local.platform import Platform

from tests.integration.gateway.conftest import make_ticket_issuer
from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import People, open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.faults.proxy import Proxy
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_storage_status, make_tenant_manifest
from tests.support.timing.waiting import wait_until

TENANT = "cached"
PERSON = f"anna@{TENANT}.example"
MANIFEST = make_tenant_manifest(
    TENANT, identity={"emails": [f"*@{TENANT}.example"], "admins": [PERSON]}, quota=PLENTY
)
QUESTION = "Where is the key to the boathouse?"


@dataclass
class CacheHarness:
    """A gateway with one tenant and a user; the proxy can cut the connection to Redis."""

    platform: Platform
    gateway: RunningGateway
    tenants: Tenants
    proxy: Proxy
    redis_client: Any
    people: People
    token: str

    @property
    def tenant(self) -> Tenant:
        tenant = self.gateway.context.registry.get(TENANT)
        assert tenant
        return tenant

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        return await self.gateway.http.request(method, path, headers=headers, **arguments)

    async def upload(self, text: str, name: str = "keys.md") -> httpx.Response:
        return await self.request(
            "POST",
            "/v1/documents",
            files={"file": (name, text.encode())},
            data={"personaId": "finance"},
        )

    async def redeem(self, ticket: Ticket) -> httpx.Response:
        issuer = make_ticket_issuer(self.platform)
        return await self.request(
            "POST", "/v1/documents", headers={"Authorization": f"Ticket {issuer.issue(ticket)}"}
        )

    async def ask(self, question: str = QUESTION) -> tuple[str, str]:
        """Return the cache outcome and the answer."""
        response = await self.request("POST", "/v1/answers", json={"question": question})
        assert response.status_code == 200, response.text
        name, _, outcome = response.headers["cache-status"].partition("; ")
        assert name == "tenantry-answers"
        assert response.json()["cached"] is (outcome == "hit")
        return outcome, response.json()["answer"]

    async def recreate_tenant(self) -> None:
        """Recreate the Tenant under its name and get a new token."""
        self.tenants.delete(TENANT)
        await wait_until(lambda: self.gateway.context.registry.get(TENANT) is None)
        uid = self.tenants.create(MANIFEST)["metadata"]["uid"]
        self.tenants.patch_status(TENANT, {"status": {"storage": make_storage_status(TENANT, uid)}})

        def is_prepared() -> bool:
            tenant = self.gateway.context.registry.get(TENANT)
            return bool(tenant and tenant.status.storage)

        await wait_until(is_prepared)
        self.token = await self.people.fetch_token(PERSON)

    async def patch(self, spec: dict[str, Any]) -> None:
        """Change the Tenant and wait until the gateway has observed it."""
        generation = self.tenants.patch(TENANT, {"spec": spec})["metadata"]["generation"]
        await wait_until(lambda: self.tenant.metadata.generation >= generation)


@pytest.fixture(scope="session")
async def cache_harness(platform: Platform, redis_url: str, redis_client: Any) -> AsyncIterator[CacheHarness]:
    port = platform.context.ports["redis"]
    async with open_people(platform) as people, open_qdrant(platform) as qdrant, Proxy(port) as proxy:
        await make_collection(qdrant)
        await people.add(PERSON)
        with apply_tenants(platform, MANIFEST) as tenants:
            url = SecretStr(redis_url.replace(str(port), str(proxy.port)))
            async with run_gateway(platform, redis_url=url) as gateway:
                await wait_until(lambda: gateway.context.registry.get(TENANT) is not None)
                yield CacheHarness(
                    platform, gateway, tenants, proxy, redis_client, people, await people.fetch_token(PERSON)
                )


@pytest.fixture
async def harness(cache_harness: CacheHarness) -> AsyncIterator[CacheHarness]:
    """The tenant with one document and without keys in Redis."""
    await cache_harness.gateway.context.usage.flush()
    async for key in cache_harness.redis_client.scan_iter(match=f"tenant-{TENANT}:*"):
        await cache_harness.redis_client.delete(key)
    listed = (await cache_harness.request("GET", "/v1/documents")).json()["documents"]
    for document in listed:
        await cache_harness.request("DELETE", f"/v1/documents/{document['documentId']}")
    assert (await cache_harness.upload("The key to the boathouse hangs behind the piano.")).status_code == 201
    yield cache_harness
    cache_harness.proxy.restore()
