"""Tests of the routes of held deletions."""

import pytest
from gateway.problems import DeletionsHeld

from .conftest import GatewayHarness

PERSON, ADMIN = "Bearer person-tenanta", "Bearer admin-tenanta"


@pytest.fixture
def limited_harness(harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> GatewayHarness:
    """Harness whose limit holds every deletion."""
    monkeypatch.setattr(harness.app.state.context.deletions, "allowed", 0)
    return harness


async def test_a_held_deletion_is_409_and_names_the_remedies(limited_harness: GatewayHarness) -> None:
    document_id = (await limited_harness.upload()).json()["documentId"]
    response = await limited_harness.http.delete(
        f"/v1/documents/{document_id}", headers={"Authorization": PERSON}
    )
    assert response.status_code == DeletionsHeld.status == 409
    assert response.json()["type"].endswith("/deletions-held")
    assert response.headers["retry-after"] == "600"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/deletions"), ("POST", "/v1/deletions/release"), ("POST", "/v1/deletions/reject")],
)
async def test_only_administrators_may_call_the_routes(
    limited_harness: GatewayHarness, method: str, path: str
) -> None:
    response = await limited_harness.http.request(method, path, headers={"Authorization": PERSON})
    assert response.status_code == 403
    assert response.json()["type"].endswith("/admin-only")


async def test_an_administrator_lists_and_releases_held_deletions(limited_harness: GatewayHarness) -> None:
    document_id = (await limited_harness.upload()).json()["documentId"]
    path = f"/v1/documents/{document_id}"
    await limited_harness.http.delete(path, headers={"Authorization": PERSON})
    (held,) = (await limited_harness.get("/v1/deletions", as_=ADMIN)).json()["deletions"]
    assert held["documentId"] == document_id
    released = await limited_harness.post("/v1/deletions/release", as_=ADMIN)
    assert "releasedUntil" in released.json()
    assert (await limited_harness.http.delete(path, headers={"Authorization": PERSON})).status_code == 204


async def test_an_administrator_rejects_held_deletions(limited_harness: GatewayHarness) -> None:
    document_id = (await limited_harness.upload()).json()["documentId"]
    await limited_harness.http.delete(f"/v1/documents/{document_id}", headers={"Authorization": PERSON})
    rejected = (await limited_harness.post("/v1/deletions/reject", as_=ADMIN)).json()
    assert [deletion["documentId"] for deletion in rejected["kept"]] == [document_id]
    assert rejected["remaining"] == 0
    assert not (await limited_harness.get("/v1/deletions", as_=ADMIN)).json()["deletions"]


async def test_an_invalid_batch_is_422(limited_harness: GatewayHarness) -> None:
    response = await limited_harness.http.delete("/v1/documents/x?batch=0", headers={"Authorization": PERSON})
    assert response.status_code == 422
