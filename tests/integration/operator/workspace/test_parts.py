"""Tests of the contract of the parts that exist only with Open WebUI, on the real platform."""

import pytest

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.tenants.part_contract import check_release, check_removal, check_second_run, list_enabled

from ..conftest import Driver, OperatorHarness, open_part

ONLY_WITH_OPEN_WEBUI = sorted({*list_enabled(open_webui=True)} - {*list_enabled(open_webui=False)})

pytestmark = pytest.mark.programs

every_part = pytest.mark.parametrize("name", ONLY_WITH_OPEN_WEBUI)


@every_part
async def test_a_second_run_writes_nothing_and_its_section_is_stored(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed)
    await check_second_run(opened.part, opened.tenant)


@every_part
async def test_remove_leaves_nothing(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed)
    await check_removal(opened.part, opened.tenant, opened.before, observed)


@every_part
async def test_release_keeps_only_retained_objects(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    opened = await open_part(name, driver, harness, tenants, observed)
    await check_release(opened.part, opened.tenant)
