"""A backend that is away, or refuses: which condition says so, that the rest goes on, and that it heals."""

import pytest
from servicekit.tasks import background_task
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.proxy import Proxy
from tests.support.waiting import until
from tests.support.world import World

from .conftest import Driver, Stage, conditions, open_driver

BACKENDS = {
    "qdrant": ("VectorsReady", "QdrantUnavailable", "qdrant_url", "http://127.0.0.1:{port}"),
    "keycloak": ("IdentityReady", "KeycloakUnavailable", "keycloak_url", "http://127.0.0.1:{port}"),
    "redis": (
        "QuotaReady",
        "RedisUnavailable",
        "redis_url",
        "redis://tenantry-operator:{password}@127.0.0.1:{port}/0",
    ),
}
PARTS = {"StorageReady", "VectorsReady", "IdentityReady", "QuotaReady"}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_backend_that_is_away_is_named_the_rest_goes_on_and_it_heals(
    backend: str, platform: Platform, stage: Stage, tenants: Tenants, world: World
) -> None:
    type_, reason, setting, url = BACKENDS[backend]
    stage.apply("patient")
    async with Proxy(platform.context.ports[backend]) as proxy:
        address = url.format(port=proxy.port, password=platform.context.secrets["redis-operator"])
        async with open_driver(platform, tenants, **{setting: address}) as driver:
            proxy.cut()
            assert (await driver.reconcile("patient")).name == "retrying"
            seen = conditions(tenants.get("patient"))
            assert seen["Ready"] == ("False", reason)
            assert seen["Reconciling"] == ("True", "Retrying")
            assert seen["Stalled"][0] == "False"
            assert {part: seen[part][0] for part in PARTS} == {p: str(p != type_) for p in PARTS}
            proxy.mend()
            assert (await driver.reconcile("patient")).name == "ready"
    assert conditions(tenants.get("patient"))["Ready"] == ("True", "AsDeclared")


HANGING = BACKENDS | {
    # Any server takes its place: what matters is only that it does not answer.
    "open-webui": ("WorkspaceReady", "OpenWebuiUnavailable", "open_webui_url", "http://127.0.0.1:{port}")
}
WORKERS = 4
HUNG_SECONDS = 45.0
"""Less than two calls, each tried three times, that one worker made one after the other."""


@pytest.mark.parametrize("backend", HANGING)
async def test_a_backend_that_hangs_stops_no_worker_for_long_and_it_heals(
    backend: str, platform: Platform, stage: Stage, tenants: Tenants
) -> None:
    """D18: every worker meets it, and the Tenants that wait behind them are served all the same."""
    type_, reason, setting, url = HANGING[backend]
    account = {"open_webui_email": "admin@tenantry.example", "open_webui_password": "s3cret"}
    names = [f"hung-{number}" for number in range(3 * WORKERS)]
    others = PARTS - {type_}

    def seen(name: str) -> dict[str, tuple[str, str]]:
        tenant = tenants.get(name)
        return conditions(tenant) if tenant and "status" in tenant else {}

    def all_have(wanted: dict[str, tuple[str, str]]) -> bool:
        rest = dict.fromkeys(others, ("True", "AsDeclared"))
        return all((wanted | rest).items() <= seen(name).items() for name in names)

    async with Proxy(platform.context.ports["keycloak" if backend == "open-webui" else backend]) as proxy:
        address = url.format(port=proxy.port, password=platform.context.secrets["redis-operator"])
        overrides = {setting: address, "concurrency": str(WORKERS), "retry_longest_seconds": "5"}
        if backend == "open-webui":
            overrides |= account
        async with open_driver(platform, tenants, **overrides) as driver:
            proxy.hang()
            for name in names:
                driver.context.see(stage.apply(name))
            async with background_task(driver.context.controller.run(), "controller"):
                await until(lambda: all_have({type_: ("False", reason)}), seconds=HUNG_SECONDS, every=0.5)
                proxy.mend()
                if backend != "open-webui":
                    await until(
                        lambda: all_have({"Ready": ("True", "AsDeclared")}), seconds=HUNG_SECONDS, every=0.5
                    )


