"""Client of the gateway: lists and deletes a tenant's documents.

File-sync has no other access to the index.
"""

from datetime import datetime
from typing import Any

import httpx
import structlog
from servicekit.errors import BackendRefused
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.tickets import Ticket, TicketAction, TicketIssuer

from ..models import ListedDocument
from ..problems import DeletionsHeld
from .http import classify, is_problem

__all__ = ["GatewayClient"]

CALL_TIMEOUT_SECONDS = 30.0
PAGE_SIZE = 200


class GatewayClient:
    """Client of one gateway, with tickets that this process signs.

    Parameters
    ----------
    http
        HTTP client with the gateway's base URL; the caller closes it.
    tickets
        Signs a ticket for each call on behalf of a tenant.
    """

    def __init__(self, http: httpx.AsyncClient, tickets: TicketIssuer) -> None:
        self._http = http
        self._tickets = tickets
        self._remote = Remote("gateway", classify, timeout=CALL_TIMEOUT_SECONDS)

    async def list_documents(self, tenant: Tenant) -> list[ListedDocument]:
        """Return all documents of a tenant.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The gateway did not answer, or refused.
        """
        ticket = Ticket(tenant.id, tenant.uid, action=TicketAction.LIST)
        documents: list[ListedDocument] = []
        cursor: str | None = None
        while True:
            params = {"limit": str(PAGE_SIZE)} | ({"cursor": cursor} if cursor else {})
            response = await self._call("list", "GET", "/v1/documents", ticket, params=params)
            page = response.json()
            documents += map(_to_document, page["documents"])
            cursor = page["nextCursor"]
            if not cursor:
                return documents

    async def delete_document(
        self,
        tenant: Tenant,
        persona_id: str,
        document_id: str,
        filename: str,
        *,
        batch: int = 1,
        replaced_by: str = "",
    ) -> None:
        """Delete a document; do nothing if it does not exist.

        Parameters
        ----------
        batch
            Number of documents that the plan deletes; the gateway holds all deletions of too large a batch.
        replaced_by
            Id of the document that replaced the deleted document; empty for none.

        Raises
        ------
        DeletionsHeld
            An administrator of the tenant must decide; the document is unchanged.
        BackendUnavailable, BackendRefused
            The gateway did not answer, or refused.
        """
        ticket = Ticket(tenant.id, tenant.uid, persona_id, document_id, filename, TicketAction.DELETE)
        params = {"batch": str(batch)} | ({"replacedBy": replaced_by} if replaced_by else {})
        try:
            await self._call("delete", "DELETE", f"/v1/documents/{document_id}", ticket, params=params)
        except BackendRefused as exc:
            if is_problem(exc, "deletions-held"):
                raise DeletionsHeld from exc
            if not is_problem(exc, "document-missing"):
                raise

    async def get_document(self, token: str, document_id: str) -> ListedDocument | None:
        """Return one document of a person's tenant, read with their token; ``None`` if it does not exist.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The gateway did not answer, or refused.
        """

        async def call() -> ListedDocument | None:
            headers = _build_headers(f"Bearer {token}")
            response = await self._http.get(f"/v1/documents/{document_id}", headers=headers)
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            return _to_document(response.json())

        return await self._remote.call("get", call)

    def close(self) -> None:
        """Stop the threads."""
        self._remote.close()

    async def _call(
        self, operation: str, method: str, path: str, ticket: Ticket, **arguments: Any
    ) -> httpx.Response:
        async def call() -> httpx.Response:
            # A new ticket for each attempt, because it expires within minutes.
            headers = _build_headers(f"Ticket {self._tickets.issue(ticket)}")
            response = await self._http.request(method, path, headers=headers, **arguments)
            response.raise_for_status()
            return response

        return await self._remote.call(operation, call)


def _build_headers(authorization: str) -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"Authorization": authorization} | ({"X-Request-ID": request_id} if request_id else {})


def _to_document(body: dict[str, Any]) -> ListedDocument:
    problem = body["problem"]
    return ListedDocument(
        id=body["documentId"],
        persona_id=body["personaId"],
        filename=body["filename"],
        size=body["size"],
        state=body["state"],
        sha256=body["sha256"],
        problem=(problem["type"], problem["detail"]) if problem else None,
        stored_at=int(datetime.fromisoformat(body["storedAt"]).timestamp()),
    )
