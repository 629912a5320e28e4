"""Tests of n8n calls that outlive their sync run, in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from file_sync.sync.in_flight_calls import LOST_CALL_AGE_SECONDS, WAIT_TIMEOUT_SECONDS, InFlightCalls

from tests.support.timing.clock import simulate


class TimedCall:
    """A call of ``delay`` plus ``seconds`` seconds; its cancellation takes ``cleanup`` seconds."""

    def __init__(self, seconds: float, *, delay: float = 0.0, cleanup: float = 0.0) -> None:
        self.started = asyncio.Event()
        self.is_done = self.is_cancelled = False
        self._seconds = seconds
        self._delay = delay
        self._cleanup = cleanup

    async def __call__(self) -> None:
        try:
            await asyncio.sleep(self._delay)
            self.started.set()
            await asyncio.sleep(self._seconds)
            self.is_done = True
        except asyncio.CancelledError:
            self.is_cancelled = True
            await asyncio.sleep(self._cleanup)
            raise


async def run(calls: InFlightCalls, call: TimedCall, document_id: str = "d1", tenant_id: str = "a") -> None:
    await calls.run(tenant_id, document_id, call(), call.started)


def simulate_test(scenario: Callable[[InFlightCalls], Awaitable[None]]) -> None:
    async def run_with_calls() -> None:
        calls = InFlightCalls()
        await scenario(calls)
        calls.close()

    simulate(run_with_calls())


def test_a_short_call_is_awaited() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        call = TimedCall(WAIT_TIMEOUT_SECONDS - 1)
        await run(calls, call)
        assert call.is_done
        assert calls.list_document_ids("a") == frozenset()

    simulate_test(run_scenario)


def test_an_error_of_a_short_call_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("it failed")

    async def run_scenario(calls: InFlightCalls) -> None:
        with pytest.raises(ValueError, match="it failed"):
            await calls.run("a", "d1", fail(), asyncio.Event())

    simulate_test(run_scenario)


def test_a_long_call_continues_in_the_background_until_it_ends() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        loop, call = asyncio.get_running_loop(), TimedCall(WAIT_TIMEOUT_SECONDS + 10)
        await run(calls, call)
        assert loop.time() == WAIT_TIMEOUT_SECONDS
        assert calls.list_document_ids("a") == {"d1"}
        await asyncio.sleep(11)
        assert call.is_done
        assert calls.list_document_ids("a") == frozenset()

    simulate_test(run_scenario)


def test_a_call_that_has_not_started_is_cancelled() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        call = TimedCall(1, delay=WAIT_TIMEOUT_SECONDS + 1)
        await run(calls, call)
        assert call.is_cancelled
        assert calls.list_document_ids("a") == frozenset()

    simulate_test(run_scenario)


def test_a_call_is_cancelled_with_its_sync_run() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        call = TimedCall(100)
        running = asyncio.create_task(run(calls, call))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(0)
        assert call.is_cancelled

    simulate_test(run_scenario)


def test_documents_of_other_tenants_are_not_listed_or_cancelled() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        own, other = TimedCall(1000), TimedCall(1000)
        await run(calls, own, "d1", "a")
        await run(calls, other, "d1", "b")
        assert calls.list_document_ids("a") == {"d1"}
        calls.cancel_stale("a", waiting=(), indexing=())
        await asyncio.sleep(0)
        assert own.is_cancelled
        assert not other.is_cancelled
        assert calls.list_document_ids("a") == frozenset()
        assert calls.list_document_ids("b") == {"d1"}

    simulate_test(run_scenario)


def test_a_call_for_a_document_that_is_being_indexed_continues_however_old_it_is() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        call = TimedCall(1000)
        await run(calls, call)
        await asyncio.sleep(LOST_CALL_AGE_SECONDS + 1)
        calls.cancel_stale("a", waiting=(), indexing={"d1"})
        await asyncio.sleep(0)
        assert not call.is_cancelled

    simulate_test(run_scenario)


@pytest.mark.parametrize(
    ("age", "is_lost"), [(LOST_CALL_AGE_SECONDS - 1, False), (LOST_CALL_AGE_SECONDS + 1, True)]
)
def test_a_call_for_a_waiting_document_is_lost_after_a_while(age: float, *, is_lost: bool) -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        call = TimedCall(1000)
        await run(calls, call)
        await asyncio.sleep(age - WAIT_TIMEOUT_SECONDS)
        calls.cancel_stale("a", waiting={"d1", "unknown"}, indexing=())
        await asyncio.sleep(0)
        assert call.is_cancelled is is_lost
        assert calls.list_document_ids("a") == (frozenset() if is_lost else {"d1"})

    simulate_test(run_scenario)


def test_the_end_of_a_cancelled_call_does_not_remove_its_successor() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        await run(calls, TimedCall(1000, cleanup=WAIT_TIMEOUT_SECONDS + 1))
        calls.cancel_stale("a", waiting=(), indexing=())
        await run(calls, TimedCall(1000))
        await asyncio.sleep(2)
        assert calls.list_document_ids("a") == {"d1"}

    simulate_test(run_scenario)


def test_close_cancels_all_calls() -> None:
    async def run_scenario(calls: InFlightCalls) -> None:
        started = [TimedCall(1000), TimedCall(1000)]
        for tenant_id, call in zip("ab", started, strict=True):
            await run(calls, call, "d1", tenant_id)
        calls.close()
        await asyncio.sleep(0)
        assert all(call.is_cancelled for call in started)
        assert calls.list_document_ids("a") == calls.list_document_ids("b") == frozenset()

    simulate_test(run_scenario)
