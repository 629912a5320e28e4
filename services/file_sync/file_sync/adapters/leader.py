"""Leader election by an advisory lock of Open WebUI's database.

Only the leader syncs tenants. The lock ends with the connection, so another replica takes over within seconds
after the leader was killed or cut off. For a moment there may be two leaders, until the first leader notices
the loss; then some work is done twice, without harm. Replicas send hints to the leader as notifications of
Postgres.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg
import structlog
from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout
from servicekit.tasks import cancel_and_wait

from ..metrics import LEADER
from .open_webui_database import OpenWebUIDatabase

__all__ = ["LeaderElector"]

LOCK_ID = 0x74656E616E747279
"""The bytes of ``tenantry`` in ASCII, so that no other program uses this number by accident."""

CHANNEL = "tenantry_file_sync"

CHECK_INTERVAL_SECONDS = 5.0
"""Interval between two attempts to get the lock, and between two checks of the leader's connection."""


class LeaderElector:
    """Competes for the lock, and runs the leader's work while this replica holds the lock.

    Parameters
    ----------
    database
        Open WebUI's database.
    run_as_leader
        Work of the leader; it is cancelled when the lock is lost.
    on_hint
        Called on the leader when any replica received a hint.
    """

    def __init__(
        self,
        database: OpenWebUIDatabase,
        run_as_leader: Callable[[], Awaitable[None]],
        on_hint: Callable[[], None],
    ) -> None:
        self._database = database
        self._run_as_leader = run_as_leader
        self._on_hint = on_hint
        self._is_leader = False
        self._notification: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("file_sync.adapters.leader")

    async def run(self) -> None:
        """Compete for the lock until cancelled, also after this replica lost the lock."""
        LEADER.set(0)
        while True:
            try:
                async with self._database.acquire_connection() as connection:
                    await self._hold_lock(connection)
            except (psycopg.Error, PoolTimeout, TimeoutError) as exc:
                self._log.warning("Cannot hold the leader's lock", error=str(exc).strip())
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    def broadcast_hint(self) -> None:
        """Send a hint to the leader; a lost hint delays the sync by one poll."""
        if self._is_leader:
            self._on_hint()
        elif self._notification is None or self._notification.done():
            self._notification = asyncio.create_task(self._notify_leader())

    async def close(self) -> None:
        """Cancel a hint that is being sent."""
        if self._notification:
            self._notification.cancel()
            await asyncio.wait([self._notification])

    async def _notify_leader(self) -> None:
        with suppress(psycopg.Error, PoolTimeout, TimeoutError):
            async with (
                asyncio.timeout(CHECK_INTERVAL_SECONDS),
                self._database.acquire_connection() as connection,
            ):
                await connection.execute("select pg_notify(%s, '')", (CHANNEL,))

    async def _hold_lock(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        async with asyncio.timeout(CHECK_INTERVAL_SECONDS):
            cursor = await connection.execute("select pg_try_advisory_lock(%s) as held", (LOCK_ID,))
            row = await cursor.fetchone()
        if not row or not row["held"]:
            return
        self._is_leader = True
        LEADER.set(1)
        self._log.info("This replica is the leader")
        leading = asyncio.ensure_future(self._run_as_leader())
        try:
            await connection.execute(f"listen {CHANNEL}".encode())
            while not leading.done():
                async for _ in connection.notifies(timeout=CHECK_INTERVAL_SECONDS, stop_after=1):
                    self._on_hint()
                async with asyncio.timeout(CHECK_INTERVAL_SECONDS):
                    await connection.execute("select 1")
            await leading
        finally:
            self._is_leader = False
            LEADER.set(0)
            await cancel_and_wait(leading)
            # Close the connection instead of returning it to the pool, so that the lock ends in any case.
            await connection.close()
