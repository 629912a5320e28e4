"""Tests of recreated Tenants: no Tenant finds data of an earlier Tenant of the same name.

Each run is a random sequence of Tenants by tier, policy and identity, from a seed that a failure names. There
are two hundred seeds. ``TENANTRY_TENANT_SEQUENCES=200`` runs all seeds, ``TENANTRY_TENANT_SEQUENCES=17-17``
only seed 17. Without the variable the tests run eight seeds, each day the next eight, so a month covers all.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import structlog
from tenantry_local.platform import Platform

from tests.support.backends.qdrant import count_points
from tests.support.programs.gateway import count_cross_tenant_hits
from tests.support.tenants.sequences import (
    SLOTS,
    TENANTS_PER_SEQUENCE,
    RecreatedTenant,
    SequenceHarness,
    open_sequence_harness,
)

SEEDS = 200
DAILY = 8

log = structlog.get_logger()


def choose_seeds() -> list[int]:
    """Return the seeds to run: a number of seeds, a range, or today's seeds."""
    wanted = os.environ.get("TENANTRY_TENANT_SEQUENCES", "")
    if not wanted:
        today = datetime.now(UTC).toordinal()
        return [(today * DAILY + number) % SEEDS for number in range(DAILY)]
    first, dash, last = wanted.partition("-")
    return list(range(int(first), int(last) + 1) if dash else range(int(first)))


SECONDS = 300 + 60 * len(choose_seeds())


@pytest.fixture(scope="module")
async def harness(platform: Platform) -> AsyncIterator[SequenceHarness]:
    async with open_sequence_harness(platform) as opened:
        yield opened


async def run_sequence(harness: SequenceHarness, seed: int) -> list[RecreatedTenant]:
    """Create and delete Tenants of one name, and return them; the message of a failure names the seed."""
    chance, name = random.Random(seed), f"sequence-{seed}"
    people = await harness.add_people(name)
    tenants: list[RecreatedTenant] = []
    for number in range(TENANTS_PER_SEQUENCE):
        tenant = RecreatedTenant.make_random(chance, people, number)
        story = (
            f"seed {seed}, Tenant {number}: "
            f"{[(each.tier, each.end, each.emails) for each in [*tenants, tenant]]}"
        )
        await harness.begin(name, tenant)
        shown = await harness.get_visible_text(tenant, tenants)
        markers = [tenant.marker for tenant in tenants if tenant.marker in shown]
        assert markers == [], f"{story} was shown {markers}"
        await harness.store_document(name, tenant)
        await harness.finish(name, tenant)
        tenants.append(tenant)
        if tenant.end != "abandoned":
            for collection in ("digital_twin_knowledge", f"digital_twin_knowledge--tenant-{name}"):
                if await harness.qdrant.collection_exists(collection):
                    assert await count_points(harness.qdrant, f"tenant-{name}", collection) == 0, story
        if chance.random() < 0.5:
            await harness.store_remainders(name, tenant)
    kept = await asyncio.to_thread(harness.get_bucket_contents, name)
    lost = [tenant.marker for tenant in tenants if tenant.end != "Delete" and tenant.marker not in kept]
    assert lost == [], f"seed {seed}: a retained document is lost"
    left = [tenant.marker for tenant in tenants if tenant.end == "Delete" and tenant.marker in kept]
    assert left == [], f"seed {seed}: a deleted document is left"
    log.info("No Tenant of the name found anything of an earlier one", seed=seed)
    return tenants


@pytest.mark.timeout(SECONDS)
async def test_nothing_of_an_earlier_tenant_of_the_same_name_is_found(harness: SequenceHarness) -> None:
    chosen = choose_seeds()
    seeds, before = iter(chosen), count_cross_tenant_hits()
    tenants: list[RecreatedTenant] = []

    async def run_sequences() -> None:
        for seed in seeds:
            tenants.extend(await run_sequence(harness, seed))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(SLOTS, len(chosen))):
            group.create_task(run_sequences())
    # If Redis misses the end of an upload, no answer is cached for a quarter of an hour.
    assert sum(tenant.answer_kept for tenant in tenants) > len(tenants) / 2, (
        "most Tenants had no cached answer"
    )
    assert count_cross_tenant_hits() == before, "the second check had to drop points"
