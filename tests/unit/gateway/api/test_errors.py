"""Tests of error responses as problem documents."""

import gzip
from typing import Any

import httpx
import pytest
from gateway.problems import list_problem_types
from servicekit.errors import BackendRefused, BackendUnavailable, TenantryError
from servicekit.web.errors import build_error_response, list_header_names

from .conftest import GatewayHarness


def check_problem(response: httpx.Response) -> dict[str, Any]:
    """Check the invariants of a problem document and return it."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["instance"] == response.headers["x-request-id"]
    assert document["type"]
    assert document["title"]
    assert document["detail"]
    assert is_documented(document)
    return document


def is_documented(document: dict[str, Any]) -> bool:
    """Return True if a problem has the extension members of its type's example."""
    further = document.keys() - {"type", "title", "status", "detail", "instance"}
    members = {
        name for kind in list_problem_types() if kind.get_uri() == document["type"] for name in kind.members
    }
    return further <= members


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/search", 405),
        ("POST", "/v1/search/", 404),
        ("GET", "/docs", 404),
    ],
)
async def test_errors_of_the_framework_are_problem_documents(
    harness: GatewayHarness, method: str, path: str, status: int
) -> None:
    response = await harness.http.request(method, path)
    assert check_problem(response)["status"] == status
    assert "allow" in response.headers or status != 405


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"query": "x", "tenantId": "tenantb"}, "tenantId", id="unknown-field"),
        pytest.param({"query": "x", "filter": {"must": []}}, "filter", id="filter-of-ones-own"),
        pytest.param({"query": "x", "topK": 51}, "topK", id="too-many"),
        pytest.param({"query": "x", "topK": 0}, "topK", id="none"),
        pytest.param({"query": "  "}, "query", id="blank"),
        pytest.param({"query": "x" * 4001}, "query", id="too-long"),
        pytest.param({}, "query", id="missing"),
    ],
)
async def test_an_invalid_body_is_explained_without_its_values(
    harness: GatewayHarness, body: dict[str, Any], field: str
) -> None:
    response = await harness.post("/v1/search", json=body)
    document = check_problem(response)
    assert response.status_code == 422
    assert [error["location"] for error in document["errors"]] == [["body", field]]
    assert "x" * 50 not in response.text


async def test_a_wrong_method_is_405_with_all_allowed_methods(harness: GatewayHarness) -> None:
    response = await harness.http.request("PUT", "/v1/documents")
    assert response.headers["allow"] == "GET, POST"
    response = await harness.http.request("POST", "/v1/documents/some-id")
    assert response.headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("kind", list_problem_types(), ids=lambda kind: kind.slug)
def test_a_problem_type_declares_its_headers(kind: type[TenantryError]) -> None:
    problem = kind.__new__(kind)
    TenantryError.__init__(problem, "It happened.")
    sent = build_error_response(problem, {"path": "/v1/search", "state": {"request_id": "r"}}).headers
    assert {"www-authenticate", "retry-after"} & set(sent) == {
        name.lower() for name in list_header_names(kind)
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{query:", id="no-json"),
        pytest.param(b'{"query": "\xff\xfe"}', id="no-utf-8"),
        pytest.param(b'{"query": ' + b"[" * 30_000, id="endlessly-nested"),
        pytest.param(b'{"query": "x", "topK": ' + b"9" * 5_000 + b"}", id="endless-number"),
        pytest.param(gzip.compress(b'{"query": "x"}'), id="compressed"),
    ],
)
async def test_an_undecodable_body_is_refused(harness: GatewayHarness, body: bytes) -> None:
    response = await harness.http.post(
        "/v1/search",
        content=body,
        headers={"Content-Type": "application/json", "Authorization": "Bearer person-tenanta"},
    )
    assert check_problem(response)["status"] == 422


async def test_an_error_of_the_gateway_is_rendered_unchanged(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/search", json={"query": "x", "personaId": "unknown"})
    document = check_problem(response)
    assert document["type"] == "https://tenantry.io/problems/persona-missing"
    assert document["personas"] == ["finance"]


async def test_a_401_names_the_authentication_scheme(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/search", json={"query": "x"}, as_="")
    assert check_problem(response)["status"] == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("exc", "status", "retry_after", "next_step"),
    [
        pytest.param(
            BackendUnavailable("bedrock", "embed", "host-1 is down"), 503, "5", "Try again", id="unavailable"
        ),
        pytest.param(
            BackendUnavailable("bedrock", "embed", "busy", retry_after=17.2),
            503,
            "17",
            "Try again",
            id="with-a-wish",
        ),
        pytest.param(
            BackendRefused("bedrock", "embed", "host-1 says no"),
            502,
            None,
            "Give your administrators the request id",
            id="refused",
        ),
    ],
)
async def test_a_backend_failure_has_a_retry_after_and_no_internal_details(
    harness: GatewayHarness, exc: TenantryError, status: int, retry_after: str | None, next_step: str
) -> None:
    harness.bedrock.fails = exc
    response = await harness.post("/v1/search", json={"query": "x"})
    document = check_problem(response)
    assert document["status"] == status
    assert document["detail"].partition(". ")[2].startswith(next_step)
    assert response.headers.get("retry-after") == retry_after
    assert "host-1" not in response.text


async def test_an_unexpected_error_shows_no_details(harness: GatewayHarness) -> None:
    harness.bedrock.fails = KeyError("the inner works")
    response = await harness.post("/v1/search", json={"query": "x"})
    assert check_problem(response)["status"] == 500
    assert "inner works" not in response.text
    assert "Traceback" not in response.text
