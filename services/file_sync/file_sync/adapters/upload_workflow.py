"""Client of n8n's upload workflow, which has the gateway index a stored document."""

import httpx
import structlog
from servicekit.errors import BackendRefused
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.tickets import Ticket, TicketIssuer

from ..problems import IngestRefused
from .http import classify, get_status

__all__ = ["UploadWorkflow"]

TICKET_TTL_SECONDS = 900
"""Lifetime of a ticket for n8n: the call may wait in n8n's queue for minutes."""

_DOCUMENT_STATUSES = frozenset({404, 413, 415, 422})
"""Statuses of refusals that concern the document. After any other refusal, a person has to fix file-sync."""


class UploadWorkflow:
    """Calls the workflow "Digital Twin Upload (Multi-tenant)".

    Parameters
    ----------
    url
        URL of the workflow's webhook.
    http
        Client to use; the caller closes it.
    tickets
        Signs a ticket for one document; n8n has no other credential.
    seconds
        Longest duration of a call.
    concurrency
        Number of concurrent calls.
    """

    def __init__(
        self, url: str, http: httpx.AsyncClient, tickets: TicketIssuer, *, seconds: float, concurrency: int
    ) -> None:
        self._url = url
        self._http = http
        self._tickets = tickets
        # One attempt: the next sync sees the result in the list of documents, and retries. No circuit
        # breaker: BackoffGate pauses calls, and distinguishes failures that concern only one tenant.
        self._remote = Remote(
            "n8n", classify, timeout=seconds, attempts=1, concurrency=concurrency, circuit_breaker=False
        )

    async def ingest(self, tenant: Tenant, persona_id: str, document_id: str, filename: str) -> None:
        """Index a document; return when searches find it.

        Raises
        ------
        IngestRefused
            The document cannot be indexed; the gateway's list of documents has the reason.
        BackendUnavailable, BackendRefused
            n8n or a service behind it did not answer, or refused the call.
        """
        ticket = Ticket(tenant.id, tenant.uid, persona_id, document_id, filename)

        async def call() -> None:
            headers = {"Authorization": f"Ticket {self._tickets.issue(ticket, lifetime=TICKET_TTL_SECONDS)}"}
            if request_id := structlog.contextvars.get_contextvars().get("request_id"):
                headers["X-Request-ID"] = request_id
            response = await self._http.post(self._url, headers=headers)
            response.raise_for_status()

        try:
            await self._remote.call("upload", call)
        except BackendRefused as exc:
            # n8n answers 404 without a problem document while the workflow is not installed.
            if get_status(exc) in _DOCUMENT_STATUSES and _is_problem_document(exc):
                raise IngestRefused from exc
            raise

    def close(self) -> None:
        """Stop the threads."""
        self._remote.close()


def _is_problem_document(exc: BackendRefused) -> bool:
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            try:
                return "type" in response.json()
            except ValueError:
                return False
        case _:
            return False
