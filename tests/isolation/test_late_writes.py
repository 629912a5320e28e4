"""Uploads that race the deletion of their Tenant, and writers that have not heard of it: nothing is left."""

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

from tests.support.lives import Life, Rig, open_rig
from tests.support.qdrant import count_points

ROUNDS, TENANTS = 2, 5
"""Of each round all Tenants race side by side: a deletion may wait half a minute for a write."""
UPLOADS = 3


@pytest.fixture(scope="module")
async def rig(platform: Platform) -> AsyncIterator[Rig]:
    async with open_rig(platform) as opened:
        yield opened


def text(number: int) -> bytes:
    sentence = f"Ledger {number} says that the tide is high at noon and low at six in the evening. "
    return "\n\n".join(f"{part}. {sentence * 12}" for part in range(60)).encode()


async def left(rig: Rig, name: str) -> dict[str, Any]:
    """Return what Qdrant, S3 and Redis have of a name."""
    s3 = Aws(rig.platform.context).s3
    page = s3.list_object_versions(Bucket=BUCKET, Prefix=f"tenant-{name}/")
    found = {
        "points": await count_points(rig.qdrant, f"tenant-{name}"),
        "objects": [each["Key"] for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))],
        "redis": rig.redis_keys(name),
    }
    return {system: what for system, what in found.items() if what}


async def race(rig: Rig, number: int) -> list[int]:
    """Delete a Tenant in the middle of uploads, and return their statuses."""
    name, chance = f"race-{number}", random.Random(number)
    life = Life("pooled", "Delete", await rig.add_people(name), "")
    await rig.begin(name, life)
    headers = {"Authorization": f"Bearer {await rig.people.token(life.emails[0])}"}

    async def upload(file: int) -> int:
        response = await rig.gateway.http.post(
            "/v1/documents",
            files={"file": (f"ledger-{file}.md", text(file))},
            data={"personaId": "finance"},
            headers=headers,
        )
        return response.status_code

    uploads = [asyncio.create_task(upload(file)) for file in range(UPLOADS)]
    await asyncio.sleep(chance.uniform(0.0, 1.5))
    await rig.finish(name, life)
    statuses = await asyncio.gather(*uploads)
    await rig.gateway.context.usage.flush()
    assert await left(rig, name) == {}, f"try {number}: {statuses}"
    return statuses


async def test_an_upload_that_races_a_deletion_leaves_nothing(rig: Rig) -> None:
    refused: list[int] = []
    for first in range(0, ROUNDS * TENANTS, TENANTS):
        runs = await asyncio.gather(*(race(rig, number) for number in range(first, first + TENANTS)))
        refused += [each for run in runs for each in run if each != 201]
    assert refused, "no upload was under way when its Tenant was deleted: the test proved nothing"


async def test_a_gateway_that_has_not_heard_of_the_deletion_writes_nothing(rig: Rig) -> None:
    life = Life("pooled", "Delete", await rig.add_people("late"), "")
    await rig.begin("late", life)
    tenant = rig.gateway.context.registry.get("late")
    assert tenant
    await rig.finish("late", life)
    context = rig.gateway.context
    with pytest.raises((TenantSuspended, WritesUnavailable)):
        await context.documents.upload(tenant, "finance", "late.md", b"Too late.", "ann", RequestTimings())
    with pytest.raises(TenantSuspended):
        await context.rate.count(tenant)
    with pytest.raises(TenantryError):
        await context.budget.reserve(tenant, 10)
    await context.usage.flush()
    assert await left(rig, "late") == {}
