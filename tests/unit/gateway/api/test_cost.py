"""Tests that no request blocks the event loop for long; each operation has worst-case inputs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from gateway.app import make_app
from gateway.limits.tenant_metrics import TenantMetrics
from gateway.limits.usage import Counts, UsageLog
from servicekit.web import probes
from tenancy.call_limiter import CallLimiter
from tenancy.model import Tenant
from tenancy.names import derive_document_id

from tests.support.programs.gateway import serve_app
from tests.support.timing.loop_steps import measure_longest_step

from .conftest import GatewayHarness

STEP_SECONDS = 2 * 0.05
"""Maximum CPU time of one step: 50 ms on an idle machine, doubled for a busy one."""

TRIES = 3
"""Maximum number of attempts of an input, because a cold cache may slow the first attempt."""

PERSON = {"Authorization": "Bearer person-tenanta"}
ADMINISTRATOR = {"Authorization": "Bearer admin-tenanta"}
MEBIBYTE = 1024 * 1024
DOCUMENT_BYTES = 50 * MEBIBYTE
LONG = "x" * 15_000


@dataclass(frozen=True)
class Input:
    """A worst-case request."""

    name: str
    path: str = ""
    headers: dict[str, str] = field(default_factory=lambda: PERSON)
    params: dict[str, Any] | None = None
    content: bytes | None = None
    files: Any = None
    data: Any = None
    status: int = 200


def make_json_input(name: str, content: Any, status: int = 422) -> Input:
    """Return a request with a JSON body."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Input(name, headers={**PERSON, "Content-Type": "application/json"}, content=raw, status=status)


def make_deep_json(size: int) -> bytes:
    return b"[" * size


