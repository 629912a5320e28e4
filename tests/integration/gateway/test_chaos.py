"""Each thing that the gateway depends on is taken away while people work, and comes back.

What they are told, that nobody waits for long, that everything heals by itself, that no document which was
taken in is lost, and that nobody ever sees another tenant's.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tenantry_local.platform import Platform

from tests.support.gateway import foreign_hits, running_gateway
from tests.support.load import Colleague, Load
from tests.support.people import open_people
from tests.support.tenants import ANEW, PLENTY, applied, tenant_manifest
from tests.support.waiting import until

from .conftest import World

TENANTS = ("chaos-a", "chaos-b")
REQUESTS = 3
"""Of each kind, that must have come to an end before a phase is over."""

OK = {"ok"}
AWAY = {"backend-unavailable"}
CLOSED = {"limits-unavailable"}
UNAGREED = {"writes-unavailable"}
ALL_WELL = {"search": OK, "answer": OK, "upload": OK, "list": OK, "models": OK}


@dataclass(frozen=True)
class Outage:
    """A part that is taken away, how, and what people are told meanwhile where it is not ``ok``."""

    part: str
    told: dict[str, set[str]]
    hangs: bool = False


OUTAGES = [
    pytest.param(Outage("redis", {"answer": CLOSED, "upload": UNAGREED}), id="redis"),
    pytest.param(
        Outage("qdrant", {"search": AWAY, "answer": AWAY, "upload": AWAY, "list": AWAY}), id="qdrant"
    ),
    pytest.param(
        Outage("qdrant", {"search": AWAY, "answer": AWAY, "upload": AWAY, "list": AWAY}, hangs=True),
        id="qdrant-hangs",
    ),
    pytest.param(Outage("bedrock", {"search": AWAY, "answer": AWAY, "upload": AWAY}), id="bedrock"),
    pytest.param(Outage("aws", {"upload": AWAY, "list": AWAY}), id="s3"),
    pytest.param(Outage("keycloak", {}), id="keycloak"),
    pytest.param(Outage("kubernetes", {}), id="kubernetes"),
]


@pytest.fixture
async def colleagues(world: World, platform: Platform) -> AsyncIterator[list[Colleague]]:
    """Two people of two tenants, at a gateway of their own."""
    manifests = [
        tenant_manifest(tenant, identity={"emails": [f"*@{tenant}.example"]}, quota=PLENTY, model=ANEW)
        for tenant in TENANTS
    ]
    with applied(platform, *manifests):
        async with running_gateway(platform) as gateway, open_people(platform) as people:
            await until(lambda: all(gateway.context.registry.get(tenant) for tenant in TENANTS))
            colleagues = []
            for tenant in TENANTS:
                await people.add(f"c@{tenant}.example")
                token = await people.token(f"c@{tenant}.example")
                colleagues.append(Colleague(tenant, gateway.http, token))
            yield colleagues


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_is_told_and_heals_and_nothing_is_lost_or_leaked(
    platform: Platform, colleagues: list[Colleague], outage: Outage
) -> None:
    foreign = foreign_hits()
    load = Load(colleagues)
    async with load.running():
        async with load.phase("before"):
            await until(lambda: load.enough("before", REQUESTS), seconds=60)
        async with away(platform, outage), load.phase("away"):
            await until(lambda: load.enough("away", REQUESTS), seconds=90)
        async with load.phase("back"):
            await until(lambda: load.calm("back", REQUESTS), seconds=60)

    assert load.table("before") == ALL_WELL
    assert load.table("away") == ALL_WELL | outage.told
    unexpected = {
        outcome for outcomes in load.outcomes.values() for outcome in outcomes if outcome.status == 500
    }
    assert not unexpected
    for colleague in colleagues:
        await nothing_is_lost(colleague)
    assert_nothing_leaked(colleagues)
    assert foreign_hits() == foreign


async def nothing_is_lost(colleague: Colleague) -> None:
    """Every document that was taken in is found, and every one that was not can be sent again."""
    for name in colleague.refused:
        assert (await colleague.upload(name, f"again{name[5:-3]}")).status_code == 201, name
    for name, word in colleague.uploaded.items():
        found = (await colleague.search(f"The {colleague.marker} of {word}")).json()["passages"]
        assert [each["filename"] for each in found].count(name) == 1, name


def assert_nothing_leaked(colleagues: list[Colleague]) -> None:
    for colleague in colleagues:
        others = [other.marker for other in colleagues if other is not colleague]
        assert not [body for body in colleague.seen if any(marker in body for marker in others)]


class away:  # noqa: N801 (it reads as a verb)
    """Takes a part away while the block runs."""

    def __init__(self, platform: Platform, outage: Outage) -> None:
        self._platform = platform
        self._outage = outage

    async def __aenter__(self) -> None:
        if self._outage.hangs:
            self._signal(signal.SIGSTOP)
        else:
            await asyncio.to_thread(self._platform.stop, self._outage.part)

    async def __aexit__(self, *_: object) -> None:
        if self._outage.hangs:
            self._signal(signal.SIGCONT)
        else:
            await asyncio.to_thread(self._platform.start, self._outage.part)

    def _signal(self, number: signal.Signals) -> None:
        process = self._platform.processes.find(self._outage.part)
        assert process
        os.kill(process.pid, number)
