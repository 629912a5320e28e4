"""Tests of leader election, with a fake database and simulated time. Integration tests use the real lock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
from file_sync.adapters.leader import CHANNEL, CHECK_INTERVAL_SECONDS, LOCK_ID, LeaderElector
from file_sync.metrics import LEADER

from tests.support.timing.clock import simulate


class FakeDatabase:
    """A database with one advisory lock, whose connections can be cut."""

    def __init__(self) -> None:
        self.is_held_elsewhere = False
        self.is_cut = False
        self.closed = 0
        self.notifications: asyncio.Queue[str] = asyncio.Queue()
        self.sent: list[tuple[str, ...]] = []
        self.locks: list[int] = []

    @asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator["FakeDatabase"]:
        yield self

    async def execute(self, statement: str | bytes, values: tuple[Any, ...] = ()) -> "FakeDatabase":
        if self.is_cut:
            raise psycopg.OperationalError("the connection is cut")
        if "pg_try_advisory_lock" in str(statement):
            self.locks.append(values[0])
        if "pg_notify" in str(statement):
            self.sent.append(values)
        return self

    async def fetchone(self) -> dict[str, bool]:
        return {"held": not self.is_held_elsewhere}

    async def notifies(self, *, timeout: float, stop_after: int) -> AsyncIterator[str]:  # noqa: ASYNC109 (psycopg's name)
        assert stop_after == 1
        try:
            async with asyncio.timeout(timeout):
                yield await self.notifications.get()
        except TimeoutError:
            return

    async def close(self) -> None:
        self.closed += 1


class LeaderHarness:
    """An elector on a fake database; the harness records when the elector leads, and the received hints."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.terms: list[str] = []
        self.hints = 0
        self.elector = LeaderElector(cast("Any", self.database), self._lead, self._record_hint)

    async def _lead(self) -> None:
        self.terms.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            self.terms.append("ended")

    def _record_hint(self) -> None:
        self.hints += 1


def simulate_elector(scenario: Callable[[LeaderHarness], Awaitable[None]]) -> LeaderHarness:
    async def run_with_elector() -> LeaderHarness:
        harness = LeaderHarness()
        running = asyncio.create_task(harness.elector.run())
        try:
            await scenario(harness)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await harness.elector.close()
        return harness

    return simulate(run_with_elector())


def is_leader() -> bool:
    return bool(LEADER._value.get())


def test_the_replica_that_gets_the_lock_leads() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        LEADER.set(7)
        await asyncio.sleep(1)
        assert is_leader()
        assert harness.terms == ["began"]
        assert harness.database.locks == [LOCK_ID]

    harness = simulate_elector(run_scenario)
    assert not is_leader(), "the gauge is reset at the end"
    assert harness.terms == ["began", "ended"]


def test_a_replica_without_the_lock_tries_again_and_is_no_leader() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        harness.database.is_held_elsewhere = True
        LEADER.set(7)
        await asyncio.sleep(2.5 * CHECK_INTERVAL_SECONDS)
        assert not is_leader()
        assert harness.terms == []
        assert len(harness.database.locks) == 3
        harness.database.is_held_elsewhere = False
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)
        assert is_leader()

    simulate_elector(run_scenario)


def test_a_leader_whose_connection_is_cut_stops_and_competes_again() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        await asyncio.sleep(1)
        harness.database.is_cut = True
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)
        assert not is_leader()
        assert harness.terms == ["began", "ended"]
        assert harness.database.closed == 1, "the lock ends with the connection"
        harness.database.is_cut = False
        await asyncio.sleep(2 * CHECK_INTERVAL_SECONDS)
        assert is_leader()
        assert harness.terms == ["began", "ended", "began"]

    simulate_elector(run_scenario)


def test_the_leader_receives_hints_of_all_replicas() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        await asyncio.sleep(1)
        harness.elector.broadcast_hint()
        assert harness.hints == 1
        assert harness.database.sent == []
        harness.database.notifications.put_nowait("hint")
        await asyncio.sleep(0.1)
        assert harness.hints == 2

    simulate_elector(run_scenario)


def test_another_replica_sends_a_hint_to_the_leader_once_at_a_time() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        harness.database.is_held_elsewhere = True
        await asyncio.sleep(1)
        for _ in range(3):
            harness.elector.broadcast_hint()
        await asyncio.sleep(0.1)
        assert harness.database.sent == [(CHANNEL,)]
        assert harness.hints == 0
        harness.elector.broadcast_hint()
        await asyncio.sleep(0.1)
        assert len(harness.database.sent) == 2

    simulate_elector(run_scenario)


def test_a_hint_that_cannot_be_sent_is_dropped() -> None:
    async def run_scenario(harness: LeaderHarness) -> None:
        harness.database.is_held_elsewhere = True
        await asyncio.sleep(1)
        harness.database.is_cut = True
        harness.elector.broadcast_hint()
        await asyncio.sleep(0.1)
        assert harness.database.sent == []

    simulate_elector(run_scenario)
