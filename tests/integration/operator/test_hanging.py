"""Tests of backends that accept connections and do not answer."""

import pytest
from servicekit.tasks import run_background_task
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.faults.proxy import Proxy
from tests.support.timing.waiting import wait_until

from .conftest import AS_DECLARED, OperatorHarness, get_conditions, list_unaffected, open_driver
from .test_faults import BACKENDS

HANGING = BACKENDS | {
    # A plain TCP server, because no answer is needed.
    "open-webui": ("WorkspaceReady", "OpenWebUIUnavailable", "open_webui_url", "http://127.0.0.1:{port}")
}
WORKERS = 4
HUNG_SECONDS = 45.0
"""Longest wait: less than the time of two calls with three attempts each in one worker."""


@pytest.mark.parametrize("backend", HANGING)
async def test_a_hanging_backend_blocks_no_worker_for_long(
    backend: str, platform: Platform, harness: OperatorHarness, tenants: Tenants
) -> None:
    """The backend blocks each worker for some seconds only, so all Tenants in the queue are reconciled."""
    type_, reason, setting, url = HANGING[backend]
    account = {"open_webui_email": "admin@tenantry.example", "open_webui_password": "s3cret"}
    names = [f"hung-{number}" for number in range(3 * WORKERS)]
    others = list_unaffected(backend)

    def get_seen_conditions(name: str) -> dict[str, tuple[str, str]]:
        tenant = tenants.get(name)
        return get_conditions(tenant) if tenant and "status" in tenant else {}

    def has_conditions(wanted: dict[str, tuple[str, str]]) -> bool:
        rest = dict.fromkeys(others, AS_DECLARED)
        return all((wanted | rest).items() <= get_seen_conditions(name).items() for name in names)

    async with Proxy(platform.context.ports["keycloak" if backend == "open-webui" else backend]) as proxy:
        address = url.format(port=proxy.port, password=platform.context.secrets["redis-operator"])
        overrides = {setting: address, "concurrency": str(WORKERS), "retry_max_delay_seconds": "5"}
        if backend == "open-webui":
            overrides |= account
        async with open_driver(platform, tenants, **overrides) as driver:
            proxy.hang()
            for name in names:
                driver.context.controller.handle_event(harness.apply(name))
            async with run_background_task(driver.context.controller.run(), "controller"):
                await wait_until(
                    lambda: has_conditions({type_: ("False", reason)}), seconds=HUNG_SECONDS, every=0.5
                )
                proxy.restore()
                if backend != "open-webui":
                    await wait_until(
                        lambda: has_conditions({"Ready": ("True", "AsDeclared")}),
                        seconds=HUNG_SECONDS,
                        every=0.5,
                    )
