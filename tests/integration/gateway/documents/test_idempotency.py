"""Tests of the idempotency store with a real Redis."""

from typing import Any

import pytest
from gateway.idempotency_store import IdempotencyStore, IdempotentRequest, StoredResponse
from gateway.problems import IdempotencyKeyBusy, IdempotencyKeyReused
from gateway.redis import TenantRedis
from tenancy.model import Tenant
from tenancy.names import build_idempotency_key

REQUEST = IdempotentRequest("person anna", "POST /v1/documents", "k1", "f1")
CREATED = StoredResponse(201, '{"documentId": "d1"}')


async def test_a_repeated_request_gets_the_stored_response(redis: TenantRedis, tenant: Tenant) -> None:
    store = IdempotencyStore(redis)
    async with store.run_once(tenant, REQUEST) as first:
        assert first.stored is None
        first.save(CREATED)
    async with store.run_once(tenant, REQUEST) as second:
        assert second.stored == CREATED


async def test_a_key_is_busy_while_its_first_request_runs(redis: TenantRedis, tenant: Tenant) -> None:
    store = IdempotencyStore(redis)
    async with store.run_once(tenant, REQUEST):
        with pytest.raises(IdempotencyKeyBusy):
            async with store.run_once(tenant, REQUEST):
                pass


async def test_a_key_of_another_request_is_refused(redis: TenantRedis, tenant: Tenant) -> None:
    store = IdempotencyStore(redis)
    other = IdempotentRequest(REQUEST.caller, REQUEST.route, REQUEST.key, "f2")
    async with store.run_once(tenant, REQUEST) as lease:
        lease.save(CREATED)
    with pytest.raises(IdempotencyKeyReused):
        async with store.run_once(tenant, other):
            pass


async def test_a_request_without_a_saved_response_may_run_again(redis: TenantRedis, tenant: Tenant) -> None:
    store = IdempotencyStore(redis)
    for _ in range(2):
        async with store.run_once(tenant, REQUEST) as lease:
            assert lease.stored is None


async def test_a_request_that_lost_its_lease_does_not_replace_the_response_of_the_next(
    redis: TenantRedis, tenant: Tenant, redis_client: Any
) -> None:
    store = IdempotencyStore(redis)
    async with store.run_once(tenant, REQUEST) as late:
        await redis_client.delete(build_idempotency_key(tenant.id, tenant.uid, REQUEST.digest))
        async with store.run_once(tenant, REQUEST) as lease:
            lease.save(CREATED)
        late.save(StoredResponse(201, "late"))
    async with store.run_once(tenant, REQUEST) as repeated:
        assert repeated.stored == CREATED