def make_many_fields(size: int) -> bytes:
    return b"{" + b",".join(b'"%d":0' % number for number in range(size // 10)) + b"}"


QUESTION_BYTES, CHAT_BYTES = 64 * 1024, MEBIBYTE
TURN = {"role": "user", "text": "y" * 4900}
WORD = {"role": "user", "text": "z" * 20_000}
MANY = {str(number): 0 for number in range(400)}
MESSAGE = {"role": "user", "content": "y" * 4900}

INPUTS: dict[str, list[Input]] = {
    "POST /v1/search": [
        make_json_input("deep", make_deep_json(QUESTION_BYTES)),
        make_json_input("unknown fields", make_many_fields(QUESTION_BYTES)),
        make_json_input("spaces", {"query": " " * 60_000}),
        make_json_input("longest question", {"query": "wörd, " * 660, "topK": 50}, 200),
        make_json_input("accents", {"query": "a" + "\u0301" * 3990, "topK": 50}, 200),
        Input("long token", headers={"Authorization": f"Bearer {LONG}"}, content=b"{}", status=401),
    ],
    "POST /v1/answers": [
        make_json_input("deep", make_deep_json(CHAT_BYTES)),
        make_json_input("unknown fields", make_many_fields(CHAT_BYTES)),
        make_json_input("wrong turns", {"question": "x", "history": [0] * 300_000}),
        make_json_input("unknown fields of turns", {"question": "x", "history": [MANY] * 200}),
        make_json_input("long history", {"question": "x", "history": [TURN] * 200}, 200),
        make_json_input(
            "one word",
            {"question": "x" * 4000, "history": [WORD] * 40},
            200,
        ),
    ],
    "POST /v1/chat/completions": [
        make_json_input("deep", make_deep_json(CHAT_BYTES)),
        make_json_input("unknown fields", make_many_fields(CHAT_BYTES)),
        make_json_input("wrong messages", {"model": "finance", "messages": [0] * 300_000}),
        make_json_input(
            "many parts",
            {
                "model": "finance",
                "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 25_000}],
            },
        ),
        make_json_input(
            "many messages",
            {"model": "finance", "messages": [MESSAGE] * 199 + [{"role": "user", "content": "x"}]},
            200,
        ),
    ],
    "GET /v1/models": [Input("long address", params={"x": LONG})],
    "GET /v1/me": [Input("long address", params={"x": LONG})],
    "GET /v1/documents": [
        Input("largest page", params={"limit": 200}),
        Input("long cursor", params={"cursor": "QUFB" * 500}),
        Input("longer cursor", params={"cursor": "A" * 15_000}, status=422),
        Input("huge limit", params={"limit": "9" * 10_000}, status=422),
        Input("repeated", params=[("state", "x")] * 1500, status=422),  # type: ignore[arg-type]
    ],
    "GET /v1/documents/{documentId}": [
        Input("long id", path="/v1/documents/" + "a" * 15_000, status=422),
        Input("long id of signs", path="/v1/documents/" + "%C3%A9" * 2000, status=422),
        Input("unknown", path="/v1/documents/" + "a" * 200, status=404),
    ],
    "DELETE /v1/documents/{documentId}": [
        Input("long id", path="/v1/documents/" + "a" * 15_000, status=422),
        Input(
            "long key",
            path="/v1/documents/" + "a" * 200,
            headers={**PERSON, "Idempotency-Key": "k" * 15_000},
            status=422,
        ),
    ],
    "POST /v1/documents": [
        Input(
            "largest file",
            headers={**PERSON, "Idempotency-Key": "k"},
            files={"file": ("a.txt", b" " * DOCUMENT_BYTES)},
            data={"personaId": "finance"},
            status=422,
        ),
        Input(
            "long name",
            files={"file": ("a" * 5000 + ".txt", b"x")},
            data={"personaId": "finance"},
            status=422,
        ),
        Input("many fields", files=[("file", ("a.txt", b"x"))] * 500, status=422),
    ],
    "GET /v1/trash": [
        Input("largest page", params={"limit": 100}),
        Input("longer cursor", params={"cursor": "A" * 15_000}, status=422),
    ],
    "POST /v1/documents/{documentId}/restore": [
        Input("long id", path="/v1/documents/" + "a" * 15_000 + "/restore", status=422),
        Input("unknown", path="/v1/documents/" + "a" * 200 + "/restore", status=404),
    ],
    "GET /v1/deletions": [Input("long address", headers=ADMINISTRATOR, params={"x": LONG})],
    "POST /v1/deletions/release": [Input("long address", headers=ADMINISTRATOR, params={"x": LONG})],
    "POST /v1/deletions/reject": [Input("long address", headers=ADMINISTRATOR, params={"x": LONG})],
    "GET /v1/usage": [
        Input(
            "all days",
            headers=ADMINISTRATOR,
            params={"from": "0001-01-01", "to": "9999-12-31"},
            status=422,
        ),
        Input("a quarter", headers=ADMINISTRATOR, params={"from": "2026-09-01", "to": "2026-12-01"}),
        Input("long date", headers=ADMINISTRATOR, params={"from": "9" * 15_000, "to": "x"}, status=422),
    ],
    "GET /healthz": [Input("often")],
    "GET /readyz": [Input("often")],
}


class ManyCounts:
    """Fake Redis in which each day has counts of all personas and three models."""

    def __init__(self) -> None:
        models = ("us.anthropic.claude-sonnet-4-6", "amazon.titan-embed-text-v2:0", "own-model")
        self._day = {
            f"persona-{number}|{model}|{name}": "7"
            for number in range(64)
            for model in models
            for name in vars(Counts())
        }

    async def execute(self, _tenant: Tenant, _name: str, *commands: tuple[Any, ...]) -> list[dict[str, str]]:
        await asyncio.sleep(0)  # as a response from the network
        return [dict(self._day) for _ in commands]


@pytest.fixture
async def url(harness: GatewayHarness) -> AsyncIterator[str]:
    """Serve the application with many documents and usage rows."""
    for number in range(200):
        filename = f"{number}-{'f' * 150}.txt"
        document_id = derive_document_id("tenanta", "finance", filename)
        await harness.objects.put(
            harness.registry.tenants[0],
            f"tenant-tenanta/finance/documents/{document_id}/{filename}",
            b"Text.",
            media_type="text/plain",
            owner="x",
        )
    context = harness.app.state.context
    settings = context.settings.model_copy(update={"document_bytes": DOCUMENT_BYTES})
    context.documents._max_bytes = DOCUMENT_BYTES
    app = make_app(settings)
    app.state.context = replace(
        context,
        settings=settings,
        calls=CallLimiter(1_000_000),
        usage=UsageLog(cast("Any", ManyCounts()), TenantMetrics()),
    )
    # Without the lifespan, which would open connections.
    app.router.lifespan_context = lambda _app: nullcontext()
    async with serve_app(app) as url:
        yield url


def list_operations(app: FastAPI) -> set[str]:
    """Return all operations of an application, including undocumented ones."""
    described = {
        f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods
    }
    return described | {f"GET {route.path}" for route in probes.router.routes if isinstance(route, APIRoute)}


def test_every_operation_has_worst_case_inputs(harness: GatewayHarness) -> None:
    assert INPUTS.keys() == list_operations(harness.app)


CASES = [
    pytest.param(operation, request, id=f"{operation}: {request.name}")
    for operation, inputs in INPUTS.items()
    for request in inputs
]


@pytest.mark.parametrize(("operation", "sent"), CASES)
async def test_no_step_of_the_event_loop_exceeds_the_limit(url: str, operation: str, sent: Input) -> None:
    method, _, template = operation.partition(" ")

    def call() -> httpx.Response:
        with httpx.Client(base_url=url, timeout=120) as http:
            return http.request(
                method,
                sent.path or template,
                headers=sent.headers,
                params=sent.params,
                content=sent.content,
                files=sent.files,
                data=sent.data,
            )

    for _ in range(TRIES):
        with measure_longest_step() as longest:
            response = await asyncio.to_thread(call)
        assert response.status_code == sent.status, response.text[:500]
        if longest.seconds < STEP_SECONDS:
            return
    pytest.fail(f"a step took {longest.seconds:.3f} s in each of {TRIES} tries")
