"""Tests of probes and of ``/openapi.json``."""

import pytest

from .conftest import GatewayHarness


async def test_readyz_names_what_is_missing(harness: GatewayHarness) -> None:
    assert (await harness.http.get("/readyz")).json() == {"ok": True, "missing": []}
    harness.readiness.waits_for = ["the Tenants"]
    response = await harness.http.get("/readyz")
    assert (response.status_code, response.json()["missing"]) == (503, ["the Tenants"])


async def test_healthz_fails_if_an_endless_task_has_ended(harness: GatewayHarness) -> None:
    assert (await harness.http.get("/healthz")).status_code == 200
    harness.readiness.ended = ["repair"]
    response = await harness.http.get("/healthz")
    assert (response.status_code, response.json()["missing"]) == (503, ["the task repair has ended"])


async def test_the_public_port_has_no_metrics(harness: GatewayHarness) -> None:
    """Metrics reveal tenants' activity, so they have a separate port for monitoring."""
    assert (await harness.http.get("/metrics")).status_code == 404


async def test_the_description_has_all_paths(harness: GatewayHarness) -> None:
    paths = (await harness.http.get("/openapi.json")).json()["paths"]
    described = {
        "/v1/documents",
        "/v1/documents/{documentId}",
        "/v1/documents/{documentId}/restore",
        "/v1/trash",
        "/v1/deletions",
        "/v1/deletions/release",
        "/v1/deletions/reject",
        "/v1/search",
        "/v1/answers",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/usage",
        "/v1/me",
    }
    assert set(paths) == described
    assert "multipart/form-data" in paths["/v1/documents"]["post"]["requestBody"]["content"]


async def test_the_description_is_encoded_once(
    harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await harness.http.get("/openapi.json")).content
    monkeypatch.setattr("gateway.api.description.pydantic_core.to_json", pytest.fail)
    assert (await harness.http.get("/openapi.json")).content == first
