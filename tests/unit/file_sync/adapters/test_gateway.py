"""Tests of the client of the gateway, against a fake HTTP server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx
import structlog
from file_sync.adapters.gateway import GatewayClient
from file_sync.models import ListedDocument
from file_sync.problems import DeletionsHeld
from joserfc.jwk import OKPKey
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.tickets import Ticket, TicketAction, TicketIssuer, TicketVerifier

from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")
KEY = OKPKey.generate_key("Ed25519", {"kid": "k1"})
VERIFIER = TicketVerifier({"keys": [KEY.as_dict(private=False)]})


def make_listed_document(document_id: str, **values: Any) -> dict[str, Any]:
    """Return a document as the gateway lists it."""
    return {
        "documentId": document_id,
        "personaId": "finance",
        "filename": "plan.pdf",
        "size": 10,
        "state": "ready",
        "sha256": "a" * 64,
        "problem": None,
        "storedAt": "1970-01-01T00:00:05Z",
        **values,
    }


def make_problem(slug: str, status: int) -> httpx.Response:
    return httpx.Response(
        status,
        json={"type": f"https://tenantry.io/problems/{slug}"},
        headers={"Content-Type": "application/problem+json"},
    )


def read_ticket(request: httpx.Request) -> Ticket:
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Ticket"
    return VERIFIER.verify(token)


@pytest.fixture
async def client() -> AsyncIterator[GatewayClient]:
    async with httpx.AsyncClient(base_url="http://gateway.test") as http:
        client = GatewayClient(http, TicketIssuer(KEY.as_dict(private=True)))
        yield client
        client.close()


@pytest.fixture
def gateway() -> Any:
    with respx.mock(base_url="http://gateway.test", assert_all_called=False) as router:
        yield router


async def test_all_pages_of_documents_are_listed(client: GatewayClient, gateway: Any) -> None:
    pages = gateway.get("/v1/documents").mock(
        side_effect=[
            httpx.Response(200, json={"documents": [make_listed_document("d1")], "nextCursor": "c1"}),
            httpx.Response(
                200,
                json={
                    "documents": [
                        make_listed_document(
                            "d2", state="failed", sha256=None, problem={"type": "t", "detail": "why"}
                        )
                    ],
                    "nextCursor": None,
                },
            ),
        ]
    )
    assert await client.list_documents(TENANT) == [
        ListedDocument("d1", "finance", "plan.pdf", 10, "ready", "a" * 64, stored_at=5),
        ListedDocument("d2", "finance", "plan.pdf", 10, "failed", None, ("t", "why"), stored_at=5),
    ]
    requests = [call.request for call in pages.calls]
    assert [dict(request.url.params) for request in requests] == [
        {"limit": "200"},
        {"limit": "200", "cursor": "c1"},
    ]
    for request in requests:
        assert read_ticket(request) == Ticket(TENANT.id, TENANT.uid, action=TicketAction.LIST)


async def test_a_deletion_names_the_document_its_batch_and_its_replacement(
    client: GatewayClient, gateway: Any
) -> None:
    route = gateway.delete("/v1/documents/d1").respond(204)
    await client.delete_document(TENANT, "finance", "d1", "plan.pdf", batch=3, replaced_by="d2")
    await client.delete_document(TENANT, "finance", "d1", "plan.pdf")
    first, second = (call.request for call in route.calls)
    assert dict(first.url.params) == {"batch": "3", "replacedBy": "d2"}
    assert dict(second.url.params) == {"batch": "1"}
    assert read_ticket(first) == Ticket(
        TENANT.id, TENANT.uid, "finance", "d1", "plan.pdf", TicketAction.DELETE
    )


async def test_a_held_deletion_is_not_repeated(client: GatewayClient, gateway: Any) -> None:
    route = gateway.delete("/v1/documents/d1").mock(return_value=make_problem("deletions-held", 409))
    with pytest.raises(DeletionsHeld):
        await client.delete_document(TENANT, "finance", "d1", "plan.pdf")
    assert route.call_count == 1


async def test_deleting_a_missing_document_succeeds(client: GatewayClient, gateway: Any) -> None:
    gateway.delete("/v1/documents/d1").mock(return_value=make_problem("document-missing", 404))
    await client.delete_document(TENANT, "finance", "d1", "plan.pdf")


async def test_any_other_refusal_of_a_deletion_is_an_error(client: GatewayClient, gateway: Any) -> None:
    gateway.delete("/v1/documents/d1").mock(return_value=make_problem("ticket-refused", 401))
    with pytest.raises(BackendRefused):
        await client.delete_document(TENANT, "finance", "d1", "plan.pdf")


async def test_a_person_reads_a_document_with_their_token(client: GatewayClient, gateway: Any) -> None:
    route = gateway.get("/v1/documents/d1").respond(200, json=make_listed_document("d1"))
    found = await client.get_document("token-of-anna", "d1")
    assert found == ListedDocument("d1", "finance", "plan.pdf", 10, "ready", "a" * 64, stored_at=5)
    assert route.calls.last.request.headers["authorization"] == "Bearer token-of-anna"


async def test_a_document_that_a_person_may_not_read_does_not_exist(
    client: GatewayClient, gateway: Any
) -> None:
    gateway.get("/v1/documents/d1").mock(return_value=make_problem("document-missing", 404))
    assert await client.get_document("token-of-anna", "d1") is None


async def test_a_gateway_that_does_not_answer_is_unavailable(client: GatewayClient, gateway: Any) -> None:
    gateway.get("/v1/documents/d1").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(BackendUnavailable):
        await client.get_document("token-of-anna", "d1")


async def test_the_request_id_is_passed_on(client: GatewayClient, gateway: Any) -> None:
    route = gateway.get("/v1/documents/d1").respond(200, json=make_listed_document("d1"))
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        await client.get_document("token-of-anna", "d1")
    assert route.calls.last.request.headers["x-request-id"] == "r1"
