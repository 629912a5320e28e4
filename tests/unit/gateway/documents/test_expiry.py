"""Tests of the expiry of the trash."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from gateway.documents.expiry import TrashExpiry
from servicekit.errors import BackendUnavailable
from servicekit.tasks import run_background_task
from tenancy.model import Tenant

from tests.support.tenants.manifests import make_tenant
from tests.support.timing.waiting import wait_until

if TYPE_CHECKING:
    from gateway.documents.trash import Trash
    from gateway.redis import TenantRedis

A, B, LEAVING = make_tenant("tenanta"), make_tenant("tenantb"), make_tenant("leaving", deleting=True)


class FakeTrash:
    """Records the tenants whose trash is expired."""

    def __init__(self, retention: timedelta = timedelta(days=30)) -> None:
        self.retention = retention
        self.expired: list[str] = []
        self.fails: Exception | None = None

    async def expire(self, tenant: Tenant) -> int:
        self.expired.append(tenant.id)
        if self.fails:
            raise self.fails
        return 1


class FakeExpiryKeys:
    """Fake Redis that sets a key only if it does not exist."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.milliseconds = 0

    async def execute(self, tenant: Tenant, operation: str, command: tuple[Any, ...]) -> list[Any]:
        verb, key, _, only_new, _, self.milliseconds = command
        assert (verb, only_new) == ("SET", "NX")
        if key in self.keys:
            return [None]
        self.keys.add(key)
        return [True]


def make_expiry(trash: FakeTrash, redis: FakeExpiryKeys, *tenants: Tenant) -> TrashExpiry:
    return TrashExpiry(lambda: tenants, cast("TenantRedis", redis), cast("Trash", trash))


async def test_one_gateway_sweeps_a_tenant_in_each_interval() -> None:
    trash, redis = FakeTrash(), FakeExpiryKeys()
    for _ in range(2):
        await make_expiry(trash, redis, A).sweep(A)
    assert trash.expired == ["tenanta"]


@pytest.mark.parametrize(
    ("retention", "milliseconds"),
    [(timedelta(days=30), 3_600_000), (timedelta(minutes=10), 6_000), (timedelta(seconds=5), 1_000)],
)
async def test_the_interval_is_a_hundredth_of_the_retention_within_bounds(
    retention: timedelta, milliseconds: int
) -> None:
    trash, redis = FakeTrash(retention), FakeExpiryKeys()
    await make_expiry(trash, redis, A).sweep(A)
    assert redis.milliseconds == milliseconds


@pytest.mark.parametrize(
    "failure", [BackendUnavailable("s3", "expire", "down"), RuntimeError("a fault of ours")]
)
async def test_one_tenants_failure_does_not_stop_the_expiry_of_others(failure: Exception) -> None:
    trash = FakeTrash()
    trash.fails = failure
    expiry = make_expiry(trash, FakeExpiryKeys(), A, B)
    for tenant in (A, B):
        await expiry.sweep(tenant)
    assert trash.expired == ["tenanta", "tenantb"]


async def test_the_expiry_runs_in_a_loop_and_skips_deleted_tenants() -> None:
    trash = FakeTrash()
    async with run_background_task(make_expiry(trash, FakeExpiryKeys(), A, LEAVING, B).run(), "trash-expiry"):
        await wait_until(lambda: len(trash.expired) == 2)
    assert trash.expired == ["tenanta", "tenantb"]
