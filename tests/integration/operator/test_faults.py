"""Tests of unavailable and refusing backends: conditions, independence of parts, and recovery."""

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.faults.proxy import Proxy
from tests.support.tenants.part_contract import list_conditions

from .conftest import (
    AS_DECLARED,
    Driver,
    OperatorHarness,
    check_part_conditions,
    get_conditions,
    open_driver,
)

BACKENDS = {
    "qdrant": ("VectorsReady", "QdrantUnavailable", "qdrant_url", "http://127.0.0.1:{port}"),
    "keycloak": ("IdentityReady", "KeycloakUnavailable", "keycloak_url", "http://127.0.0.1:{port}"),
}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_an_unavailable_backend_fails_only_its_part_until_it_recovers(
    backend: str, platform: Platform, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    _, reason, setting, url = BACKENDS[backend]
    harness.apply("patient")
    async with Proxy(platform.context.ports[backend]) as proxy:
        address = url.format(port=proxy.port, password=platform.context.secrets["redis-operator"])
        async with open_driver(platform, tenants, **{setting: address}) as driver:
            proxy.cut()
            assert (await driver.reconcile("patient")).name == "retrying"
            tenant = tenants.get("patient")
            check_part_conditions(tenant, backend, reason)
            seen = get_conditions(tenant)
            assert seen["Ready"] == ("False", reason)
            assert seen["Reconciling"] == ("True", "Retrying")
            assert seen["Stalled"][0] == "False"
            proxy.restore()
            assert (await driver.reconcile("patient")).name == "ready"
    assert get_conditions(tenants.get("patient"))["Ready"] == ("True", "AsDeclared")


async def test_a_tenant_is_ready_without_redis(
    platform: Platform, harness: OperatorHarness, tenants: Tenants
) -> None:
    """A deletion needs Redis. In a reconcile, only a part that is not in ``SYSTEMS`` may need Redis."""
    harness.apply("patient")
    async with Proxy(platform.context.ports["redis"]) as proxy:
        url = (
            f"redis://tenantry-operator:{platform.context.secrets['redis-operator']}@127.0.0.1:{proxy.port}/0"
        )
        async with open_driver(platform, tenants, redis_url=url) as driver:
            proxy.cut()
            outcome = await driver.reconcile("patient")
    tenant = tenants.get("patient")
    check_part_conditions(tenant, "redis", "RedisUnavailable")
    are_parts_ready = all(
        condition == AS_DECLARED
        for type_, condition in get_conditions(tenant).items()
        if type_ in list_conditions(open_webui=False)
    )
    assert outcome.name == ("ready" if are_parts_ready else "retrying")


async def test_unavailable_s3_fails_only_its_part_until_it_recovers(
    platform: Platform, driver: Driver, harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("patient")
    await driver.reconcile("patient")
    platform.stop("aws")
    try:
        assert (await driver.reconcile("patient")).name == "retrying"
        seen = tenants.get("patient")
    finally:
        platform.start("aws")
    check_part_conditions(seen, "s3", "S3Unavailable")
    await driver.reconcile_until_ready("patient")  # after some seconds, because the circuit is open


async def test_a_collection_with_another_vector_size_stalls_the_tenant_and_names_a_remedy(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    observed.make_collection("digital_twin_knowledge--tenant-small", 4)
    harness.apply("small", tier="dedicated")
    assert (await driver.reconcile("small")).name == "stalled"
    seen = tenants.get("small")
    assert get_conditions(seen)["Stalled"] == ("True", "QdrantRefused")
    assert seen
    message = next(c["message"] for c in seen["status"]["conditions"] if c["type"] == "Stalled")
    assert "4 numbers" in message
    assert "768" in message
    observed.drop_collection("digital_twin_knowledge--tenant-small")
    assert (await driver.reconcile("small")).name == "ready"


async def test_a_foreign_namespace_is_neither_changed_nor_deleted(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    observed.run_kubectl("create", "namespace", "tenant-squat")
    try:
        harness.apply("squat", quota={"compute": {"pods": "1"}})
        assert (await driver.reconcile("squat")).name == "stalled"
        assert get_conditions(tenants.get("squat"))["QuotaReady"] == ("False", "KubernetesRefused")
        tenants.delete("squat")
        await driver.reconcile("squat")
        assert tenants.get("squat") is None
        assert "tenant-squat" in observed.run_kubectl("get", "namespace", "tenant-squat", "-o", "name")
    finally:
        observed.run_kubectl("delete", "namespace", "tenant-squat")


async def test_an_unavailable_backend_delays_the_deletion_of_a_tenant(
    platform: Platform, harness: OperatorHarness, driver: Driver, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("held")
    await driver.reconcile("held")
    tenants.delete("held")
    async with Proxy(platform.context.ports["keycloak"]) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        async with open_driver(platform, tenants, keycloak_url=url) as cut_off:
            proxy.cut()
            assert (await cut_off.reconcile("held")).name == "retrying"
            seen = get_conditions(tenants.get("held"))
            assert seen["Reconciling"] == ("True", "Deleting")
            assert seen["IdentityReady"] == ("False", "KeycloakUnavailable")
            proxy.restore()
            await cut_off.reconcile("held")
    assert tenants.get("held") is None
    assert observed.find_data("held") == {}


async def test_a_recreated_tenant_does_not_get_the_finalizer_of_the_deleted_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants
) -> None:
    old = harness.apply("phoenix")
    tenants.delete("phoenix")
    harness.apply("phoenix")
    driver.context.tenants.update(old)
    await driver.context.controller.reconcile("phoenix")
    again = tenants.get("phoenix")
    assert again
    assert "finalizers" not in again["metadata"]
    assert "status" not in again


async def test_a_recreated_tenant_does_not_get_the_status_of_the_deleted_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("phoenix")
    await driver.reconcile("phoenix")
    old = tenants.get("phoenix")
    assert old
    tenants.delete("phoenix")
    await driver.reconcile_until_ready("phoenix")
    harness.apply("phoenix")
    driver.context.tenants.update(old | {"status": {}})
    await driver.context.controller.reconcile("phoenix")
    again = tenants.get("phoenix")
    assert again
    assert "status" not in again
