"""n8n's upload workflow: what is stored becomes what can be found."""

import httpx
import structlog
from servicekit.errors import RemoteRefused
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.tickets import Ticket, TicketIssuer

from ..problems import IngestRefused
from .http import classify, status

__all__ = ["UploadWorkflow"]

LASTS_SECONDS = 900
"""How long a ticket is good that n8n is given: it may wait in n8n's queue for minutes."""

_OF_THE_DOCUMENT = frozenset({404, 413, 415, 422})
"""Answers that are about the document; any other refusal is about us, and passes when a person mends it."""


class UploadWorkflow:
    """The workflow "Digital Twin Upload (Multi-tenant)".

    Parameters
    ----------
    url
        Of its webhook.
    http
        Client to use; the caller closes it.
    tickets
        Signs what n8n may have done for a tenant; n8n has no credential of its own.
    seconds
        Longest time for one document.
    at_once
        Documents that n8n is given at once.
    """

    def __init__(
        self, url: str, http: httpx.AsyncClient, tickets: TicketIssuer, *, seconds: float, at_once: int
    ) -> None:
        self._url = url
        self._http = http
        self._tickets = tickets
        # One attempt: what fails here is looked at again, and the list of documents says what became of it.
        # No circuit breaker: Door holds calls back, and knows which failures are one tenant's alone.
        self._remote = Remote(
            "n8n", classify, timeout=seconds, attempts=1, concurrency=at_once, circuit_breaker=False
        )

    async def ingest(self, tenant: Tenant, persona_id: str, document_id: str, filename: str) -> None:
        """Return when the document can be found.

        Raises
        ------
        IngestRefused
            It cannot be indexed; the gateway's list says why from now on.
        RemoteUnavailable, RemoteRefused
            n8n or what is behind it did not answer, or refused us.
        """
        ticket = Ticket(tenant.id, tenant.uid, persona_id, document_id, filename)

        async def call() -> None:
            headers = {"Authorization": f"Ticket {self._tickets.issue(ticket, lifetime=LASTS_SECONDS)}"}
            if request_id := structlog.contextvars.get_contextvars().get("request_id"):
                headers["X-Request-ID"] = request_id
            response = await self._http.post(self._url, headers=headers)
            response.raise_for_status()

        try:
            await self._remote.call("upload", call)
        except RemoteRefused as exc:
            # n8n itself answers 404 while the workflow is not there, and in a form of its own.
            if status(exc) in _OF_THE_DOCUMENT and _is_problem_document(exc):
                raise IngestRefused from exc
            raise

    def close(self) -> None:
        """Let threads go."""
        self._remote.close()


def _is_problem_document(exc: RemoteRefused) -> bool:
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            try:
                return "type" in response.json()
            except ValueError:
                return False
        case _:
            return False
