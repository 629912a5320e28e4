"""Expiry of the trash: deletes expired records and embeddings of removed documents.

Every gateway runs the expiry. A key in Redis makes sure that only one gateway sweeps a tenant in each
interval. The contents of removed documents are noncurrent object versions, which the bucket's lifecycle rule
deletes.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NoReturn

import structlog
from servicekit.errors import TenantryError
from tenancy.model import Tenant
from tenancy.names import build_trash_sweep_key

from ..metrics import TRASH_EXPIRED
from ..redis import TenantRedis
from .trash import Trash

__all__ = ["TrashExpiry"]

SWEEPS_PER_RETENTION = 100
"""Number of sweeps during the retention, unless the bounds change the interval."""

SWEEP_INTERVAL_BOUNDS = (timedelta(seconds=1), timedelta(hours=1))
"""Shortest and longest interval."""


class TrashExpiry:
    """Deletes expired trash of all tenants in each interval.

    Parameters
    ----------
    tenants
        Function that returns all Tenants.
    """

    def __init__(self, tenants: Callable[[], Sequence[Tenant]], redis: TenantRedis, trash: Trash) -> None:
        self._tenants = tenants
        self._redis = redis
        self._trash = trash
        shortest, longest = SWEEP_INTERVAL_BOUNDS
        self._interval = min(max(trash.retention / SWEEPS_PER_RETENTION, shortest), longest)
        self._log = structlog.get_logger("gateway.documents")

    async def run(self) -> NoReturn:
        """Sweep in each interval; failures are logged and do not end the loop."""
        while True:
            for tenant in self._tenants():
                if not tenant.deleting:
                    await self.sweep(tenant)
            await asyncio.sleep(self._interval.total_seconds())

    async def sweep(self, tenant: Tenant) -> None:
        """Delete a tenant's expired trash, unless another gateway has done so in this interval."""
        try:
            if await self._is_due(tenant):
                TRASH_EXPIRED.inc(await self._trash.expire(tenant))
        except TenantryError as exc:
            self._log.warning("Cannot delete expired trash; retrying", tenant=tenant.key, error=str(exc))
        except Exception:  # noqa: BLE001 (one tenant's failure must not stop the expiry of others)
            self._log.exception("Unexpected error while deleting expired trash", tenant=tenant.key)

    async def _is_due(self, tenant: Tenant) -> bool:
        milliseconds = round(self._interval.total_seconds() * 1000)
        command = ("SET", build_trash_sweep_key(tenant.id, tenant.uid), 1, "NX", "PX", milliseconds)
        (acquired,) = await self._redis.execute(tenant, "acquire-trash-sweep-lease", command)
        return bool(acquired)
