"""Tests that a gateway on an old Qdrant is not ready, refuses searches, and recovers after an upgrade."""

from pathlib import Path

import pytest
from tenancy import qdrant_server

from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.programs.standins import QDRANT_KEY, run_qdrant
from tests.support.timing.waiting import wait_until

from .conftest import IntegrationHarness

OLD = "1.18.3"
QUESTION = {"query": "When does the ferry leave?"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_server, "CHECK_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr(qdrant_server, "RETRY_INTERVAL_SECONDS", 0.2)


async def get_missing(gateway: RunningGateway) -> list[str]:
    """Return what the gateway's readiness probe lists."""
    missing: list[str] = (await gateway.http.get("/readyz")).json()["missing"]
    return missing


async def test_a_gateway_on_an_old_qdrant_is_not_ready_and_refuses_searches(
    harness: IntegrationHarness, tmp_path: Path
) -> None:
    headers = {"Authorization": f"Bearer {harness.token}"}
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD) as standin:
        overrides = {"qdrant_url": standin.url, "qdrant_api_key": QDRANT_KEY}
        async with run_gateway(harness.platform, **overrides) as gateway:
            await wait_until(lambda: gateway.context.registry.get(harness.tenant.id) is not None)
            (reason,) = await get_missing(gateway)
            assert f"version {OLD}. Tenantry needs 1.19 or later" in reason
            assert (await gateway.http.get("/healthz")).status_code == 200
            response = await gateway.http.post("/v1/search", json=QUESTION, headers=headers)
            problem = response.json()
            assert (response.status_code, problem["type"].rpartition("/")[2]) == (503, "unsupported-qdrant")
            assert int(response.headers["Retry-After"]) > 0


async def test_a_gateway_follows_a_downgrade_and_an_upgrade(
    harness: IntegrationHarness, tmp_path: Path
) -> None:
    with run_qdrant(tmp_path) as standin:
        port = int(standin.url.rpartition(":")[2])
        overrides = {"qdrant_url": standin.url, "qdrant_api_key": QDRANT_KEY}
        async with run_gateway(harness.platform, **overrides) as gateway:
            await wait_until(lambda: gateway.context.registry.synced)
            assert await get_missing(gateway) == []
            standin.kill()
            assert await get_missing(gateway) == [], "an outage is no reason to take all gateways out"
            with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD, port=port):
                await wait_until(lambda: _has_missing(gateway, OLD))
            with run_qdrant(tmp_path, port=port):
                await wait_until(lambda: _has_missing(gateway, ""))


async def _has_missing(gateway: RunningGateway, part: str) -> bool:
    """Return True if a reason contains a part; with an empty part, if there is no reason."""
    missing = await get_missing(gateway)
    return any(part in reason for reason in missing) if part else not missing