async def test_s3_away_is_named_and_heals(
    platform: Platform, driver: Driver, stage: Stage, tenants: Tenants
) -> None:
    stage.apply("patient")
    await driver.reconcile("patient")
    platform.stop("aws")
    try:
        assert (await driver.reconcile("patient")).name == "retrying"
        seen = conditions(tenants.get("patient"))
    finally:
        platform.start("aws")
    assert seen["StorageReady"] == ("False", "S3Unavailable")
    assert {seen[part][0] for part in PARTS - {"StorageReady"}} == {"True"}
    await driver.settle("patient")  # some seconds later: the circuit is open


async def test_a_collection_of_another_size_stalls_with_what_to_do(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.make_collection("digital_twin_knowledge--tenant-small", 4)
    stage.apply("small", tier="dedicated")
    assert (await driver.reconcile("small")).name == "stalled"
    seen = tenants.get("small")
    assert conditions(seen)["Stalled"] == ("True", "QdrantRefused")
    assert seen
    told = next(c["message"] for c in seen["status"]["conditions"] if c["type"] == "Stalled")
    assert "4 numbers" in told
    assert "768" in told
    world.drop_collection("digital_twin_knowledge--tenant-small")
    assert (await driver.reconcile("small")).name == "ready"


async def test_a_namespace_that_is_not_ours_is_neither_adopted_nor_removed(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.kubectl("create", "namespace", "tenant-squat")
    try:
        stage.apply("squat", quota={"compute": {"pods": "1"}})
        assert (await driver.reconcile("squat")).name == "stalled"
        assert conditions(tenants.get("squat"))["QuotaReady"] == ("False", "KubernetesRefused")
        tenants.delete("squat")
        await driver.reconcile("squat")
        assert tenants.get("squat") is None
        assert "tenant-squat" in world.kubectl("get", "namespace", "tenant-squat", "-o", "name")
    finally:
        world.kubectl("delete", "namespace", "tenant-squat")


async def test_a_backend_that_is_away_holds_a_deleted_tenant_until_it_is_back(
    platform: Platform, stage: Stage, driver: Driver, tenants: Tenants, world: World
) -> None:
    stage.apply("held")
    await driver.reconcile("held")
    tenants.delete("held")
    async with Proxy(platform.context.ports["keycloak"]) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        async with open_driver(platform, tenants, keycloak_url=url) as cut_off:
            proxy.cut()
            assert (await cut_off.reconcile("held")).name == "retrying"
            seen = conditions(tenants.get("held"))
            assert seen["Reconciling"] == ("True", "Deleting")
            assert seen["IdentityReady"] == ("False", "KeycloakUnavailable")
            proxy.mend()
            await cut_off.reconcile("held")
    assert tenants.get("held") is None
    assert world.left("held") == {}


async def test_a_tenant_that_was_made_again_gets_no_finalizer_of_the_old_one(
    driver: Driver, stage: Stage, tenants: Tenants
) -> None:
    old = stage.apply("phoenix")
    tenants.delete("phoenix")
    stage.apply("phoenix")
    driver.context.tenants.see(old)
    await driver.context.reconcile("phoenix")
    again = tenants.get("phoenix")
    assert again
    assert "finalizers" not in again["metadata"]
    assert "status" not in again


async def test_a_tenant_that_was_made_again_gets_no_status_of_the_old_one(
    driver: Driver, stage: Stage, tenants: Tenants
) -> None:
    stage.apply("phoenix")
    await driver.reconcile("phoenix")
    old = tenants.get("phoenix")
    assert old
    tenants.delete("phoenix")
    await driver.settle("phoenix")
    stage.apply("phoenix")
    driver.context.tenants.see(old | {"status": {}})
    await driver.context.reconcile("phoenix")
    again = tenants.get("phoenix")
    assert again
    assert "status" not in again
