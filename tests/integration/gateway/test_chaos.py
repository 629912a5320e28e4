"""Each thing that the gateway depends on ends, or hangs, while people work, and comes back.

What they are told, that nobody waits for long, that the kubelet's probes are answered, that everything
heals by itself, that no document which was taken in is lost, and that nobody ever sees another tenant's.

A process that hangs (SIGSTOP) is the worse of the two: the kernel goes on taking connections for it, so each
call costs its whole timeout.
"""

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from servicekit.tasks import background_task
from tenantry_local.platform import Platform

from tests.support.gateway import foreign_hits, running_gateway
from tests.support.hanging import hanging
from tests.support.load import Colleague, Load
from tests.support.people import open_people
from tests.support.tenants import PLENTY, UNCACHED, applied, tenant_manifest
from tests.support.waiting import until

from .conftest import World

PROBES = 60
"""Of the kubelet's questions that must have been answered: some six seconds of them."""

PROBE_SECONDS = 5.0
"""How long the chart lets the kubelet wait for a probe."""

UNHURT_SECONDS = 10.0
"""Longest that a request takes which does without what is away, on a machine that has much else to do."""

PATIENCE_SECONDS = 60.0
"""Longest that a document is busy: as long as a lease lasts, and somewhat more."""

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


TOLD: dict[str, dict[str, set[str]]] = {
    "redis": {"answer": CLOSED, "upload": UNAGREED},
    "qdrant": {"search": AWAY, "answer": AWAY, "upload": AWAY, "list": AWAY},
    "bedrock": {"search": AWAY, "answer": AWAY, "upload": AWAY},
    "aws": {"upload": AWAY, "list": AWAY},
    "keycloak": {},
    "kubernetes": {},
}
"""What people are told while a part is away where it is not ``ok``, by the kind of request."""

OUTAGES = [
    pytest.param(Outage(part, told, hangs=hangs), id=f"{part}-{'hangs' if hangs else 'ends'}")
    for part, told in TOLD.items()
    for hangs in (False, True)
]


@pytest.fixture
async def colleagues(world: World, platform: Platform) -> AsyncIterator[list[Colleague]]:
    """Two people of two tenants, at a gateway of their own."""
    names = [f"chaos-{side}-{secrets.token_hex(3)}" for side in "ab"]  # documents outlive their tenants
    manifests = [
        tenant_manifest(tenant, identity={"emails": [f"*@{tenant}.example"]}, quota=PLENTY, model=UNCACHED)
        for tenant in names
    ]
    with applied(platform, *manifests):
        async with running_gateway(platform) as gateway, open_people(platform) as people:
            await until(lambda: all(gateway.context.registry.get(tenant) for tenant in names))
            colleagues = []
            for tenant in names:
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
        async with (
            away(platform, outage),
            probed(colleagues[0].http) as asked,
            load.phase("away"),
        ):
            await until(lambda: load.enough("away", REQUESTS) and len(asked) >= PROBES, seconds=90)
        async with load.phase("back"):
            await until(lambda: load.calm("back", REQUESTS), seconds=60)

    assert load.table("before") == ALL_WELL
    assert load.table("away") == ALL_WELL | outage.told
    unexpected = {
        outcome for outcomes in load.outcomes.values() for outcome in outcomes if outcome.status == 500
    }
    assert not unexpected
    assert [each for each in load.outcomes["away"] if each.status >= 500 and not each.retry_after] == []
    unhurt = [each.seconds for each in load.outcomes["away"] if each.what == "ok"]
    assert max(unhurt) < UNHURT_SECONDS
    for colleague in colleagues:
        await nothing_is_lost(colleague)
    assert_nothing_leaked(colleagues)
    assert foreign_hits() == foreign


@asynccontextmanager
async def probed(http: httpx.AsyncClient) -> AsyncIterator[list[str]]:
    """Ask what the kubelet asks for as long as the block runs; each answer is good, and in time.

    Yield the paths that were asked for so far.
    """
    asked: list[str] = []

    async def ask() -> None:
        while True:
            for path in ("/healthz", "/readyz"):
                response = await http.get(path, timeout=PROBE_SECONDS)
                assert response.status_code == 200, response.text
                asked.append(path)
            await asyncio.sleep(0.2)

    async with background_task(ask(), "probes"):
        yield asked


async def nothing_is_lost(colleague: Colleague) -> None:
    """Every document that was taken in is found, and every one that was not can be sent again."""
    for name in list(colleague.refused):
        await until(functools.partial(sent_again, colleague, name), seconds=PATIENCE_SECONDS, every=1.0)
    for name, word in colleague.uploaded.items():
        found = (await colleague.search(f"The {colleague.marker} of {word}")).json()["passages"]
        assert [each["filename"] for each in found].count(name) == 1, name


async def sent_again(colleague: Colleague, name: str) -> bool:
    """Send a document again; false while one of the requests that nobody answered holds its lease."""
    response = await colleague.upload(name, f"again{name[5:-3]}")
    assert response.status_code in (201, 409), response.text
    return response.is_success


def assert_nothing_leaked(colleagues: list[Colleague]) -> None:
    for colleague in colleagues:
        others = [other.marker for other in colleagues if other is not colleague]
        assert not [body for body in colleague.seen if any(marker in body for marker in others)]


@asynccontextmanager
async def away(platform: Platform, outage: Outage) -> AsyncIterator[None]:
    """Take a part away while the block runs."""
    if outage.hangs:
        with hanging(platform, outage.part):
            yield
        return
    await asyncio.to_thread(platform.stop, outage.part)
    try:
        yield
    finally:
        await asyncio.to_thread(platform.start, outage.part)
