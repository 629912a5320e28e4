"""Fixtures for tests of limits: Redis, and a gateway behind a proxy to it."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from gateway.models import Chunk, Document
from pydantic import SecretStr
from tenancy.model import Tenant
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.documents.index_writes import publish
from tests.support.faults.proxy import Proxy
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import UNCACHED, apply_tenants, make_tenant, make_tenant_manifest
from tests.support.timing.waiting import wait_until

A, B = "limits-a", "limits-b"


def make_new_tenant(**quota: Any) -> Tenant:
    """Return a Tenant without any counters."""
    return make_tenant(f"t-{uuid.uuid4().hex[:12]}", quota=quota)


@dataclass
class LimitsHarness:
    """A gateway with two tenants and users of both; the proxy can cut the connection to Redis."""

    gateway: RunningGateway
    tenants: Tenants
    proxy: Proxy
    redis_client: Any
    tokens: dict[str, str]

    async def get(self, path: str, caller: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.get(path, headers=self._build_headers(caller), **arguments)

    async def post(self, path: str, caller: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.post(path, headers=self._build_headers(caller), **arguments)

    async def search(self, caller: str = f"person of {A}") -> httpx.Response:
        return await self.post("/v1/search", caller, json={"query": "ferry"})

    async def answer(self, caller: str = f"person of {A}") -> httpx.Response:
        return await self.post("/v1/answers", caller, json={"question": "When does the ferry leave?"})

    def get_uid(self, tenant_id: str) -> str:
        """Return the uid of a Tenant."""
        tenant = self.gateway.context.registry.get(tenant_id)
        assert tenant
        return tenant.uid

    async def index_document(self, tenant_id: str, text: str) -> None:
        """Index a document of a tenant without an upload."""
        tenant = self.gateway.context.registry.get(tenant_id)
        assert tenant
        retrieval = self.gateway.context.retrieval
        vectors = await retrieval._bedrock.embed([text], tenant_key=tenant.key)
        document = Document("finance", "ferry", "ferry.txt", "0", datetime.now(UTC))
        await publish(retrieval._vectors, tenant, document, [Chunk(text)], vectors)

    async def set_quota(self, tenant_id: str = A, **quota: int) -> None:
        """Change a Tenant's quota and wait until the gateway has observed it."""
        changed = self.tenants.patch(tenant_id, {"spec": {"quota": quota}})
        generation = changed["metadata"]["generation"]

        def is_observed() -> bool:
            tenant = self.gateway.context.registry.get(tenant_id)
            return tenant is not None and tenant.metadata.generation >= generation

        await wait_until(is_observed)

    async def clear_redis(self) -> None:
        """Delete all counters of both tenants."""
        for tenant_id in (A, B):
            async for key in self.redis_client.scan_iter(match=f"tenant-{tenant_id}:*"):
                await self.redis_client.delete(key)

    async def restore_redis(self) -> None:
        """Restore the connection to Redis and wait until the gateway uses it."""
        self.proxy.restore()
        await wait_until(self._is_counting, seconds=30)

    async def _is_counting(self) -> bool:
        return "ratelimit" in (await self.search()).headers

    def _build_headers(self, caller: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[caller]}"}


@pytest.fixture(scope="session")
async def limits_harness(
    platform: Platform, redis_url: str, redis_client: Any
) -> AsyncIterator[LimitsHarness]:
    manifests = [
        make_tenant_manifest(
            tenant_id,
            identity={"emails": [f"*@{tenant_id}.example"], "admins": [f"boss@{tenant_id}.example"]},
            model=UNCACHED,
        )
        for tenant_id in (A, B)
    ]
    port = platform.context.ports["redis"]
    tokens = {}
    async with (
        open_people(platform) as people,
        open_qdrant(platform) as qdrant,
        Proxy(port) as proxy,
    ):
        await make_collection(qdrant)
        with apply_tenants(platform, *manifests) as tenants:
            for tenant_id in (A, B):
                for kind, name in (("person", "anna"), ("admin", "boss")):
                    email = f"{name}@{tenant_id}.example"
                    await people.add(email)
                    tokens[f"{kind} of {tenant_id}"] = await people.fetch_token(email)
            url = SecretStr(redis_url.replace(str(port), str(proxy.port)))
            async with run_gateway(platform, redis_url=url) as gateway:
                await wait_until(lambda: all(gateway.context.registry.get(tenant_id) for tenant_id in (A, B)))
                harness = LimitsHarness(gateway, tenants, proxy, redis_client, tokens)
                for tenant_id in (A, B):
                    await harness.index_document(tenant_id, "The ferry leaves at nine.")
                yield harness


@pytest.fixture
async def harness(limits_harness: LimitsHarness) -> AsyncIterator[LimitsHarness]:
    """The gateway without any counters and with the default quotas."""
    await limits_harness.clear_redis()
    yield limits_harness
    for tenant_id in (A, B):
        await limits_harness.set_quota(tenant_id, queriesPerMinute=60, tokensPerMonth=5_000_000)
    await limits_harness.restore_redis()
    await limits_harness.gateway.context.usage.flush()
