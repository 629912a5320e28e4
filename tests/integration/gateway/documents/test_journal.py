"""Tests of the document journal with a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from gateway.documents.intents import IngestFailure, IngestProgress, Intent, IntentKind
from gateway.documents.journal import Journal, WriteLease
from gateway.leases import LEASE_TTL_SECONDS
from gateway.objects import ObjectVersion
from gateway.problems import DocumentBusy, WritesUnavailable
from gateway.redis import TenantRedis
from pydantic import SecretStr
from tenancy.model import Tenant
from tenancy.names import build_failures_key, build_ingests_key, build_tombstone_key
from tenancy.tombstones import SET_TOMBSTONE
from tenantry_local.platform import Platform

from tests.support.fakes.backends import STORED_AT
from tests.support.faults.proxy import Proxy
from tests.support.tenants.manifests import make_tenant
from tests.support.timing.waiting import wait_until

INGEST = Intent(IntentKind.INGEST)
FAILURE = IngestFailure("e1", "https://tenantry.io/problems/document-empty", "No text", "It holds no text.")


@pytest.fixture
def journal(redis: TenantRedis) -> Journal:
    return Journal(redis, wait_seconds=0.0)


@asynccontextmanager
async def abandon_lease(
    redis: TenantRedis, tenant: Tenant, intent: Intent | None
) -> AsyncIterator[WriteLease]:
    """Leave a lease of 50 ms and its intent, as a gateway that dies does."""
    journal = Journal(redis, lease_seconds=0.05)
    lease = await journal._acquire_lease(tenant, "d1", repairing=False)
    if intent:
        await lease.begin(intent)
    yield lease


async def interrupt_write(journal: Journal, tenant: Tenant, intent: Intent) -> None:
    """Begin a write and fail."""
    with suppress(RuntimeError):
        async with journal.acquire(tenant, "d1") as lease:
            await lease.begin(intent)
            raise RuntimeError("a backend is unavailable")


async def list_due(journal: Journal, tenant: Tenant) -> list[str]:
    """Return the ids of the tenant's documents whose repair is due."""
    return [document_id for due in await journal.list_due([tenant]) for document_id in due.document_ids]


async def get_entry(redis_client: Any, tenant: Tenant) -> dict[str, Any]:
    """Return the journal's entry of the document."""
    entry: dict[str, Any] = json.loads(
        await redis_client.hget(build_ingests_key(tenant.id, tenant.uid), "d1")
    )
    return entry


async def set_tombstone(redis_client: Any, tenant: Tenant) -> int:
    """Set the tombstone, as the operator does; return the milliseconds until the last lease expires."""
    keys = [build_tombstone_key(tenant.id, tenant.uid), build_ingests_key(tenant.id, tenant.uid)]
    remaining: int = await redis_client.eval(SET_TOMBSTONE, len(keys), *keys, 60)
    return remaining


async def test_one_writer_holds_a_document_and_other_documents_are_free(
    journal: Journal, tenant: Tenant
) -> None:
    async with journal.acquire(tenant, "d1"):
        with pytest.raises(DocumentBusy) as busy:
            async with journal.acquire(tenant, "d1"):
                pass
        assert busy.value.retry_after > 0
        async with journal.acquire(tenant, "d2"), journal.acquire(make_tenant("t-other"), "d1"):
            pass
    async with journal.acquire(tenant, "d1"):
        pass


async def test_waiting_writers_get_the_lease_one_after_the_other(redis: TenantRedis, tenant: Tenant) -> None:
    holders, most = 0, 0

    async def acquire_and_count() -> None:
        nonlocal holders, most
        async with Journal(redis).acquire(tenant, "d1"):
            holders += 1
            most = max(most, holders)
            await asyncio.sleep(0.01)
            holders -= 1

    await asyncio.gather(*(acquire_and_count() for _ in range(8)))
    assert most == 1


