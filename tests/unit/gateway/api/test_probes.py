import pytest

from .conftest import World


async def test_a_gateway_that_waits_for_something_says_what(world: World) -> None:
    assert (await world.http.get("/readyz")).json() == {"ok": True, "missing": []}
    world.readiness.waits_for = ["the Tenants"]
    response = await world.http.get("/readyz")
    assert (response.status_code, response.json()["missing"]) == (503, ["the Tenants"])


async def test_a_gateway_whose_endless_work_has_ended_asks_for_a_restart(world: World) -> None:
    assert (await world.http.get("/healthz")).status_code == 200
    world.readiness.ended = ["repair"]
    response = await world.http.get("/healthz")
    assert (response.status_code, response.json()["missing"]) == (503, ["the task repair has ended"])


async def test_metrics_are_not_where_everybody_calls(world: World) -> None:
    """They tell what tenants do; monitoring has a port for them that nobody else reaches."""
    assert (await world.http.get("/metrics")).status_code == 404


async def test_the_interface_is_described_without_pages_from_elsewhere(world: World) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
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


async def test_the_description_is_encoded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (await world.http.get("/openapi.json")).content
    monkeypatch.setattr("gateway.api.description.pydantic_core.to_json", pytest.fail)
    assert (await world.http.get("/openapi.json")).content == first
