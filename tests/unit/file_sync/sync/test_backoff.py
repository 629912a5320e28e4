"""Who is left alone, for how long, and whom that concerns. In simulated time."""

import asyncio
from typing import Any

import httpx
import pytest
from file_sync.sync.backoff import Door
from servicekit.errors import RemoteUnavailable

from tests.support.clock import simulate

REQUEST = httpx.Request("POST", "http://n8n/webhook/tenantry/upload")


def failure(cause: Exception) -> RemoteUnavailable:
    error = RemoteUnavailable("n8n", "upload", "it failed")
    error.__cause__ = cause
    return error


def answer(status: int, *, problem: str = "", retry_after: str = "") -> RemoteUnavailable:
    headers = {"Retry-After": retry_after} if retry_after else {}
    body: dict[str, Any] = {"json": {"type": f"https://tenantry.io/problems/{problem}"}} if problem else {}
    if problem:
        headers["Content-Type"] = "application/problem+json"
    response = httpx.Response(status, headers=headers, request=REQUEST, **body)
    return failure(httpx.HTTPStatusError("", request=REQUEST, response=response))


@pytest.mark.parametrize(
    ("error", "own", "others"),
    [
        (answer(429, retry_after="7"), 7, 0),
        (answer(503, retry_after="9"), 9, 9),
        (answer(503, problem="overloaded"), 2, 2),
        (answer(503, retry_after="99999"), 300, 300),
        (answer(503, retry_after="Wed, 21 Oct"), 2, 2),
        (answer(503, problem="tenant-not-ready", retry_after="5"), 5, 0),
        (failure(httpx.ConnectError("refused")), 2, 2),
        (failure(TimeoutError()), 0, 0),
        (failure(httpx.ReadError("cut off")), 0, 0),
        (answer(504), 0, 0),
        (answer(409, problem="document-busy"), 0, 0),
    ],
    ids=[
        "too many of one tenant",
        "away",
        "away for an unknown time",
        "no pause is endless",
        "a date is no number",
        "one tenant is not ready",
        "nobody listens",
        "one document takes too long",
        "one call was cut off",
        "one document took too long behind it",
        "one document is busy",
    ],
)
def test_for_whom_the_door_closes(error: RemoteUnavailable, own: float, others: float) -> None:
    async def scenario() -> tuple[float, float]:
        door = Door()
        door.failed("a", error)
        return door.closed_for("a"), door.closed_for("b")

    assert simulate(scenario()) == (own, others)


def test_calls_that_fail_side_by_side_are_one_failure() -> None:
    async def scenario() -> list[float]:
        door, pauses = Door(), []
        for _ in range(2):
            for _ in range(8):
                door.failed("a", failure(httpx.ConnectError("refused")))
            pauses.append(door.closed_for("b"))
            await asyncio.sleep(pauses[-1])
        return pauses

    assert simulate(scenario()) == [2, 4]


def test_pauses_grow_while_somebody_stays_away_and_begin_anew_when_they_are_back() -> None:
    async def scenario() -> list[float]:
        door, pauses = Door(), []
        for _ in range(6):
            door.failed("a", failure(httpx.ConnectError("refused")))
            pauses.append(door.closed_for("b"))
            await asyncio.sleep(pauses[-1])
            assert door.closed_for("b") == 0
        door.worked()
        door.failed("a", failure(httpx.ConnectError("refused")))
        return [*pauses, door.closed_for("a")]

    assert simulate(scenario()) == [2, 4, 8, 16, 30, 30, 2]
