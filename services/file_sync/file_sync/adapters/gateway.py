"""The gateway: how documents stand, and their deletion. S3 and index are seen through it alone."""

from datetime import datetime
from typing import Any

import httpx
import structlog
from servicekit.errors import RemoteRefused
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.tickets import Action, Ticket, TicketIssuer

from ..models import Document
from ..problems import DeletionHeld
from .http import classify, is_problem

__all__ = ["Gateway"]

CALL_SECONDS = 30.0
PAGE = 200


class Gateway:
    """One gateway, called with tickets that are signed here.

    Parameters
    ----------
    http
        A client with its base URL; the caller closes it.
    tickets
        Signs what may be done for a tenant.
    """

    def __init__(self, http: httpx.AsyncClient, tickets: TicketIssuer) -> None:
        self._http = http
        self._tickets = tickets
        self._remote = Remote("gateway", classify, timeout=CALL_SECONDS)

    async def documents(self, tenant: Tenant) -> list[Document]:
        """Return all documents of a tenant.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The gateway did not answer, or refused.
        """
        ticket = Ticket(tenant.id, tenant.uid, action=Action.LIST)
        found: list[Document] = []
        cursor: str | None = None
        while True:
            params = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            answer = await self._call("list", "GET", "/v1/documents", ticket, params=params)
            page = answer.json()
            found += map(_to_document, page["documents"])
            cursor = page["nextCursor"]
            if not cursor:
                return found

    async def delete(
        self,
        tenant: Tenant,
        persona_id: str,
        document_id: str,
        filename: str,
        *,
        batch: int = 1,
        replaced_by: str = "",
    ) -> None:
        """Delete a document; one that is not there is deleted.

        Parameters
        ----------
        batch
            Number of documents to delete; the gateway holds all of a batch that is too large.
        replaced_by
            Id of the document that has taken its place; empty for none.

        Raises
        ------
        DeletionHeld
            An administrator of the tenant has to agree; the document is unchanged.
        RemoteUnavailable, RemoteRefused
            The gateway did not answer, or refused.
        """
        ticket = Ticket(tenant.id, tenant.uid, persona_id, document_id, filename, Action.DELETE)
        params = {"batch": str(batch)} | ({"replacedBy": replaced_by} if replaced_by else {})
        try:
            await self._call("delete", "DELETE", f"/v1/documents/{document_id}", ticket, params=params)
        except RemoteRefused as exc:
            if is_problem(exc, "deletions-held"):
                raise DeletionHeld from exc
            if not is_problem(exc, "document-missing"):
                raise

    async def document(self, token: str, document_id: str) -> Document | None:
        """Return one document of a person's tenant, by their own token; ``None`` when there is none.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The gateway did not answer, or refused.
        """

        async def call() -> Document | None:
            headers = _headers(f"Bearer {token}")
            response = await self._http.get(f"/v1/documents/{document_id}", headers=headers)
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            return _to_document(response.json())

        return await self._remote.call("get", call)

    def close(self) -> None:
        """Let threads go."""
        self._remote.close()

    async def _call(
        self, operation: str, method: str, path: str, ticket: Ticket, **arguments: Any
    ) -> httpx.Response:
        async def call() -> httpx.Response:
            # A ticket for each attempt: it lives for minutes only.
            headers = _headers(f"Ticket {self._tickets.issue(ticket)}")
            response = await self._http.request(method, path, headers=headers, **arguments)
            response.raise_for_status()
            return response

        return await self._remote.call(operation, call)


def _headers(authorization: str) -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"Authorization": authorization} | ({"X-Request-ID": request_id} if request_id else {})


def _to_document(body: dict[str, Any]) -> Document:
    problem = body["problem"]
    return Document(
        id=body["documentId"],
        persona_id=body["personaId"],
        filename=body["filename"],
        size=body["size"],
        state=body["state"],
        sha256=body["sha256"],
        problem=(problem["type"], problem["detail"]) if problem else None,
        stored_at=int(datetime.fromisoformat(body["storedAt"]).timestamp()),
    )
