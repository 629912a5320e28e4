"""Tests of the client of n8n's upload workflow, against a fake HTTP server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx
import structlog
from file_sync.adapters.upload_workflow import UploadWorkflow
from file_sync.problems import IngestRefused
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.tickets import Ticket

from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")
URL = "http://n8n.test/webhook/tenantry/upload"


class FakeIssuer:
    """Records the tickets that it issues."""

    def __init__(self) -> None:
        self.issued: list[tuple[Ticket, int]] = []

    def issue(self, ticket: Ticket, *, lifetime: int) -> str:
        self.issued.append((ticket, lifetime))
        return "signed"


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
async def workflow(issuer: Any) -> AsyncIterator[UploadWorkflow]:
    async with httpx.AsyncClient() as http:
        workflow = UploadWorkflow(URL, http, issuer, seconds=5, concurrency=2)
        yield workflow
        workflow.close()


@pytest.fixture
def webhook() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield router.post(URL)


async def ingest(workflow: UploadWorkflow) -> None:
    await workflow.ingest(TENANT, "finance", "d1", "plan.pdf")


async def test_a_call_carries_a_ticket_for_one_document(
    workflow: UploadWorkflow, webhook: Any, issuer: FakeIssuer
) -> None:
    webhook.respond(201)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        await ingest(workflow)
    request = webhook.calls.last.request
    assert request.headers["authorization"] == "Ticket signed"
    assert request.headers["x-request-id"] == "r1"
    assert issuer.issued == [(Ticket(TENANT.id, TENANT.uid, "finance", "d1", "plan.pdf"), 900)]


@pytest.mark.parametrize("status", [404, 413, 415, 422])
async def test_a_problem_of_the_document_is_permanent(
    workflow: UploadWorkflow, webhook: Any, status: int
) -> None:
    webhook.respond(status, json={"type": "https://tenantry.io/problems/document-unreadable"})
    with pytest.raises(IngestRefused):
        await ingest(workflow)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404, json={"code": 404, "message": "The requested webhook is not registered."}),
        httpx.Response(404, text="<html>Not found</html>"),
        httpx.Response(401, json={"type": "https://tenantry.io/problems/ticket-refused"}),
    ],
    ids=["the workflow is not installed", "a proxy", "the ticket is refused"],
)
async def test_any_other_refusal_is_not_attributed_to_the_document(
    workflow: UploadWorkflow, webhook: Any, response: httpx.Response
) -> None:
    webhook.mock(return_value=response)
    with pytest.raises(BackendRefused):
        await ingest(workflow)


@pytest.mark.parametrize(
    "response",
    [httpx.Response(503), httpx.Response(429), httpx.Response(500), httpx.ConnectError("refused")],
    ids=["unavailable", "too many requests", "internal error", "no connection"],
)
async def test_the_client_does_not_repeat_a_failed_call(
    workflow: UploadWorkflow, webhook: Any, response: Any
) -> None:
    webhook.mock(side_effect=[response] * 9)
    for calls in range(1, 9):
        with pytest.raises(BackendUnavailable):
            await ingest(workflow)
        assert webhook.call_count == calls, "there is one attempt and no circuit breaker"
