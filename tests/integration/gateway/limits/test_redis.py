"""Tests of the Redis adapter during restarts, script flushes and outages."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gateway.redis import TenantRedis
from pydantic import SecretStr
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.errors import TenantSuspended
from tenancy.model import Tenant
from tenancy.names import build_ingests_key, build_redis_prefix, build_tombstone_key
from tenancy.tombstones import SET_TOMBSTONE, raise_if_deleting
from tenantry_local.platform import Platform

from tests.support.faults.proxy import Proxy
from tests.support.tenants.manifests import make_tenant

from .conftest import make_new_tenant

COUNT = "return redis.call('INCR', KEYS[1])"


def make_counter_key(tenant: Tenant) -> str:
    return f"{build_redis_prefix(tenant.id, tenant.uid)}n"


async def test_writes_for_a_tenant_that_is_being_deleted_are_refused(
    redis: TenantRedis, redis_client: Any
) -> None:
    tenant, before = make_new_tenant(), redis.register_script("count", COUNT)
    ending = redis.register_script("end", COUNT, ends_work=True)
    assert await before.run(tenant, [make_counter_key(tenant)]) == 1
    await redis_client.eval(
        SET_TOMBSTONE,
        2,
        build_tombstone_key(tenant.id, tenant.uid),
        build_ingests_key(tenant.id, tenant.uid),
        60,
    )
    with pytest.raises(BackendRefused) as by_script:
        await before.run(tenant, [make_counter_key(tenant)])
    with pytest.raises(BackendRefused) as by_commands:
        await redis.execute(tenant, "e", ("INCR", make_counter_key(tenant)))
    for refused in (by_script, by_commands):
        with pytest.raises(TenantSuspended, match="is being deleted"):
            raise_if_deleting(refused.value)
    assert await ending.run(tenant, [make_counter_key(tenant)]) == 2, "an operation that began may finish"
    again = make_tenant(tenant.id, uid="a-later-one")
    assert await before.run(again, [make_counter_key(again)]) == 1, (
        "a later Tenant of the same name is not affected"
    )


async def test_a_flushed_script_is_loaded_again(redis: TenantRedis, redis_client: Any) -> None:
    tenant, script = make_new_tenant(), redis.register_script("count", COUNT)
    assert await script.run(tenant, [make_counter_key(tenant)]) == 1
    await redis_client.script_flush()
    assert await script.run(tenant, [make_counter_key(tenant)]) == 2


async def test_commands_are_one_transaction(redis: TenantRedis, redis_client: Any) -> None:
    tenant = make_new_tenant()
    key = make_counter_key(tenant)
    assert await redis.execute(tenant, "e", ("SET", key, 1), ("INCRBY", key, 4)) == [True, 5]
    with pytest.raises(BackendRefused):
        await redis.execute(tenant, "e", ("INCRBY", key, 1), ("NO-SUCH-COMMAND", key))
    assert await redis_client.get(key) == "5"


async def test_a_restart_between_two_calls_causes_no_error(platform: Platform, redis_url: str) -> None:
    tenant, redis = make_new_tenant(), TenantRedis(SecretStr(redis_url))
    script = redis.register_script("count", COUNT)
    try:
        await asyncio.gather(*(script.run(tenant, [make_counter_key(tenant)]) for _ in range(20)))
        await asyncio.to_thread(platform.stop, "redis")
        await asyncio.to_thread(platform.start, "redis")
        for _ in range(20):
            await script.run(tenant, [make_counter_key(tenant)])
    finally:
        await redis.close()


async def test_an_unreachable_redis_fails_fast(platform: Platform, redis_url: str) -> None:
    port = platform.context.ports["redis"]
    async with Proxy(port) as proxy:
        redis = TenantRedis(SecretStr(redis_url.replace(str(port), str(proxy.port))))
        script, tenant = redis.register_script("count", COUNT), make_new_tenant()
        await script.run(tenant, [make_counter_key(tenant)])
        proxy.cut()
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            await script.run(tenant, [make_counter_key(tenant)])
        assert time.monotonic() - started < 1.0
        proxy.restore()
        assert await script.run(tenant, [make_counter_key(tenant)]) == 2
        await redis.close()


@asynccontextmanager
async def fake_server(*, silent: bool) -> AsyncIterator[tuple[TenantRedis, list[object]]]:
    """Serve a fake that reads a command and does not respond, or disconnects; record the connections."""
    connections: list[object] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read(-1 if silent else 1)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        redis = TenantRedis(SecretStr(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
        yield redis, connections
        await redis.close()


async def test_a_redis_that_does_not_respond_times_out_after_two_seconds() -> None:
    tenant = make_new_tenant()
    async with fake_server(silent=True) as (redis, connections):
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            await redis.execute(tenant, "e", ("GET", make_counter_key(tenant)))
        assert len(connections) == 1
        assert 1.8 < time.monotonic() - started < 2.4


async def test_a_failed_call_is_not_retried() -> None:
    tenant = make_new_tenant()
    async with fake_server(silent=False) as (redis, connections):
        with pytest.raises(BackendUnavailable):
            await redis.execute(tenant, "e", ("INCR", make_counter_key(tenant)))
        assert len(connections) == 1


async def test_the_error_of_a_wrong_password_does_not_show_it(redis_url: str) -> None:
    redis, tenant = (
        TenantRedis(SecretStr(redis_url.replace("redis://:", "redis://:wrong-"))),
        make_new_tenant(),
    )
    with pytest.raises(BackendRefused) as refused:
        await redis.execute(tenant, "e", ("GET", make_counter_key(tenant)))
    assert "wrong-" not in str(refused.value)
    await redis.close()
