"""Tests of the operator on an old Qdrant: Tenants are Stalled with the reason, until Qdrant is upgraded."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from qdrant_client import AsyncQdrantClient
from tenancy.qdrant_server import PROBE_COLLECTION
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.programs.operator_program import run_operator
from tests.support.programs.standins import QDRANT_KEY, make_qdrant_client, run_qdrant
from tests.support.timing.waiting import wait_until

from .conftest import OperatorHarness, get_conditions

OLD = "1.18.3"
NAME = "old-qdrant"


async def test_tenants_are_stalled_on_an_old_qdrant_until_it_is_upgraded(
    platform: Platform, harness: OperatorHarness, tenants: Tenants, tmp_path: Path
) -> None:
    probes = platform.context.ports["operator"]
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD) as standin:
        port = int(standin.url.rpartition(":")[2])
        settings = {
            "OPERATOR_PROBES_PORT": str(probes),
            "OPERATOR_QDRANT_URL": standin.url,
            "OPERATOR_QDRANT_API_KEY": QDRANT_KEY,
        }
        async with run_operator(platform, "tenant_operator", **settings):
            harness.apply(NAME)
            await wait_until(lambda: _get_reason(tenants, "VectorsReady") == "QdrantRefused", seconds=30)
            (message,) = [
                condition["message"]
                for condition in _get_conditions(tenants)
                if condition["type"] == "Stalled"
            ]
            assert f"version {OLD}. Tenantry needs 1.19 or later" in message
            ready = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{probes}/readyz")
            assert ready.status_code == 503
            assert OLD in ready.json()["missing"][0]
            client = make_qdrant_client(standin)
            assert (await client.get_collections()).collections == [], "nothing is created"
            await client.close()
            standin.kill()
            with run_qdrant(tmp_path, port=port) as upgraded:
                await wait_until(lambda: _get_reason(tenants, "VectorsReady") == "AsDeclared", seconds=40)
                client = make_qdrant_client(upgraded)
                assert await _count_probe(client) == 10
                await client.close()
                tenants.delete(NAME)
                await wait_until(lambda: tenants.get(NAME) is None, seconds=30)


async def _count_probe(client: AsyncQdrantClient) -> int:
    return (await client.count(PROBE_COLLECTION)).count


def _get_conditions(tenants: Tenants) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = (tenants.get(NAME) or {}).get("status", {}).get("conditions", [])
    return conditions


def _get_reason(tenants: Tenants, kind: str) -> str:
    tenant = tenants.get(NAME)
    if not tenant or "conditions" not in tenant.get("status", {}):
        return ""
    return get_conditions(tenant).get(kind, ("", ""))[1]
