"""Lives of Tenants under one name: nothing of an earlier one is found by any route, whatever was left of it.

Each run is a random sequence of Tenants, one after the other, by tier, policy and identity, from a seed that
a failure names. There are two hundred seeds. ``TENANTRY_LIVES=200`` runs them all, ``TENANTRY_LIVES=17-17``
one. Without it a few run, each day the next ones: every change is tried, and in a month every seed.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import structlog
from tenantry_local.platform import Platform

from tests.support.gateway import foreign_hits
from tests.support.lives import LIVES, SLOTS, Life, Rig, open_rig
from tests.support.qdrant import count_points

SEEDS = 200
DAILY = 8

log = structlog.get_logger()


def chosen_seeds() -> list[int]:
    """Return the seeds to run: a number of them, a range, or those of today."""
    wanted = os.environ.get("TENANTRY_LIVES", "")
    if not wanted:
        today = datetime.now(UTC).toordinal()
        return [(today * DAILY + number) % SEEDS for number in range(DAILY)]
    first, dash, last = wanted.partition("-")
    return list(range(int(first), int(last) + 1) if dash else range(int(first)))


SECONDS = 300 + 60 * len(chosen_seeds())


@pytest.fixture(scope="module")
async def rig(platform: Platform) -> AsyncIterator[Rig]:
    async with open_rig(platform) as opened:
        yield opened


async def run_lives(rig: Rig, seed: int) -> list[Life]:
    """Live some lives under one name, and return them; the message of a failure names the seed."""
    chance, name = random.Random(seed), f"lives-{seed}"
    people = await rig.add_people(name)
    lives: list[Life] = []
    for number in range(LIVES):
        life = Life.random(chance, people, number)
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
    log.info("All lives of a name are over, and nothing was found", seed=seed)
    return lives


@pytest.mark.timeout(SECONDS)
async def test_nothing_of_an_earlier_life_is_ever_found(rig: Rig) -> None:
    chosen = chosen_seeds()
    seeds, before = iter(chosen), foreign_hits()
    lives: list[Life] = []

    async def work() -> None:
        for seed in seeds:
            lives.extend(await run_lives(rig, seed))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(SLOTS, len(chosen))):
            group.create_task(work())
    # Where Redis is too slow to hear that an upload has ended, none is kept for a quarter of an hour.
    assert sum(life.answer_kept for life in lives) > len(lives) / 2, "hardly any answer was there to be found"
    assert foreign_hits() == before, "the filter let nothing through that the second guard had to stop"
