"""Tests of the cost of requests: no step of the event loop is slow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from file_sync.app import make_app
from file_sync.models import File
from file_sync.planner.models import FileState, FileStatus
from file_sync.settings import Settings
from file_sync.user_files import MAX_FILES, UserFile
from pydantic import SecretStr
from servicekit.web import probes
from tenancy.call_limiter import CallLimiter
from tenancy.identity import Principal

from tests.support.gateway import serving
from tests.support.loop_steps import longest_step
from tests.support.tenants import make_tenant
from tests.unit.gateway.api.conftest import FakeReadiness, FakeRegistry, FakeTokens

STEP_SECONDS = 2 * 0.05
"""Limit of one step, as in the gateway's test."""

LONG = "x" * 15_000
PERSON = {"Authorization": "Bearer person-tenanta"}
HINT = "a-secret-of-sixteen"

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
        ({"X-Tenantry-Hint": HINT}, [], 204),
        ({"X-Tenantry-Hint": LONG}, [], 401),
    ],
    "GET /healthz": [({}, [], 200)],
    "GET /readyz": [({}, [], 200)],
}


class ManyFiles:
    """A list of the longest length."""

    async def list(self, _person: Principal, _token: str, _ids: Sequence[str] | None) -> list[UserFile]:
        file = File(
            id="f",
            owner="o",
            subject="s",
            filename="f" * 250,
            path="p",
            size=1,
            digest="",
            created_at=0,
            updated_at=0,
        )
        return [UserFile(file, FileStatus(FileState.READY, "r" * 500))] * MAX_FILES


def app(calls_per_minute: int = 1_000_000) -> Any:
    settings = Settings(
        database_url=SecretStr("postgresql://postgres.test"),
        files_bucket="files",
        bucket="documents",
        tenant_role_arn="arn:aws:iam::0:role/x",
        gateway_url="http://gateway.test",
        upload_url="http://n8n.test/webhook",
        ticket_key=Path("unused"),
        keycloak_url="http://keycloak.test",
        keycloak_client_secret=SecretStr("unused"),
        oidc_issuer="http://keycloak.test/realms/tenantry",
        hint_secret=SecretStr(HINT),
    )
    made = make_app(settings)
    made.state.context = SimpleNamespace(
        settings=settings,
        registry=FakeRegistry([make_tenant("tenanta"), make_tenant("tenantb")]),
        tokens=FakeTokens(),
        calls=CallLimiter(calls_per_minute),
        files=ManyFiles(),
        leader_elector=SimpleNamespace(broadcast_hint=lambda: None),
        readiness=FakeReadiness(),
    )
    made.router.lifespan_context = lambda _app: nullcontext()
    return made


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(app()) as url:
        yield url


def test_every_operation_has_inputs() -> None:
    paths = app().openapi()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    probed = {f"GET {route.path}" for route in probes.router.routes if isinstance(route, APIRoute)}
    assert INPUTS.keys() == described | probed


@pytest.mark.parametrize(
    ("operation", "sent"), [(operation, each) for operation, inputs in INPUTS.items() for each in inputs]
)
async def test_no_step_of_the_event_loop_is_slow(url: str, operation: str, sent: Input) -> None:
    method, _, path = operation.partition(" ")
    headers, params, status = sent
    best = float("inf")
    for _ in range(3):
        with longest_step() as longest:
            response = await asyncio.to_thread(
                httpx.request, method, f"{url}{path}", headers=headers, params=params
            )
        best = min(best, longest.seconds)
        assert response.status_code == status, response.text
    assert best < STEP_SECONDS


async def test_only_the_tenant_that_calls_too_often_is_refused() -> None:
    transport = httpx.ASGITransport(app(calls_per_minute=6))
    async with httpx.AsyncClient(transport=transport, base_url="http://file-sync.test") as http:
        responses = [await http.get("/v1/files", headers=PERSON) for _ in range(2)]
        assert [response.status_code for response in responses] == [200, 429]
        assert int(responses[1].headers["retry-after"]) >= 1
        other = await http.get("/v1/files", headers={"Authorization": "Bearer person-tenantb"})
        assert other.status_code == 200
