"""Outages for tests: a backend ends or hangs under load, and comes back.

The checks are the problems that users see, the duration of requests, the probes and the recovery. No accepted
document may be lost, and no tenant may see another tenant's data.

A process that hangs (SIGSTOP) is worse than a process that ended. The kernel still accepts connections for
it, so each call costs its whole timeout.
"""

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from servicekit.tasks import run_background_task
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import People, open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.faults.hanging import suspend_parts
from tests.support.faults.load import Load, TenantUser
from tests.support.programs.gateway import RunningGateway, count_cross_tenant_hits, run_gateway
from tests.support.tenants.manifests import PLENTY, UNCACHED, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

PROBES = 30
"""Minimum number of answered probes per outage: about six seconds."""

PROBE_PAUSE_SECONDS = 0.4
"""Pause between two rounds of probes."""

PROBE_SECONDS = 5.0
"""Timeout of a probe in the chart."""

UNAFFECTED_SECONDS = 10.0
"""Maximum duration of a request that does not need the unavailable part, on a busy machine."""

WAIT_SECONDS = 60.0
"""Maximum time for which a document is busy: a lease and a margin."""

REQUESTS = 3
"""Minimum number of completed requests of each kind per phase."""

OK = {"ok"}
UNAVAILABLE = {"backend-unavailable"}
NO_LIMITS = {"limits-unavailable"}
NO_WRITES = {"writes-unavailable"}
ALL_WELL = {"search": OK, "answer": OK, "upload": OK, "list": OK, "models": OK}


@dataclass(frozen=True)
class Outage:
    """An unavailable part, and the problems of each kind of request that is not ``ok`` meanwhile."""

    part: str
    problems: dict[str, set[str]]
    hangs: bool = False


@dataclass(frozen=True)
class OutageTenant:
    """A tenant of the module's gateway, and a token of one of its users."""

    tenant: str
    gateway: RunningGateway
    token: str

    def make_user(self) -> TenantUser:
        """Return the user without a history of requests."""
        return TenantUser(self.tenant, self.gateway.http, self.token)


@pytest.fixture(scope="module")
async def outage_tenants(platform: Platform) -> AsyncIterator[list[OutageTenant]]:
    """Two tenants of a gateway that serves all outages of a module."""
    names = [f"outage-{side}-{secrets.token_hex(3)}" for side in "ab"]  # documents outlive their tenants
    manifests = [
        make_tenant_manifest(
            tenant, identity={"emails": [f"*@{tenant}.example"]}, quota=PLENTY, model=UNCACHED
        )
        for tenant in names
    ]
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        with apply_tenants(platform, *manifests):
            async with run_gateway(platform) as gateway:
                await wait_until(lambda: all(gateway.context.registry.get(tenant) for tenant in names))
                yield [await open_outage_tenant(people, gateway, tenant) for tenant in names]


async def open_outage_tenant(people: People, gateway: RunningGateway, tenant: str) -> OutageTenant:
    """Create a user of a tenant; upload a document, because the first upload starts a reader process."""
    await people.add(f"c@{tenant}.example")
    opened = OutageTenant(tenant, gateway, await people.fetch_token(f"c@{tenant}.example"))
    assert (await opened.make_user().upload("first.md", "first")).status_code == 201
    return opened


@pytest.fixture
def tenant_users(outage_tenants: list[OutageTenant]) -> list[TenantUser]:
    """Two users of two tenants."""
    return [tenant.make_user() for tenant in outage_tenants]


async def check_outage(platform: Platform, tenant_users: list[TenantUser], outage: Outage) -> None:
    """Stop or suspend a part under load, and assert what users see before, meanwhile and afterwards."""
    foreign = count_cross_tenant_hits()
    load = Load(tenant_users)
    async with load.run():
        async with load.record_phase("before"):
            await wait_until(lambda: load.has_recovered("before", REQUESTS), seconds=60)
        async with (
            make_unavailable(platform, outage),
            send_probes(tenant_users[0].http) as asked,
            load.record_phase("away"),
        ):
            await wait_until(lambda: load.has_requests("away", REQUESTS) and len(asked) >= PROBES, seconds=90)
        async with load.record_phase("back"):
            await wait_until(lambda: load.has_recovered("back", REQUESTS), seconds=60)

    assert load.get_outcomes("away") == ALL_WELL | outage.problems
    unexpected = {
        outcome for outcomes in load.outcomes.values() for outcome in outcomes if outcome.status == 500
    }
    assert not unexpected
    assert [
        outcome for outcome in load.outcomes["away"] if outcome.status >= 500 and not outcome.retry_after
    ] == []
    unhurt = [outcome.seconds for outcome in load.outcomes["away"] if outcome.what == "ok"]
    assert max(unhurt) < UNAFFECTED_SECONDS
    for user in tenant_users:
        await assert_nothing_lost(user)
    assert_nothing_leaked(tenant_users)
    assert count_cross_tenant_hits() == foreign


@asynccontextmanager
async def send_probes(http: httpx.AsyncClient) -> AsyncIterator[list[str]]:
    """Send the kubelet's probes while the block runs; each must succeed in time.

    Yield the paths that were probed so far.
    """
    asked: list[str] = []

    async def ask() -> None:
        while True:
            for path in ("/healthz", "/readyz"):
                response = await http.get(path, timeout=PROBE_SECONDS)
                assert response.status_code == 200, response.text
                asked.append(path)
            await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async with run_background_task(ask(), "probes"):
        yield asked


async def assert_nothing_lost(user: TenantUser) -> None:
    """Assert that each accepted document is found and each refused document can be sent again."""
    for name in list(user.refused):
        await wait_until(functools.partial(try_resend, user, name), seconds=WAIT_SECONDS, every=1.0)
    for name, word in user.uploaded.items():
        passages = (await user.search(f"The {user.marker} of {word}")).json()["passages"]
        assert [passage["filename"] for passage in passages].count(name) == 1, name


async def try_resend(user: TenantUser, name: str) -> bool:
    """Send a document again; return False while an interrupted request holds its lease."""
    response = await user.upload(name, f"again{name[5:-3]}")
    assert response.status_code in (201, 409), response.text
    return response.is_success


def assert_nothing_leaked(tenant_users: list[TenantUser]) -> None:
    for user in tenant_users:
        others = [other.marker for other in tenant_users if other is not user]
        assert not [body for body in user.seen if any(marker in body for marker in others)]


@asynccontextmanager
async def make_unavailable(platform: Platform, outage: Outage) -> AsyncIterator[None]:
    """Stop or suspend a part while the block runs."""
    if outage.hangs:
        with suspend_parts(platform, outage.part):
            yield
        return
    await asyncio.to_thread(platform.stop, outage.part)
    try:
        yield
    finally:
        await asyncio.to_thread(platform.start, outage.part)
