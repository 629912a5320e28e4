"""Tests of the cost of requests: no step of the event loop is slow."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from file_sync.user_files import MAX_FILES
from servicekit.web import probes

from tests.support.programs.gateway import serve_app
from tests.support.timing.loop_steps import measure_longest_step

from .conftest import HINT_SECRET, make_fake_app

TRIES = 3
"""Maximum number of attempts for one input. One fast attempt suffices: the first may have a cold cache."""

STEP_SECONDS = 2 * 0.05
"""Longest duration of one step, equal to the limit in the gateway's test."""

LONG = "x" * 15_000
PERSON = {"Authorization": "Bearer person-tenanta"}

Input = tuple[dict[str, str], list[tuple[str, Any]], int]
INPUTS: dict[str, list[Input]] = {
    "GET /v1/files": [
        (PERSON, [], 200),
        (PERSON, [("id", "a" * 64)] * MAX_FILES, 200),
        (PERSON, [("id", "!")] * 3000, 422),
        (PERSON, [("id", LONG)], 422),
        ({"Authorization": f"Bearer {LONG}"}, [], 401),
    ],
    "POST /v1/hints": [
        ({"X-Tenantry-Hint": HINT_SECRET}, [], 204),
        ({"X-Tenantry-Hint": LONG}, [], 401),
    ],
    "GET /healthz": [({}, [], 200)],
    "GET /readyz": [({}, [], 200)],
}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_app(make_fake_app()) as url:
        yield url


def test_every_operation_has_inputs() -> None:
    paths = make_fake_app().openapi()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    probed = {f"GET {route.path}" for route in probes.router.routes if isinstance(route, APIRoute)}
    assert INPUTS.keys() == described | probed


@pytest.mark.parametrize(
    ("operation", "sent"), [(operation, each) for operation, inputs in INPUTS.items() for each in inputs]
)
async def test_no_step_of_the_event_loop_is_slow(url: str, operation: str, sent: Input) -> None:
    method, _, path = operation.partition(" ")
    headers, params, status = sent
    for _ in range(TRIES):
        with measure_longest_step() as longest:
            response = await asyncio.to_thread(
                httpx.request, method, f"{url}{path}", headers=headers, params=params
            )
        assert response.status_code == status, response.text
        if longest.seconds < STEP_SECONDS:
            return
    pytest.fail(f"a step took {longest.seconds:.3f} s in each of {TRIES} tries")


async def test_only_the_tenant_that_calls_too_often_is_refused() -> None:
    transport = httpx.ASGITransport(make_fake_app(calls_per_minute=6))
    async with httpx.AsyncClient(transport=transport, base_url="http://file-sync.test") as http:
        responses = [await http.get("/v1/files", headers=PERSON) for _ in range(2)]
        assert [response.status_code for response in responses] == [200, 429]
        assert int(responses[1].headers["retry-after"]) >= 1
        other = await http.get("/v1/files", headers={"Authorization": "Bearer person-tenantb"})
        assert other.status_code == 200
