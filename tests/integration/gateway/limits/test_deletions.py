"""Tests of the deletion limit on a real Redis."""

import asyncio
from datetime import UTC, datetime

import pytest
from gateway.documents import deletions
from gateway.documents.deletions import MASS_DELETE_LIMIT, DeletionLimit
from gateway.objects import ObjectVersion, StoredEntry
from gateway.problems import DeletionsHeld
from gateway.redis import TenantRedis
from tenancy.model import Tenant

from .conftest import make_new_tenant


@pytest.fixture
def tenant() -> Tenant:
    return make_new_tenant()


def make_entry(document_id: str) -> StoredEntry:
    version = ObjectVersion(datetime(2026, 11, 29, tzinfo=UTC), "e")
    return StoredEntry(
        f"tenant-x/finance/documents/{document_id}/a.md", "finance", document_id, "a.md", 5, version
    )


class TenantDocuments:
    """A tenant with a number of documents."""

    def __init__(self, redis: TenantRedis, tenant: Tenant, count: int) -> None:
        self.limit = DeletionLimit(redis)
        self.tenant = tenant
        self.count = count

    async def delete(self, document_id: str, *, batch: int = 1) -> bool:
        """Delete a document; return True if the limit admitted the deletion."""

        async def count() -> int:
            return self.count

        try:
            await self.limit.admit(
                self.tenant, make_entry(document_id), "anna", batch=batch, count_stored=count
            )
        except DeletionsHeld:
            return False
        self.count -= 1
        return True

    async def delete_all(self, count: int) -> int:
        """Delete some documents; return the number of admitted deletions."""
        return sum([await self.delete(f"d{number}") for number in range(count)])

    async def list_held(self) -> set[str]:
        return {deletion.document_id for deletion in await self.limit.list_held(self.tenant)}


async def test_a_few_deletions_are_never_held(redis: TenantRedis, tenant: Tenant) -> None:
    documents = TenantDocuments(redis, tenant, count=MASS_DELETE_LIMIT)
    assert await documents.delete_all(MASS_DELETE_LIMIT) == MASS_DELETE_LIMIT
    assert not await documents.list_held()


@pytest.mark.parametrize(("count", "limit"), [(21, 20), (100, 20), (105, 21), (1000, 200)])
async def test_more_than_a_fifth_of_a_tenants_documents_is_held(
    redis: TenantRedis, tenant: Tenant, count: int, limit: int
) -> None:
    documents = TenantDocuments(redis, tenant, count)
    assert await documents.delete_all(limit + 3) == limit
    assert await documents.list_held() == {f"d{number}" for number in range(limit, limit + 3)}


async def test_concurrent_deletions_do_not_exceed_the_limit(redis: TenantRedis, tenant: Tenant) -> None:
    documents = TenantDocuments(redis, tenant, count=30)
    documents.count = 30
    admitted = await asyncio.gather(*(documents.delete(f"d{number}") for number in range(30)))
    assert sum(admitted) == MASS_DELETE_LIMIT


async def test_a_batch_beyond_the_limit_is_held_as_a_whole(redis: TenantRedis, tenant: Tenant) -> None:
    documents = TenantDocuments(redis, tenant, count=50)
    assert not await documents.delete("d0", batch=21)
    assert await documents.delete("d0", batch=20)


async def test_the_same_document_counts_once(redis: TenantRedis, tenant: Tenant) -> None:
    documents = TenantDocuments(redis, tenant, count=50)
    for _ in range(30):
        assert await documents.delete("d0")


async def test_deletions_are_admitted_again_after_the_window(
    redis: TenantRedis, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "_to_milliseconds", lambda time: 300)
    documents = TenantDocuments(redis, tenant, count=30)
    assert await documents.delete_all(21) == MASS_DELETE_LIMIT
    await asyncio.sleep(0.4)
    assert await documents.delete("d20")
    assert not await documents.list_held()


async def test_after_a_release_deletions_are_admitted_for_a_while(redis: TenantRedis, tenant: Tenant) -> None:
    documents = TenantDocuments(redis, tenant, count=30)
    await documents.delete_all(25)
    assert (await documents.limit.release(tenant) - datetime.now(UTC)).total_seconds() > 3500
    assert not await documents.list_held()
    assert await documents.delete_all(30) == 30


async def test_one_tenants_deletions_do_not_count_for_another(redis: TenantRedis, tenant: Tenant) -> None:
    await TenantDocuments(redis, tenant, count=30).delete_all(25)
    documents = TenantDocuments(redis, make_new_tenant(), count=30)
    assert await documents.delete("d0")
    assert not await documents.list_held()
