"""Lives of Tenants under one name: nothing of an earlier one is found by any route, whatever was left of it.

Each run is a random sequence of Tenants, one after the other, by tier, policy and identity, from a seed that
a failure names. ``TENANTRY_LIVES=200`` runs two hundred of them; without it there are none, as each takes
about a minute.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest
from tenantry_local.platform import Platform

from tests.support.gateway import foreign_hits
from tests.support.lives import LIVES, SLOTS, Life, Rig, open_rig
from tests.support.qdrant import count_points

RUNS = int(os.environ.get("TENANTRY_LIVES", "0"))

pytestmark = pytest.mark.skipif(not RUNS, reason="TENANTRY_LIVES says how many runs there are")


@pytest.fixture(scope="module")
async def rig(platform: Platform) -> AsyncIterator[Rig]:
    async with open_rig(platform) as opened:
        yield opened


async def run_lives(rig: Rig, seed: int, slot: int) -> None:
    """Live some lives under one name; the message of a failure names the seed."""
    chance, name = random.Random(seed), f"lives-{seed}"
    lives: list[Life] = []
    for number in range(LIVES):
        life = Life.random(chance, slot, number)
        story = (
            f"seed {seed}, life {number}: {[(each.tier, each.end, each.emails) for each in [*lives, life]]}"
        )
        await rig.begin(name, life)
        shown = await rig.seen(life, lives)
        found = [each.marker for each in lives if each.marker in shown]
        assert found == [], f"{story} was shown {found}"
        await rig.live(name, life)
        await rig.finish(name, life)
        lives.append(life)
        if life.end != "abandoned":
            for collection in ("digital_twin_knowledge", f"digital_twin_knowledge--tenant-{name}"):
                if await rig.qdrant.collection_exists(collection):
                    assert await count_points(rig.qdrant, f"tenant-{name}", collection) == 0, story
        if chance.random() < 0.5:
            await rig.leave_behind(name, life)
    kept = await asyncio.to_thread(rig.kept, name)
    lost = [each.marker for each in lives if each.end != "Delete" and each.marker not in kept]
    assert lost == [], f"seed {seed}: a document that was to be retained is lost"
    left = [each.marker for each in lives if each.end == "Delete" and each.marker in kept]
    assert left == [], f"seed {seed}: a document that was to be deleted is left"


async def test_nothing_of_an_earlier_life_is_ever_found(rig: Rig) -> None:
    seeds, before = iter(range(RUNS)), foreign_hits()

    async def work(slot: int) -> None:
        for seed in seeds:
            await run_lives(rig, seed, slot)

    async with asyncio.TaskGroup() as group:
        for slot in range(SLOTS):
            group.create_task(work(slot))
    assert foreign_hits() == before, "the filter let nothing through that the second guard had to stop"
