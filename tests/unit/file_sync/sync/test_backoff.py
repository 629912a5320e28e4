"""Tests of the backoff of calls to n8n, in simulated time."""

import asyncio
from typing import Any

import httpx
import pytest
from file_sync.sync.backoff import BackoffGate
from servicekit.errors import BackendUnavailable

from tests.support.timing.clock import simulate

REQUEST = httpx.Request("POST", "http://n8n/webhook/tenantry/upload")


def make_failure(cause: Exception) -> BackendUnavailable:
    error = BackendUnavailable("n8n", "upload", "it failed")
    error.__cause__ = cause
    return error


def make_error_response(status: int, *, problem: str = "", retry_after: str = "") -> BackendUnavailable:
    headers = {"Retry-After": retry_after} if retry_after else {}
    body: dict[str, Any] = {"json": {"type": f"https://tenantry.io/problems/{problem}"}} if problem else {}
    if problem:
        headers["Content-Type"] = "application/problem+json"
    response = httpx.Response(status, headers=headers, request=REQUEST, **body)
    return make_failure(httpx.HTTPStatusError("", request=REQUEST, response=response))


@pytest.mark.parametrize(
    ("error", "own", "others"),
    [
        (make_error_response(429, retry_after="7"), 7, 0),
        (make_error_response(503, retry_after="9"), 9, 9),
        (make_error_response(503, problem="overloaded"), 2, 2),
        (make_error_response(503, retry_after="99999"), 300, 300),
        (make_error_response(503, retry_after="Wed, 21 Oct"), 2, 2),
        (make_error_response(503, problem="tenant-not-ready", retry_after="5"), 5, 0),
        (make_failure(httpx.ConnectError("refused")), 2, 2),
        (make_failure(TimeoutError()), 0, 0),
        (make_failure(httpx.ReadError("cut off")), 0, 0),
        (make_error_response(504), 0, 0),
        (make_error_response(409, problem="document-busy"), 0, 0),
    ],
    ids=[
        "too many calls of one tenant",
        "unavailable",
        "unavailable without Retry-After",
        "a Retry-After beyond the limit",
        "a date as Retry-After",
        "one tenant is not ready",
        "connection refused",
        "timeout of one document",
        "connection cut off",
        "gateway timeout of one document",
        "one document is busy",
    ],
)
def test_a_failure_pauses_only_the_calls_that_it_concerns(
    error: BackendUnavailable, own: float, others: float
) -> None:
    async def run_scenario() -> tuple[float, float]:
        gate = BackoffGate()
        gate.record_failure("a", error)
        return gate.get_retry_after("a"), gate.get_retry_after("b")

    assert simulate(run_scenario()) == (own, others)


def test_concurrent_failures_count_as_one() -> None:
    async def run_scenario() -> list[float]:
        gate, pauses = BackoffGate(), []
        for _ in range(2):
            for _ in range(8):
                gate.record_failure("a", make_failure(httpx.ConnectError("refused")))
            pauses.append(gate.get_retry_after("b"))
            await asyncio.sleep(pauses[-1])
        return pauses

    assert simulate(run_scenario()) == [2, 4]


def test_pauses_double_up_to_a_limit_and_a_success_resets_them() -> None:
    async def run_scenario() -> list[float]:
        gate, pauses = BackoffGate(), []
        for _ in range(6):
            gate.record_failure("a", make_failure(httpx.ConnectError("refused")))
            pauses.append(gate.get_retry_after("b"))
            await asyncio.sleep(pauses[-1])
            assert gate.get_retry_after("b") == 0
        gate.record_success()
        gate.record_failure("a", make_failure(httpx.ConnectError("refused")))
        return [*pauses, gate.get_retry_after("a")]

    assert simulate(run_scenario()) == [2, 4, 8, 16, 30, 30, 2]
