"""Tests of the contract of every part that needs no Open WebUI, on the real platform (others: workspace/)."""

from collections.abc import AsyncIterator

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.tenants.part_contract import check_release, check_removal, check_second_run, list_enabled

from .conftest import Driver, OperatorHarness, open_driver, open_part


@pytest.fixture(scope="module")
async def driver(platform: Platform, tenants: Tenants) -> AsyncIterator[Driver]:
    async with open_driver(platform, tenants) as opened:
        yield opened


@pytest.fixture(scope="module")
async def harness(tenants: Tenants, driver: Driver) -> AsyncIterator[OperatorHarness]:
    """Tenants of all tests. They are deleted concurrently: each namespace takes 5 seconds."""
    opened = OperatorHarness(tenants, driver)
    yield opened
    await opened.delete_all()


every_part = pytest.mark.parametrize("name", list_enabled(open_webui=False))


@every_part
async def test_a_second_run_writes_nothing_and_its_section_is_stored(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed, f"{name}-again")
    await check_second_run(opened.part, opened.tenant)


@every_part
async def test_remove_leaves_nothing(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed, f"{name}-removed")
    await check_removal(opened.part, opened.tenant, opened.before, observed)


@every_part
async def test_release_keeps_only_retained_objects(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed, f"{name}-released")
    await check_release(opened.part, opened.tenant)
