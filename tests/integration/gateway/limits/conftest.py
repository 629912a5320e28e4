"""The real Redis, seen as the gateway sees it and as it is; and a gateway whose Redis can be cut off."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from gateway.models import Chunk, Document
from gateway.redis import TenantRedis
from pydantic import SecretStr
from redis.asyncio import Redis
from tenancy.model import Tenant
from tenantry_local.parts.redis import Redis as RedisPart
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.index_writes import publish
from tests.support.people import open_people
from tests.support.proxy import Proxy
from tests.support.qdrant import make_collection, open_qdrant
from tests.support.tenants import ANEW, applied, make_tenant, tenant_manifest
from tests.support.waiting import until

A, B = "limits-a", "limits-b"


def new_tenant(**quota: Any) -> Tenant:
    """Return a Tenant that nobody has counted anything for."""
    return make_tenant(f"t-{uuid.uuid4().hex[:12]}", quota=quota)


@pytest.fixture(scope="session")
def redis_url(platform: Platform) -> str:
    return RedisPart(platform.context).url_with_password


@pytest.fixture(scope="session")
async def redis(redis_url: str) -> AsyncIterator[TenantRedis]:
    adapter = TenantRedis(SecretStr(redis_url))
    yield adapter
    await adapter.close()


@pytest.fixture(scope="session")
async def raw(redis_url: str) -> AsyncIterator[Any]:
    """Redis itself, for looking and for meddling."""
    async with Redis.from_url(redis_url, decode_responses=True, protocol=2) as client:
        yield client


@dataclass
class World:
    """A gateway with two tenants, and people of both; the way to Redis can be cut."""

    gateway: RunningGateway
    tenants: Tenants
    proxy: Proxy
    raw: Any
    tokens: dict[str, str]

    async def get(self, path: str, who: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.get(path, headers=self._headers(who), **arguments)

    async def post(self, path: str, who: str, **arguments: Any) -> httpx.Response:
        return await self.gateway.http.post(path, headers=self._headers(who), **arguments)

    async def search(self, who: str = f"person of {A}") -> httpx.Response:
        return await self.post("/v1/search", who, json={"query": "ferry"})

    async def answer(self, who: str = f"person of {A}") -> httpx.Response:
        return await self.post("/v1/answers", who, json={"question": "When does the ferry leave?"})

    def uid(self, tenant_id: str) -> str:
        """Return the uid of a Tenant."""
        tenant = self.gateway.context.registry.get(tenant_id)
        assert tenant
        return tenant.uid

    async def store(self, tenant_id: str, text: str) -> None:
        """Let a tenant have a document, without the way on which documents come in."""
        tenant = self.gateway.context.registry.get(tenant_id)
        assert tenant
        retrieval = self.gateway.context.retrieval
        vectors = await retrieval._bedrock.embed([text])
        document = Document("finance", "ferry", "ferry.txt", "0", datetime.now(UTC))
        await publish(retrieval._vectors, tenant, document, [Chunk(text)], vectors)

    async def limit(self, tenant_id: str = A, **quota: int) -> None:
        """Change a Tenant's quota and wait until the gateway has seen it."""
        changed = self.tenants.patch(tenant_id, {"spec": {"quota": quota}})
        generation = changed["metadata"]["generation"]

        def seen() -> bool:
            tenant = self.gateway.context.registry.get(tenant_id)
            return tenant is not None and tenant.metadata.generation >= generation

        await until(seen)

    async def forget(self) -> None:
        """Let nobody have used anything."""
        for tenant_id in (A, B):
            async for key in self.raw.scan_iter(match=f"tenant-{tenant_id}:*"):
                await self.raw.delete(key)

    async def mend(self) -> None:
        """Let Redis be back, and wait until the gateway has noticed."""
        self.proxy.mend()
        await until(self._counts, seconds=30)

    async def _counts(self) -> bool:
        return "ratelimit" in (await self.search()).headers

    def _headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}


@pytest.fixture(scope="session")
async def limits_world(platform: Platform, redis_url: str, raw: Any) -> AsyncIterator[World]:
    manifests = [
        tenant_manifest(
            tenant_id,
            identity={"emails": [f"*@{tenant_id}.example"], "admins": [f"boss@{tenant_id}.example"]},
            model=ANEW,
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
        with applied(platform, *manifests) as tenants:
            for tenant_id in (A, B):
                for kind, name in (("person", "anna"), ("admin", "boss")):
                    email = f"{name}@{tenant_id}.example"
                    await people.add(email)
                    tokens[f"{kind} of {tenant_id}"] = await people.token(email)
            url = SecretStr(redis_url.replace(str(port), str(proxy.port)))
            async with running_gateway(platform, redis_url=url) as gateway:
                await until(lambda: all(gateway.context.registry.get(tenant_id) for tenant_id in (A, B)))
                world = World(gateway, tenants, proxy, raw, tokens)
                for tenant_id in (A, B):
                    await world.store(tenant_id, "The ferry leaves at nine.")
                yield world


@pytest.fixture
async def world(limits_world: World) -> AsyncIterator[World]:
    """The gateway as if it had just been started: nothing used, the quotas as they are by default."""
    await limits_world.forget()
    yield limits_world
    for tenant_id in (A, B):
        await limits_world.limit(tenant_id, queriesPerMinute=60, tokensPerMonth=5_000_000)
    await limits_world.mend()
    await limits_world.gateway.context.usage.flush()
