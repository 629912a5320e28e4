"""Around every request: ids, bounds, timing, logs, metrics."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from gateway.metrics import REQUEST_SECONDS
from structlog.testing import LogCapture

from .conftest import World


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    capture = LogCapture()
    processors: list[structlog.types.Processor] = [structlog.contextvars.merge_contextvars, capture]
    structlog.configure(processors=processors, cache_logger_on_first_use=False)
    yield capture
    structlog.reset_defaults()


def requests_counted(**labels: str) -> float:
    return sum(
        sample.value
        for metric in REQUEST_SECONDS.collect()
        for sample in metric.samples
        if sample.name.endswith("_count") and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("given", ["abc-123", "A.b_C", "x" * 64])
async def test_a_harmless_request_id_is_kept(world: World, given: str) -> None:
    response = await world.http.get("/healthz", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "ä", "a\tb", None])
async def test_any_other_request_id_is_replaced(world: World, given: str | None) -> None:
    headers = [] if given is None else [(b"X-Request-ID", given.encode())]
    response = await world.http.get("/healthz", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


async def test_a_search_says_where_its_time_went(world: World) -> None:
    response = await world.post("/v1/search", json={"query": "x"})
    stages = [part.split(";dur=")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == ["auth", "limit", "embed", "search", "total"]


async def test_an_answer_names_the_model_as_a_stage(world: World) -> None:
    await world.upload()
    response = await world.post("/v1/answers", json={"question": "What is the budget?"})
    assert "model;dur=" in response.headers["server-timing"]


async def test_a_body_larger_than_any_question_is_refused_before_it_is_read(world: World) -> None:
    sent = 0

    async def ten_megabytes() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 10_000

    response = await world.post("/v1/search", content=ten_megabytes())
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert sent < 10


async def test_requests_are_logged_with_tenant_and_without_what_was_said(
    world: World, logs: LogCapture
) -> None:
    await world.upload(name="secret-name.md", content=b"Secret content.")
    await world.http.post(
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


async def test_nothing_of_one_request_stands_in_the_log_of_the_next(world: World, logs: LogCapture) -> None:
    await world.post("/v1/search", json={"query": "x"})
    await world.http.get("/healthz")
    assert "tenant" not in logs.entries[-1]


async def test_an_unexpected_error_is_logged_under_the_requests_id(world: World, logs: LogCapture) -> None:
    world.bedrock.fails = KeyError("x")
    response = await world.post("/v1/search", json={"query": "x"})
    unexpected = next(entry for entry in logs.entries if entry["event"] == "Unexpected error")
    assert unexpected["request_id"] == response.headers["x-request-id"]
    assert unexpected["exc_info"]


async def test_paths_and_methods_that_people_make_up_are_one_label(world: World) -> None:
    before = requests_counted(route="unmatched", method="OTHER", status="4xx")
    for number in range(3):
        await world.http.request(f"MADEUP{number}", f"/made/up/{number}")
    assert requests_counted(route="unmatched", method="OTHER", status="4xx") - before == 3


async def test_the_template_is_the_label_of_a_route(world: World) -> None:
    before = requests_counted(route="/v1/search", method="POST", status="4xx")
    await world.post("/v1/search", json={})
    assert requests_counted(route="/v1/search", method="POST", status="4xx") - before == 1


@pytest.mark.parametrize(("path", "status"), [("/v1/documents", 200), ("/v1/usage", 403), ("/nowhere", 404)])
async def test_no_answer_is_cached_on_the_way_or_taken_for_something_else(
    world: World, path: str, status: int
) -> None:
    response = await world.http.get(path, headers={"Authorization": "Bearer person-tenanta"})
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
