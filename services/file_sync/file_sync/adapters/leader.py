"""Which of several replicas compares: the one that holds an advisory lock of Open WebUI's database.

The lock ends with the connection, so a replica that is killed or cut off is followed by another one within
seconds. For a moment there may be two, when one does not notice yet; that costs work twice and nothing else.
Hints reach the one that leads from all of them, as notifications on the same database.
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
from .source import Source

__all__ = ["Leadership"]

LOCK = 0x74656E616E747279
"""``tenantry`` in ASCII: nobody else takes that number by accident."""

CHANNEL = "tenantry_file_sync"

CHECK_SECONDS = 5.0
"""How often we ask for the lock, or, having it, make sure that its connection lives."""


class Leadership:
    """Leads when it can.

    Parameters
    ----------
    source
        Open WebUI's database.
    lead
        What only one replica does; it is cancelled when the lock is lost.
    hint
        Called when any replica was given a hint.
    """

    def __init__(self, source: Source, lead: Callable[[], Awaitable[None]], hint: Callable[[], None]) -> None:
        self._source = source
        self._lead = lead
        self._hint = hint
        self._leads = False
        self._telling: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("file_sync.adapters.leader")

    async def run(self) -> None:
        """Ask for the lock, lead, lose it, for ever."""
        LEADER.set(0)
        while True:
            try:
                async with self._source.connection() as connection:
                    await self._hold(connection)
            except (psycopg.Error, PoolTimeout, TimeoutError) as exc:
                self._log.warning("Cannot hold the lock that lets us lead", error=str(exc).strip())
            await asyncio.sleep(CHECK_SECONDS)

    def pass_on(self) -> None:
        """Pass a hint on to whoever leads; one that is lost costs a poll's pause."""
        if self._leads:
            self._hint()
        elif self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """Give up a hint that is on its way."""
        if self._telling:
            self._telling.cancel()
            await asyncio.wait([self._telling])

    async def _tell(self) -> None:
        with suppress(psycopg.Error, PoolTimeout, TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS), self._source.connection() as connection:
                await connection.execute("select pg_notify(%s, '')", (CHANNEL,))

    async def _hold(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        async with asyncio.timeout(CHECK_SECONDS):
            cursor = await connection.execute("select pg_try_advisory_lock(%s) as held", (LOCK,))
            row = await cursor.fetchone()
        if not row or not row["held"]:
            return
        self._leads = True
        LEADER.set(1)
        self._log.info("This replica leads")
        leading = asyncio.ensure_future(self._lead())
        try:
            await connection.execute(f"listen {CHANNEL}".encode())
            while not leading.done():
                async for _ in connection.notifies(timeout=CHECK_SECONDS, stop_after=1):
                    self._hint()
                async with asyncio.timeout(CHECK_SECONDS):
                    await connection.execute("select 1")
            await leading
        finally:
            self._leads = False
            LEADER.set(0)
            await cancel_and_wait(leading)
            # Not put back into the pool: the lock must go, whatever state the connection is in.
            await connection.close()
