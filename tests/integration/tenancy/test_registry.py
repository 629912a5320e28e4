"""Tests of the registry on the real API server, with lost connections and watches."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from kubernetes.aio import client
from servicekit import kube
from tenancy import registry
from tenancy.model import Tenant
from tenancy.names import DEFAULT_TENANT_CLASS
from tenancy.registry import TenantRegistry
from tenantry_local.parts.kubernetes import get_kubeconfig
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.faults.proxy import Proxy
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

CHANGE = {"spec": {"displayName": "Another name"}}


@pytest.fixture
def tenants(platform: Platform) -> Iterator[Tenants]:
    """Client of the API server, which has one Tenant."""
    with apply_tenants(platform, make_tenant_manifest("known")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _use_short_backoff(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(get_kubeconfig(platform.context, "gateway")))
    monkeypatch.setattr(registry, "BACKOFF_DELAY_SECONDS", (0.05, 0.1))


@asynccontextmanager
async def run_registry(api: client.ApiClient) -> AsyncIterator[TenantRegistry]:
    known = TenantRegistry(api, DEFAULT_TENANT_CLASS)
    assert not known.synced
    task = asyncio.create_task(known.run())
    try:
        yield known
        assert not task.done(), "the registry ended without a cancellation"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_changes_are_observed(tenants: Tenants, platform: Platform) -> None:
    async with await kube.connect() as api, run_registry(api) as known:
        await known.wait_synced()
        assert known.get("known")
        assert known.get("newcomer") is None
        with apply_tenants(platform, make_tenant_manifest("newcomer")):
            await wait_until(lambda: known.get("newcomer") is not None)
            assert {"known", "newcomer"} <= {tenant.id for tenant in known.list_tenants()}
            tenants.patch("newcomer", {"spec": {"suspended": True}})
            await wait_until(lambda: (t := known.get("newcomer")) is not None and t.spec.suspended)
        await wait_until(lambda: known.get("newcomer") is None)


async def test_a_tenant_of_the_maximum_size_is_watched(tenants: Tenants, platform: Platform) -> None:
    personas = [{"id": f"p{i}", "displayName": "P", "instructions": "é" * 8000} for i in range(64)]
    async with await kube.connect() as api, run_registry(api) as known:
        await known.wait_synced()
        with apply_tenants(platform, make_tenant_manifest("large", personas=personas)):
            await wait_until(lambda: known.get("large") is not None)
        await wait_until(lambda: known.get("large") is None)


async def test_the_last_state_is_kept_while_the_api_server_is_unreachable(
    tenants: Tenants, platform: Platform
) -> None:
    async with Proxy(platform.context.ports["kubernetes"]) as proxy, await kube.connect() as api:
        api.configuration.host = f"https://127.0.0.1:{proxy.port}"
        async with run_registry(api) as known:
            await known.wait_synced()
            proxy.cut()
            with apply_tenants(platform, make_tenant_manifest("passing")):
                tenants.patch("known", CHANGE)
                await asyncio.sleep(0.3)  # several failed tries
                assert (tenant := known.get("known"))
                assert tenant.spec.display_name == "known"
            with apply_tenants(platform, make_tenant_manifest("meanwhile")):
                proxy.restore()
                await wait_until(lambda: known.get("meanwhile") is not None)
                assert (tenant := known.get("known"))
                assert tenant.spec.display_name == "Another name"
                assert known.get("passing") is None


async def test_the_registry_is_not_synced_before_the_first_list(platform: Platform) -> None:
    async with Proxy(platform.context.ports["kubernetes"]) as proxy, await kube.connect() as api:
        api.configuration.host = f"https://127.0.0.1:{proxy.port}"
        proxy.cut()
        async with run_registry(api) as known:
            await asyncio.sleep(0.3)
            assert not known.synced
            proxy.restore()
            await asyncio.wait_for(known.wait_synced(), 10)


async def test_a_tenant_deleted_during_an_outage_is_removed(tenants: Tenants, platform: Platform) -> None:
    async with Proxy(platform.context.ports["kubernetes"]) as proxy, await kube.connect() as api:
        api.configuration.host = f"https://127.0.0.1:{proxy.port}"
        async with run_registry(api) as known:
            with apply_tenants(platform, make_tenant_manifest("leaver")):
                await wait_until(lambda: known.get("leaver") is not None)
                proxy.cut()
            proxy.restore()
            await wait_until(lambda: known.get("leaver") is None)


async def test_an_expired_resource_version_leads_to_a_new_list(
    tenants: Tenants, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []
    list_as_before = TenantRegistry._reload_directory

    async def list_from_long_ago(self: TenantRegistry) -> str:
        version = await list_as_before(self)
        versions.append(version)
        return "1" if len(versions) == 1 else version

    monkeypatch.setattr(TenantRegistry, "_reload_directory", list_from_long_ago)
    async with await kube.connect() as api, run_registry(api) as known:
        await wait_until(lambda: len(versions) == 2)
        with apply_tenants(platform, make_tenant_manifest("newcomer")):
            await wait_until(lambda: known.get("newcomer") is not None)
    assert len(versions) == 2


async def test_a_closed_watch_resumes_at_its_resource_version(
    tenants: Tenants, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "WATCH_TIMEOUT_SECONDS", 1)
    lists = 0
    list_as_before = TenantRegistry._reload_directory

    async def list_and_count(self: TenantRegistry) -> str:
        nonlocal lists
        lists += 1
        return await list_as_before(self)

    monkeypatch.setattr(TenantRegistry, "_reload_directory", list_and_count)
    async with await kube.connect() as api, run_registry(api) as known:
        await known.wait_synced()
        await asyncio.sleep(2.5)
        with apply_tenants(platform, make_tenant_manifest("newcomer")):
            await wait_until(lambda: known.get("newcomer") is not None)
    assert lists == 1


async def test_an_unreadable_tenant_is_ignored_without_affecting_others(
    tenants: Tenants, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_as_before = Tenant.from_object

    def read(body: Mapping[str, Any]) -> Tenant:
        if body["metadata"]["name"] == "strange":
            # A later version may add this value.
            body = {**body, "spec": {**body["spec"], "tier": "galactic"}}
        return read_as_before(body)

    monkeypatch.setattr(Tenant, "from_object", read)
    async with await kube.connect() as api, run_registry(api) as known:
        await known.wait_synced()
        with apply_tenants(platform, make_tenant_manifest("strange"), make_tenant_manifest("newcomer")):
            await wait_until(lambda: known.get("newcomer") is not None)
            assert known.get("strange") is None
