"""Fixtures: real Redis, bucket and index, and any number of gateway replicas on them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.journal import Journal
from gateway.documents.repair import Repair
from gateway.documents.service import DocumentService, IngestedDocument
from gateway.documents.trash import Trash
from gateway.redis import TenantRedis
from gateway.timings import RequestTimings
from pydantic import SecretStr
from tenancy.identity import Principal
from tenancy.model import Tenant
from tenancy.names import derive_document_id

from tests.integration.gateway.conftest import IntegrationHarness
from tests.support.backends.qdrant import count_points
from tests.support.tenants.manifests import make_tenant

NAME = "tide-table.txt"


@pytest.fixture
def tenant() -> Tenant:
    """Return a Tenant without data, which no other gateway has in its registry."""
    return make_tenant(f"t-{uuid.uuid4().hex[:12]}")


@dataclass
class Replica:
    """Services of one gateway replica, on shared backends."""

    world: IntegrationHarness
    tenant: Tenant
    journal: Journal
    service: DocumentService = field(init=False)
    catalog: Catalog = field(init=False)
    trash: Trash = field(init=False)
    repair: Repair = field(init=False)

    def __post_init__(self) -> None:
        running = self.world.gateway.context
        documents, limits = running.documents, running.catalog
        backends = (documents._reader, documents._bedrock, documents._objects, documents._vectors)
        self.objects, self.vectors = documents._objects, documents._vectors
        self.service = DocumentService(
            *backends, documents._quota, documents._usage, self.journal, max_bytes=10_000_000
        )
        self.trash = Trash(
            running.trash._trash,
            self.objects,
            self.vectors,
            self.service,
            embedding=running.trash._embedding,
            retention=running.trash.retention,
        )
        self.catalog = Catalog(
            self.objects, self.vectors, limits._quota, self.journal, self.trash, running.deletions
        )
        self.repair = Repair(
            lambda: [self.tenant],
            self.journal,
            self.objects,
            self.vectors,
            self.service,
            self.catalog,
            self.trash,
        )

    @property
    def document_id(self) -> str:
        return derive_document_id(self.tenant.id, "finance", NAME)

    async def upload(self, text: str) -> IngestedDocument:
        return await self.service.upload(
            self.tenant, "finance", NAME, text.encode(), "anna", RequestTimings()
        )

    async def delete(self) -> None:
        person = Principal(self.tenant, "anna", "", admin=False)
        await self.catalog.remove(self.tenant, self.document_id, person=person)

    async def get_state(self) -> str:
        return (await self.catalog.get(self.tenant, self.document_id)).state.value

    async def get_content(self) -> bytes | None:
        """Return the document's content in the bucket."""
        entry = await self.objects.find(self.tenant, self.document_id)
        if entry is None:
            return None
        return (await self.objects.get(self.tenant, entry.key, max_bytes=10_000_000)).content

    async def list_found(self) -> list[str]:
        """Return the texts of the chunks that a search finds, in the order of the document."""
        (vector,) = await self.service._bedrock.embed(
            ["tide table of the estuary"], tenant_key=self.tenant.key
        )
        passages = await self.vectors.search(
            self.tenant, vector, sparse=None, persona_id=None, limit=50, threshold=0.0
        )
        return [passage.text for passage in sorted(passages, key=lambda passage: passage.chunk)]

    async def count_points(self) -> int:
        return await count_points(self.world.qdrant, self.tenant.key)


@dataclass
class Replicas:
    """Factory of replicas for one tenant, each with a separate Redis connection."""

    world: IntegrationHarness
    tenant: Tenant
    redis_url: str
    stack: AsyncExitStack

    def make(self, *, lease_seconds: float = 30.0, wait_seconds: float = 10.0) -> Replica:
        redis = TenantRedis(SecretStr(self.redis_url))
        self.stack.push_async_callback(redis.close)
        journal = Journal(redis, lease_seconds=lease_seconds, wait_seconds=wait_seconds)
        return Replica(self.world, self.tenant, journal)


@pytest.fixture
async def replicas(harness: IntegrationHarness, tenant: Tenant, redis_url: str) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        yield Replicas(harness, tenant, redis_url, stack)
