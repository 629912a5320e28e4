"""Leases, notes and failures in the real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from gateway.documents.intents import DocumentStatus, Failure, Intent, IntentKind
from gateway.documents.journal import Journal, Lease
from gateway.objects import ObjectVersion
from gateway.problems import DocumentBusy, WritesUnavailable
from gateway.redis import TenantRedis
from pydantic import SecretStr
from tenancy.model import Tenant
from tenancy.names import failures_key, ingests_key
from tenantry_local.platform import Platform

from tests.support.backends import STORED_AT
from tests.support.proxy import Proxy
from tests.support.tenants import make_tenant
from tests.support.waiting import until

INGEST = Intent(IntentKind.INGEST)
FAILURE = Failure("e1", "https://tenantry.io/problems/document-empty", "No text", "It holds no text.")


@pytest.fixture
def journal(redis: TenantRedis) -> Journal:
    return Journal(redis, wait_seconds=0.0)


@asynccontextmanager
async def dead(redis: TenantRedis, tenant: Tenant, intent: Intent | None) -> AsyncIterator[Lease]:
    """Leave a lease of 50 ms, and what was noted under it, as a gateway does that dies."""
    journal = Journal(redis, lease_seconds=0.05)
    lease = await journal._acquire(tenant, "d1", repairing=False)
    if intent:
        await lease.begin(intent)
    yield lease


async def cut_off(journal: Journal, tenant: Tenant, intent: Intent) -> None:
    """Begin something, and fail."""
    with suppress(RuntimeError):
        async with journal.acquire(tenant, "d1") as lease:
            await lease.begin(intent)
            raise RuntimeError("a backend is away")


async def list_due(journal: Journal, tenant: Tenant) -> list[str]:
    return [document_id for each in await journal.list_due([tenant]) for document_id in each.document_ids]


async def test_one_at_a_time_holds_a_document_and_nobody_waits_for_another_one(
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


async def test_who_waits_gets_the_document_when_it_is_free(redis: TenantRedis, tenant: Tenant) -> None:
    holders, most = 0, 0

    async def work() -> None:
        nonlocal holders, most
        async with Journal(redis).acquire(tenant, "d1"):
            holders += 1
            most = max(most, holders)
            await asyncio.sleep(0.01)
            holders -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert most == 1


async def test_a_lease_lasts_while_its_holder_works(redis: TenantRedis, tenant: Tenant) -> None:
    async with Journal(redis, lease_seconds=0.6).acquire(tenant, "d1"):
        ends = time.monotonic() + 1.2
        while time.monotonic() < ends:
            with pytest.raises(DocumentBusy):
                async with Journal(redis, wait_seconds=0.0).acquire(tenant, "d1"):
                    pass
            await asyncio.sleep(0.05)


async def test_the_lease_of_a_dead_holder_runs_out(redis: TenantRedis, tenant: Tenant) -> None:
    async with dead(redis, tenant, INGEST), Journal(redis).acquire(tenant, "d1") as lease:
        assert lease.intent == INGEST, "what is to be done is handed on"


async def test_who_comes_back_to_a_lease_that_is_somebody_elses_changes_nothing(
    redis: TenantRedis, tenant: Tenant
) -> None:
    async with dead(redis, tenant, INGEST) as late, Journal(redis).acquire(tenant, "d1") as lease:
        await lease.begin(Intent(IntentKind.DELETE))
        with pytest.raises(WritesUnavailable):
            await late.begin(INGEST)
        await late.commit(FAILURE)
        await late.release()
        assert not await late.renew()
        assert await lease.renew()
        assert (await Journal(redis).get_statuses(tenant, ["d1"]))["d1"] == DocumentStatus()


async def test_what_changed_nothing_leaves_nothing(journal: Journal, tenant: Tenant, raw: Any) -> None:
    async with journal.acquire(tenant, "d1"):
        pass
    assert not await raw.exists(ingests_key(tenant.id, tenant.uid))


async def test_what_was_begun_and_failed_is_due_after_a_pause_that_grows(
    journal: Journal, tenant: Tenant, raw: Any
) -> None:
    for attempts, seconds in enumerate((15, 60, 240, 960, 3840, 3840)):
        await cut_off(journal, tenant, Intent(IntentKind.INGEST, attempts=attempts))
        assert await list_due(journal, tenant) == []
        with pytest.raises(DocumentBusy):
            async with journal.acquire(tenant, "d1", repairing=True):
                pass
        (now, _), entry = await raw.time(), await raw.hget(ingests_key(tenant.id, tenant.uid), "d1")
        assert f'"due":{now + seconds}'[:-1] in entry.replace(" ", "")


async def test_who_did_not_begin_does_not_put_the_repair_off(redis: TenantRedis, tenant: Tenant) -> None:
    async with dead(redis, tenant, INGEST):
        journal = Journal(redis)
        async with journal.acquire(tenant, "d1"):
            assert await list_due(journal, tenant) == []
        assert await list_due(journal, tenant) == ["d1"]


async def test_what_a_dead_gateway_left_is_due_when_its_lease_has_run_out(
    redis: TenantRedis, journal: Journal, tenant: Tenant
) -> None:
    intent = Intent(IntentKind.DELETE, ObjectVersion(STORED_AT, '"e1"'), attempts=2)
    async with dead(redis, tenant, intent):

        async def is_due() -> bool:
            return await list_due(journal, tenant) == ["d1"]

        await until(is_due)
        async with journal.acquire(tenant, "d1", repairing=True) as lease:
            assert lease.intent == intent
            assert await list_due(journal, tenant) == [], "somebody is at it"


async def test_of_many_replicas_one_repairs(redis: TenantRedis, tenant: Tenant) -> None:
    repaired = 0

    async def repair() -> None:
        nonlocal repaired
        try:
            async with Journal(redis).acquire(tenant, "d1", repairing=True) as lease:
                await lease.begin(INGEST)
                repaired += 1
        except DocumentBusy:
            pass

    async with dead(redis, tenant, INGEST):
        await asyncio.sleep(0.1)
        await asyncio.gather(*(repair() for _ in range(10)))
    assert repaired == 1


async def test_a_failure_stands_until_a_success_or_a_delete(journal: Journal, tenant: Tenant) -> None:
    async with journal.acquire(tenant, "d1") as lease:
        await lease.begin(INGEST)
        assert (await journal.get_statuses(tenant, ["d1"]))["d1"] == DocumentStatus(indexing=True)
        await lease.commit(FAILURE)
    assert await journal.get_statuses(tenant, ["d1", "d2"]) == {
        "d1": DocumentStatus(failure=FAILURE),
        "d2": DocumentStatus(),
    }
    with pytest.raises(RuntimeError):
        async with journal.acquire(tenant, "d1"):
            raise RuntimeError("refused before anything was stored")
    assert (await journal.get_statuses(tenant, ["d1"]))["d1"].failure == FAILURE
    async with journal.acquire(tenant, "d1") as lease:
        await lease.commit()
    assert (await journal.get_statuses(tenant, ["d1"]))["d1"] == DocumentStatus()


async def test_a_deletion_and_a_dead_ingest_are_not_shown_as_indexing(
    redis: TenantRedis, journal: Journal, tenant: Tenant
) -> None:
    async with journal.acquire(tenant, "d2") as lease:
        await lease.begin(Intent(IntentKind.DELETE))
        assert (await journal.get_statuses(tenant, ["d2"]))["d2"] == DocumentStatus()
    async with dead(redis, tenant, INGEST):
        await asyncio.sleep(0.1)
        assert (await journal.get_statuses(tenant, ["d1"]))["d1"] == DocumentStatus()


async def test_tenants_never_see_each_others_entries(journal: Journal, tenant: Tenant) -> None:
    other = make_tenant(f"{tenant.id}-x")
    async with journal.acquire(tenant, "d1") as lease:
        await lease.begin(INGEST)
        await lease.commit(FAILURE)
    await cut_off(journal, tenant, INGEST)
    assert await journal.get_statuses(other, ["d1"]) == {"d1": DocumentStatus()}
    assert [each.tenant.id for each in await journal.list_due([other, tenant])] == [tenant.id]


async def test_entries_run_out_ninety_days_after_the_last_change(
    journal: Journal, tenant: Tenant, raw: Any
) -> None:
    async with journal.acquire(tenant, "d1") as lease:
        await lease.commit(FAILURE)
    await cut_off(journal, tenant, INGEST)
    for key in (ingests_key(tenant.id, tenant.uid), failures_key(tenant.id, tenant.uid)):
        assert 89 < await raw.ttl(key) / 86400 <= 90


async def test_without_redis_nothing_is_begun_and_states_are_shown_without_it(
    platform: Platform, redis_url: str, tenant: Tenant
) -> None:
    port = platform.context.ports["redis"]
    async with Proxy(port) as proxy:
        redis = TenantRedis(SecretStr(redis_url.replace(str(port), str(proxy.port))))
        journal = Journal(redis, lease_seconds=1.0)

        async def work_for_ever() -> None:
            async with journal.acquire(tenant, "d1") as lease:
                await lease.begin(INGEST)
                proxy.cut()
                with pytest.raises(WritesUnavailable):
                    await lease.begin(INGEST)
                await lease.commit()
                await asyncio.Event().wait()

        with pytest.raises(WritesUnavailable):
            await work_for_ever()
        with pytest.raises(WritesUnavailable):
            async with journal.acquire(tenant, "d1"):
                pass
        assert await journal.get_statuses(tenant, ["d1"]) == {}
        proxy.mend()
        await redis.close()
