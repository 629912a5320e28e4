"""Tests of the request middleware: ids, limits, timings, logs and metrics."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
from gateway.app import make_app
from gateway.concurrency import ConcurrencyLimiter
from gateway.metrics import REQUEST_SECONDS
from servicekit import deadline
from servicekit.web import middleware
from servicekit.web.middleware import RequestMiddleware, RouteLimits
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import LogCapture
from tenancy.call_limiter import CallLimiter
from tenancy.tickets import Ticket, TicketAction

from tests.support.pytest_setup.logs import configure_plain_logs
from tests.support.tenants.manifests import make_uid

from .conftest import GatewayHarness


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    capture = LogCapture()
    processors: list[structlog.types.Processor] = [structlog.contextvars.merge_contextvars, capture]
    structlog.configure(processors=processors, cache_logger_on_first_use=False)
    yield capture
    configure_plain_logs()


def count_requests(**labels: str) -> float:
    return sum(
        sample.value
        for metric in REQUEST_SECONDS.collect()
        for sample in metric.samples
        if sample.name.endswith("_count") and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("given", ["abc-123", "A.b_C", "x" * 64])
async def test_a_valid_request_id_is_kept(harness: GatewayHarness, given: str) -> None:
    response = await harness.http.get("/healthz", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "ä", "a\tb", None])
async def test_an_invalid_request_id_is_replaced(harness: GatewayHarness, given: str | None) -> None:
    headers = [] if given is None else [(b"X-Request-ID", given.encode())]
    response = await harness.http.get("/healthz", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


async def test_a_search_reports_its_stages(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/search", json={"query": "x"})
    stages = [part.split(";dur=")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == ["auth", "limit", "embed", "search", "total"]


async def test_an_answer_reports_the_model_as_a_stage(harness: GatewayHarness) -> None:
    await harness.upload()
    response = await harness.post("/v1/answers", json={"question": "What is the budget?"})
    assert "model;dur=" in response.headers["server-timing"]


async def test_a_too_large_body_is_refused_before_it_is_read(harness: GatewayHarness) -> None:
    sent = 0

    async def send_ten_megabytes() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 10_000

    response = await harness.post("/v1/search", content=send_ten_megabytes())
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert sent < 10


async def test_requests_are_logged_with_the_tenant_and_without_contents(
    harness: GatewayHarness, logs: LogCapture
) -> None:
    await harness.upload(name="secret-name.md", content=b"Secret content.")
    await harness.http.post(
        "/v1/answers",
        json={"question": "A secret question?"},
        headers={"Authorization": "Bearer person-tenanta", "X-Request-ID": "r-1"},
    )
    line = logs.entries[-1]
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "Request served",
        "log_level": "info",
        "method": "POST",
        "route": "/v1/answers",
        "status": 200,
        "tenant": "tenant-tenanta",
        "request_id": "r-1",
    }
    assert "ecret" not in str(logs.entries)
    assert "person-tenanta" not in str(logs.entries)


async def test_log_lines_have_no_values_of_an_earlier_request(
    harness: GatewayHarness, logs: LogCapture
) -> None:
    await harness.post("/v1/search", json={"query": "x"})
    await harness.http.get("/healthz")
    assert "tenant" not in logs.entries[-1]


async def test_an_unexpected_error_is_logged_under_the_requests_id(
    harness: GatewayHarness, logs: LogCapture
) -> None:
    harness.bedrock.fails = KeyError("x")
    response = await harness.post("/v1/search", json={"query": "x"})
    unexpected = next(entry for entry in logs.entries if entry["event"] == "Unexpected error")
    assert unexpected["request_id"] == response.headers["x-request-id"]
    assert unexpected["exc_info"]


async def test_unknown_paths_and_methods_share_one_label(harness: GatewayHarness) -> None:
    before = count_requests(route="unmatched", method="OTHER", status="4xx")
    for number in range(3):
        await harness.http.request(f"MADEUP{number}", f"/made/up/{number}")
    assert count_requests(route="unmatched", method="OTHER", status="4xx") - before == 3


async def test_the_label_of_a_route_is_its_template(harness: GatewayHarness) -> None:
    before = count_requests(route="/v1/search", method="POST", status="4xx")
    await harness.post("/v1/search", json={})
    assert count_requests(route="/v1/search", method="POST", status="4xx") - before == 1


@pytest.mark.parametrize(("path", "status"), [("/v1/documents", 200), ("/v1/usage", 403), ("/nowhere", 404)])
async def test_responses_must_not_be_cached_or_sniffed(
    harness: GatewayHarness, path: str, status: int
) -> None:
    response = await harness.http.get(path, headers={"Authorization": "Bearer person-tenanta"})
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_the_log_has_the_callers_trace_id(harness: GatewayHarness, logs: LogCapture) -> None:
    await harness.http.get("/healthz", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert logs.entries[-1]["trace_id"] == TRACE


async def test_a_malformed_trace_is_ignored(harness: GatewayHarness, logs: LogCapture) -> None:
    await harness.http.get("/healthz", headers={"traceparent": "00-secret-words-01"})
    assert "trace_id" not in logs.entries[-1]


def make_limited_client(
    app: ASGIApp, *, seconds: float = 60, limiter: ConcurrencyLimiter | None = None
) -> httpx.AsyncClient:
    """Return a client of an application with only the middleware."""
    limiter = limiter or ConcurrencyLimiter("test", max_concurrent=1, max_waiting=0, wait_seconds=1)

    async def handle_admitted(scope: Scope, receive: Receive, send: Send) -> None:
        await scope["state"]["admit"]("tenant-a")
        await app(scope, receive, send)

    served = RequestMiddleware(
        handle_admitted,
        service="gateway",
        durations=REQUEST_SECONDS,
        limits={},
        default=RouteLimits(seconds, 1000, limiter.acquire),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://gateway.test")


async def test_a_request_beyond_its_deadline_is_504(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "CANCEL_DELAY_SECONDS", 0)

    async def hang(*_: Any) -> None:
        await asyncio.sleep(60)

    async with make_limited_client(hang, seconds=0.01) as http:
        response = await http.get("/v1/search")
    assert response.status_code == 504
    assert response.json()["type"].endswith("/deadline-exceeded")


async def test_handlers_see_the_deadline() -> None:
    left: list[float | None] = []

    async def read_deadline(scope: Scope, receive: Receive, send: Send) -> None:
        left.append(deadline.get_remaining_seconds())
        await PlainTextResponse("")(scope, receive, send)

    async with make_limited_client(read_deadline, seconds=30) as http:
        await http.get("/v1/search")
    assert left[0] is not None
    assert 29 < left[0] <= 30


async def test_a_request_above_the_limit_is_503_and_not_processed() -> None:
    served = 0
    begun, release = asyncio.Event(), asyncio.Event()

    async def handle_slowly(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal served
        served += 1
        begun.set()
        await release.wait()
        await PlainTextResponse("")(scope, receive, send)

    async with make_limited_client(handle_slowly) as http:
        first = asyncio.create_task(http.get("/v1/search"))
        await begun.wait()
        second = await http.get("/v1/search")
        release.set()
        assert (await first).status_code == 200
    assert (second.status_code, served) == (503, 1)
    assert second.json()["type"].endswith("/overloaded")
    assert int(second.headers["retry-after"]) >= 1


async def test_probes_are_answered_under_full_load(harness: GatewayHarness) -> None:
    settings = harness.app.state.context.settings.model_copy(
        update={"request_concurrency": 1, "request_queue": 0}
    )
    app = make_app(settings)
    app.state.context = harness.app.state.context
    release, hanging = asyncio.Event(), asyncio.Event()

    async def hang(_: str) -> None:
        hanging.set()
        await release.wait()

    harness.bedrock.before_embedding = hang
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
        headers = {"Authorization": "Bearer person-tenanta"}
        search = asyncio.create_task(http.post("/v1/search", json={"query": "x"}, headers=headers))
        await hanging.wait()
        assert (await http.get("/v1/models", headers=headers)).status_code == 503
        for path in ("/healthz", "/readyz"):
            assert (await http.get(path)).status_code == 200, path
        release.set()
        assert (await search).status_code == 200


async def test_a_stalled_body_is_408(harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_IDLE_TIMEOUT_SECONDS", 0.01)

    async def send_half() -> AsyncIterator[bytes]:
        yield b'{"query": "'
        await asyncio.sleep(60)

    response = await harness.post("/v1/search", content=send_half())
    assert (response.status_code, response.headers["connection"]) == (408, "close")


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers", "/v1/chat/completions", "/v1/documents"])
@pytest.mark.parametrize("as_", ["", "Bearer unknown", "Bearer person-sleeping"])
async def test_unauthenticated_callers_are_refused_before_the_body_is_read(
    harness: GatewayHarness, path: str, as_: str
) -> None:
    async def send_endlessly() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    response = await harness.post(path, as_=as_, content=send_endlessly())
    assert response.status_code in (401, 403)
    assert response.headers["connection"] == "close"


async def test_one_tenant_cannot_use_all_slots(harness: GatewayHarness) -> None:
    settings = harness.app.state.context.settings.model_copy(
        update={"request_concurrency": 2, "request_queue": 0}
    )
    app = make_app(settings)
    app.state.context = harness.app.state.context
    release, hanging = asyncio.Event(), asyncio.Event()

    async def hang(query: str) -> None:
        if query == "slow":
            hanging.set()
            await release.wait()

    harness.bedrock.before_embedding = hang
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:

        async def search(tenant: str, query: str) -> int:
            headers = {"Authorization": f"Bearer person-{tenant}"}
            return (await http.post("/v1/search", json={"query": query}, headers=headers)).status_code

        slow = asyncio.create_task(search("tenanta", "slow"))
        await hanging.wait()
        assert await search("tenanta", "x") == 503
        listing = await http.get("/v1/documents", headers={"Authorization": make_list_credentials(harness)})
        assert listing.status_code == 503, "requests of a service count for the tenant"
        assert await search("tenantb", "x") == 200
        release.set()
        assert await slow == 200


def make_list_credentials(harness: GatewayHarness) -> str:
    """Return the credentials of a service that lists the documents of tenanta."""
    return f"Ticket {harness.issuer.issue(Ticket('tenanta', make_uid('tenanta'), action=TicketAction.LIST))}"


@pytest.mark.parametrize(
    ("path", "is_service"),
    [("/v1/me", False), ("/v1/models", False), ("/v1/documents", False), ("/v1/documents", True)],
)
async def test_every_operation_has_a_rate_limit(
    harness: GatewayHarness, path: str, *, is_service: bool
) -> None:
    harness.app.state.context = replace(harness.app.state.context, calls=CallLimiter(6))
    headers = {"Authorization": make_list_credentials(harness) if is_service else "Bearer person-tenanta"}
    first, second = [await harness.http.get(path, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["retry-after"]) >= 1
    assert "too-many-calls" in second.text
    other = await harness.http.get(path, headers={"Authorization": "Bearer person-tenantb"})
    assert other.status_code == 200