async def test_a_lease_is_renewed_while_its_holder_works(
    redis: TenantRedis, journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    async with Journal(redis, lease_seconds=6.0).acquire(tenant, "d1"):
        first = (await get_entry(redis_client, tenant))["expires"]

        async def is_renewed_twice() -> bool:
            return bool((await get_entry(redis_client, tenant))["expires"] > first + 1500)

        await wait_until(is_renewed_twice, seconds=60)
        with pytest.raises(DocumentBusy):
            async with journal.acquire(tenant, "d1"):
                pass


async def test_the_lease_of_a_dead_holder_expires(redis: TenantRedis, tenant: Tenant) -> None:
    async with abandon_lease(redis, tenant, INGEST), Journal(redis).acquire(tenant, "d1") as lease:
        assert lease.intent == INGEST, "the next writer gets the intent"


async def test_a_holder_that_lost_its_lease_changes_nothing(redis: TenantRedis, tenant: Tenant) -> None:
    async with abandon_lease(redis, tenant, INGEST) as late, Journal(redis).acquire(tenant, "d1") as lease:
        await lease.begin(Intent(IntentKind.DELETE))
        with pytest.raises(WritesUnavailable):
            await late.begin(INGEST)
        await late.commit(FAILURE)
        await late.release()
        assert not await late.renew()
        assert await lease.renew()
        assert (await Journal(redis).get_progress(tenant, ["d1"]))["d1"] == IngestProgress()


async def test_a_write_without_a_change_leaves_no_entry(
    journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    async with journal.acquire(tenant, "d1"):
        pass
    assert not await redis_client.exists(build_ingests_key(tenant.id, tenant.uid))


async def test_a_failed_write_is_due_for_repair_after_a_growing_delay(
    journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    for attempts, seconds in enumerate((15, 60, 240, 960, 3840, 3840)):
        before, _ = await redis_client.time()
        await interrupt_write(journal, tenant, Intent(IntentKind.INGEST, attempts=attempts))
        assert await list_due(journal, tenant) == []
        with pytest.raises(DocumentBusy):
            async with journal.acquire(tenant, "d1", repairing=True):
                pass
        after, _ = await redis_client.time()
        due = (await get_entry(redis_client, tenant))["due"] / 1000
        assert before + seconds <= due <= after + 1 + seconds


async def test_a_write_that_did_not_begin_does_not_delay_the_repair(
    redis: TenantRedis, tenant: Tenant
) -> None:
    async with abandon_lease(redis, tenant, INGEST):
        journal = Journal(redis)
        async with journal.acquire(tenant, "d1"):
            assert await list_due(journal, tenant) == []
        assert await list_due(journal, tenant) == ["d1"]


async def test_an_interrupted_write_is_due_when_its_lease_has_expired(
    redis: TenantRedis, journal: Journal, tenant: Tenant
) -> None:
    intent = Intent(IntentKind.DELETE, ObjectVersion(STORED_AT, '"e1"'), attempts=2)
    async with abandon_lease(redis, tenant, intent):

        async def is_due() -> bool:
            return await list_due(journal, tenant) == ["d1"]

        await wait_until(is_due)
        async with journal.acquire(tenant, "d1", repairing=True) as lease:
            assert lease.intent == intent
            assert await list_due(journal, tenant) == [], "another gateway repairs it"


async def test_the_deletion_of_a_tenant_waits_for_a_running_write(
    journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    async with journal.acquire(tenant, "d1"):
        assert 0 < await set_tombstone(redis_client, tenant) <= LEASE_TTL_SECONDS * 1000


async def test_the_deletion_of_a_tenant_waits_for_the_lease_of_an_interrupted_write(
    journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    await interrupt_write(journal, tenant, INGEST)
    assert (await get_entry(redis_client, tenant))["token"] == "", "no writer holds the lease"
    assert await set_tombstone(redis_client, tenant) > 0


async def test_the_deletion_of_a_tenant_does_not_wait_for_an_expired_or_committed_write(
    redis: TenantRedis, journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    async with abandon_lease(redis, tenant, INGEST):
        await asyncio.sleep(0.1)
    async with journal.acquire(tenant, "d2") as lease:
        await lease.begin(INGEST)
        await lease.commit()
    assert await set_tombstone(redis_client, tenant) == 0


async def test_only_one_of_many_replicas_repairs_a_document(
    redis: TenantRedis, journal: Journal, tenant: Tenant
) -> None:
    repaired = 0

    async def repair() -> None:
        nonlocal repaired
        try:
            async with Journal(redis).acquire(tenant, "d1", repairing=True) as lease:
                await lease.begin(INGEST)
                repaired += 1
        except DocumentBusy:
            pass

    async def is_due() -> bool:
        return await list_due(journal, tenant) == ["d1"]

    async with abandon_lease(redis, tenant, INGEST):
        await wait_until(is_due)
        await asyncio.gather(*(repair() for _ in range(10)))
    assert repaired == 1


async def test_a_failure_is_kept_until_a_success_or_a_delete(journal: Journal, tenant: Tenant) -> None:
    async with journal.acquire(tenant, "d1") as lease:
        await lease.begin(INGEST)
        assert (await journal.get_progress(tenant, ["d1"]))["d1"] == IngestProgress(indexing=True)
        await lease.commit(FAILURE)
    assert await journal.get_progress(tenant, ["d1", "d2"]) == {
        "d1": IngestProgress(failure=FAILURE),
        "d2": IngestProgress(),
    }
    with pytest.raises(RuntimeError):
        async with journal.acquire(tenant, "d1"):
            raise RuntimeError("refused before anything was stored")
    assert (await journal.get_progress(tenant, ["d1"]))["d1"].failure == FAILURE
    async with journal.acquire(tenant, "d1") as lease:
        await lease.commit()
    assert (await journal.get_progress(tenant, ["d1"]))["d1"] == IngestProgress()


async def test_a_deletion_and_a_dead_ingest_are_not_shown_as_indexing(
    redis: TenantRedis, journal: Journal, tenant: Tenant
) -> None:
    async with journal.acquire(tenant, "d2") as lease:
        await lease.begin(Intent(IntentKind.DELETE))
        assert (await journal.get_progress(tenant, ["d2"]))["d2"] == IngestProgress()
    async with abandon_lease(redis, tenant, INGEST):
        await asyncio.sleep(0.1)  # longer than the lease
        assert (await journal.get_progress(tenant, ["d1"]))["d1"] == IngestProgress()


async def test_tenants_never_see_each_others_entries(journal: Journal, tenant: Tenant) -> None:
    other = make_tenant(f"{tenant.id}-x")
    async with journal.acquire(tenant, "d1") as lease:
        await lease.begin(INGEST)
        await lease.commit(FAILURE)
    await interrupt_write(journal, tenant, INGEST)
    assert await journal.get_progress(other, ["d1"]) == {"d1": IngestProgress()}
    assert [due.tenant.id for due in await journal.list_due([other, tenant])] == [tenant.id]


async def test_entries_expire_ninety_days_after_the_last_change(
    journal: Journal, tenant: Tenant, redis_client: Any
) -> None:
    async with journal.acquire(tenant, "d1") as lease:
        await lease.commit(FAILURE)
    await interrupt_write(journal, tenant, INGEST)
    for key in (build_ingests_key(tenant.id, tenant.uid), build_failures_key(tenant.id, tenant.uid)):
        assert 89 < await redis_client.ttl(key) / 86400 <= 90


async def test_without_redis_no_write_begins_and_no_status_is_known(
    platform: Platform, redis_url: str, tenant: Tenant
) -> None:
    port = platform.context.ports["redis"]
    async with Proxy(port) as proxy:
        redis = TenantRedis(SecretStr(redis_url.replace(str(port), str(proxy.port))))
        journal = Journal(redis, lease_seconds=1.0)

        async def write_until_cancelled() -> None:
            async with journal.acquire(tenant, "d1") as lease:
                await lease.begin(INGEST)
                proxy.cut()
                with pytest.raises(WritesUnavailable):
                    await lease.begin(INGEST)
                await lease.commit()
                await asyncio.Event().wait()

        with pytest.raises(WritesUnavailable):
            await write_until_cancelled()
        with pytest.raises(WritesUnavailable):
            async with journal.acquire(tenant, "d1"):
                pass
        assert await journal.get_progress(tenant, ["d1"]) == {}
        proxy.restore()
        await redis.close()
