"""Tests of the time until the running operator removes former members."""

from typing import Any

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.faults.proxy import Proxy
from tests.support.open_webui.observed import ObservedOpenWebUI
from tests.support.programs.operator_program import run_operator
from tests.support.timing.waiting import wait_until

from ..conftest import OperatorHarness
from .conftest import create_person

pytestmark = pytest.mark.programs

OUT_SECONDS = 5
BOTH = ["goes@leaving.example", "stays@leaving.example"]


@pytest.fixture
def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of an operator with the workspace part."""
    return {f"OPERATOR_{key.upper()}": value for key, value in settings.items()}


@pytest.fixture(autouse=True)
def create_people(observed: Observed, webui: ObservedOpenWebUI) -> None:
    for email in BOTH:
        create_person(observed, webui, email)


async def test_a_person_removed_from_the_tenant_is_removed_from_both_groups_in_five_seconds(
    platform: Platform,
    harness: OperatorHarness,
    environment: dict[str, str],
    tenants: Tenants,
    observed: Observed,
    webui: ObservedOpenWebUI,
) -> None:
    async with run_operator(platform, "tenant_operator", **environment):
        harness.apply("leaving", identity={"emails": ["*@leaving.example"]})

        def list_members() -> tuple[Any, Any]:
            groups = webui.get_state("leaving")["groups"]
            in_keycloak = observed.get_state("leaving")["identity"].get("members")
            return in_keycloak, groups[0]["members"] if groups else None

        await wait_until(lambda: list_members() == (BOTH, BOTH), seconds=60, every=0.2)
        tenants.patch("leaving", {"spec": {"identity": {"emails": ["stays@leaving.example"]}}})
        await wait_until(lambda: list_members() == (BOTH[1:], BOTH[1:]), seconds=OUT_SECONDS, every=0.2)


async def test_a_person_is_removed_from_open_webui_in_five_seconds_while_keycloak_hangs(
    platform: Platform,
    harness: OperatorHarness,
    environment: dict[str, str],
    tenants: Tenants,
    webui: ObservedOpenWebUI,
) -> None:
    """The Tenant alone proves that an address does not belong."""

    def list_members() -> Any:
        groups = webui.list_groups("leaving")
        return groups[0]["members"] if groups else None

    async with Proxy(platform.context.ports["keycloak"]) as proxy:
        environment["OPERATOR_KEYCLOAK_URL"] = f"http://127.0.0.1:{proxy.port}"
        async with run_operator(platform, "tenant_operator", **environment):
            harness.apply("leaving", identity={"emails": ["*@leaving.example"]})
            await wait_until(lambda: list_members() == BOTH, seconds=60, every=0.2)
            proxy.hang()
            tenants.patch("leaving", {"spec": {"identity": {"emails": ["stays@leaving.example"]}}})
            await wait_until(lambda: list_members() == BOTH[1:], seconds=OUT_SECONDS, every=0.2)
            proxy.restore()
