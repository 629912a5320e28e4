"""Tests of an unavailable Open WebUI, and of refused sign-ins."""

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.faults.proxy import Proxy
from tests.support.open_webui.observed import USER_PASSWORD, ObservedOpenWebUI

from ..conftest import Driver, OperatorHarness, check_part_conditions, get_conditions, open_driver

pytestmark = pytest.mark.programs


async def test_unavailable_open_webui_fails_only_its_part_until_it_recovers(
    platform: Platform,
    settings: dict[str, str],
    harness: OperatorHarness,
    tenants: Tenants,
    webui: ObservedOpenWebUI,
) -> None:
    harness.apply("patient")
    async with Proxy(int(webui.url.rpartition(":")[2])) as proxy:
        through = settings | {"open_webui_url": f"http://127.0.0.1:{proxy.port}"}
        async with open_driver(platform, tenants, **through) as driver:
            proxy.cut()
            assert (await driver.reconcile("patient")).name == "retrying"
            tenant = tenants.get("patient")
            check_part_conditions(tenant, "open-webui", "OpenWebUIUnavailable", open_webui=True)
            seen = get_conditions(tenant)
            assert seen["Ready"] == ("False", "OpenWebUIUnavailable")
            assert seen["Reconciling"] == ("True", "Retrying")
            proxy.restore()
            assert (await driver.reconcile("patient")).name == "ready"
    assert get_conditions(tenants.get("patient"))["WorkspaceReady"] == ("True", "AsDeclared")


async def test_unavailable_open_webui_delays_the_deletion_of_a_tenant(
    platform: Platform,
    settings: dict[str, str],
    harness: OperatorHarness,
    driver: Driver,
    tenants: Tenants,
    webui: ObservedOpenWebUI,
) -> None:
    harness.apply("held")
    await driver.reconcile("held")
    tenants.delete("held")
    through = settings | {"open_webui_url": "http://127.0.0.1:9"}
    async with open_driver(platform, tenants, **through) as cut_off:
        assert (await cut_off.reconcile("held")).name == "retrying"
    assert get_conditions(tenants.get("held"))["WorkspaceReady"] == ("False", "OpenWebUIUnavailable")
    await driver.reconcile_until_ready("held")
    assert tenants.get("held") is None
    assert not any(webui.get_state("held").values())


async def test_a_wrong_password_stalls_the_tenant_and_only_the_account_is_named(
    platform: Platform, settings: dict[str, str], harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("shut-out")
    async with open_driver(platform, tenants, **settings | {"open_webui_password": "wr0ng-s3cr3t"}) as driver:
        assert (await driver.reconcile("shut-out")).name == "stalled"
    written = tenants.get("shut-out")
    assert get_conditions(written)["WorkspaceReady"] == ("False", "OpenWebUIRefused")
    assert settings["open_webui_email"] in str(written)
    assert "wr0ng-s3cr3t" not in str(written)


async def test_an_open_webui_account_without_administrator_rights_stalls_the_tenant(
    platform: Platform,
    settings: dict[str, str],
    harness: OperatorHarness,
    tenants: Tenants,
    webui: ObservedOpenWebUI,
) -> None:
    webui.drop_user("member@tenantry.example")
    webui.add_user("member@tenantry.example")
    harness.apply("shut-out")
    account = {"open_webui_email": "member@tenantry.example", "open_webui_password": USER_PASSWORD}
    async with open_driver(platform, tenants, **settings | account) as driver:
        assert (await driver.reconcile("shut-out")).name == "stalled"
    assert "is not an administrator" in str(tenants.get("shut-out"))
