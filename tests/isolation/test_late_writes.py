"""Tests of writes during and after the deletion of their Tenant: nothing is left."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway.problems import WritesUnavailable
from gateway.timings import RequestTimings
from servicekit.errors import TenantryError
from tenancy.errors import TenantSuspended
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.platform import Platform

from tests.support.backends.qdrant import count_points
from tests.support.tenants.sequences import RecreatedTenant, SequenceHarness, open_sequence_harness

ROUNDS, TENANTS = 2, 5
"""The Tenants of a round run concurrently, because a deletion may wait half a minute for a write."""
UPLOADS = 3


@pytest.fixture(scope="module")
async def harness(platform: Platform) -> AsyncIterator[SequenceHarness]:
    async with open_sequence_harness(platform) as opened:
        yield opened


def make_text(number: int) -> bytes:
    sentence = f"Ledger {number} says that the tide is high at noon and low at six in the evening. "
    return "\n\n".join(f"{part}. {sentence * 12}" for part in range(60)).encode()


async def find_remainders(harness: SequenceHarness, name: str) -> dict[str, Any]:
    """Return the data that Qdrant, S3 and Redis have under a Tenant's name."""
    s3 = Aws(harness.platform.context).s3
    page = s3.list_object_versions(Bucket=BUCKET, Prefix=f"tenant-{name}/")
    remainders = {
        "points": await count_points(harness.qdrant, f"tenant-{name}"),
        "objects": [
            version["Key"] for version in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ],
        "redis": harness.list_redis_keys(name),
    }
    return {system: what for system, what in remainders.items() if what}


async def delete_during_uploads(harness: SequenceHarness, number: int) -> list[int]:
    """Delete a Tenant in the middle of uploads, and return their statuses."""
    name, chance = f"race-{number}", random.Random(number)
    tenant = RecreatedTenant("pooled", "Delete", await harness.add_people(name), "")
    await harness.begin(name, tenant)
    headers = {"Authorization": f"Bearer {await harness.people.fetch_token(tenant.emails[0])}"}

    async def upload(file: int) -> int:
        response = await harness.gateway.http.post(
            "/v1/documents",
            files={"file": (f"ledger-{file}.md", make_text(file))},
            data={"personaId": "finance"},
            headers=headers,
        )
        return response.status_code

    uploads = [asyncio.create_task(upload(file)) for file in range(UPLOADS)]
    await asyncio.sleep(chance.uniform(0.0, 1.5))
    await harness.finish(name, tenant)
    statuses = await asyncio.gather(*uploads)
    await harness.gateway.context.usage.flush()
    assert await find_remainders(harness, name) == {}, f"try {number}: {statuses}"
    return statuses


async def test_uploads_during_a_deletion_leave_nothing(harness: SequenceHarness) -> None:
    refused: list[int] = []
    for first in range(0, ROUNDS * TENANTS, TENANTS):
        runs = await asyncio.gather(
            *(delete_during_uploads(harness, number) for number in range(first, first + TENANTS))
        )
        refused += [status for run in runs for status in run if status != 201]
    assert refused, "no upload ran when its Tenant was deleted, so the test proved nothing"


async def test_a_gateway_with_a_stale_registry_writes_nothing(harness: SequenceHarness) -> None:
    recreated = RecreatedTenant("pooled", "Delete", await harness.add_people("late"), "")
    await harness.begin("late", recreated)
    tenant = harness.gateway.context.registry.get("late")
    assert tenant
    await harness.finish("late", recreated)
    context = harness.gateway.context
    with pytest.raises((TenantSuspended, WritesUnavailable)):
        await context.documents.upload(tenant, "finance", "late.md", b"Too late.", "ann", RequestTimings())
    with pytest.raises(TenantSuspended):
        await context.rate.count(tenant)
    with pytest.raises(TenantryError):
        await context.budget.reserve(tenant, 10)
    await context.usage.flush()
    assert await find_remainders(harness, "late") == {}
