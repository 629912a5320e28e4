"""HTTP routes of documents: ingest, list, get and delete."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from servicekit.errors import InvalidRequest
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from tenancy.errors import TicketRefused
from tenancy.identity import Principal

from ..documents.catalog import DocumentState
from ..problems import (
    CursorRefused,
    DeletionsHeld,
    DocumentEmpty,
    DocumentExists,
    DocumentMissing,
    DocumentNotOwned,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    FilenameRefused,
    LimitsUnavailable,
    MediaTypeRefused,
    ModelUnavailable,
    PersonaMissing,
    QuotaExceeded,
)
from .auth import Context, Deleter, Ingester, Lister, Person, TicketHolder, Timings
from .components import PERSON as PERSON_SCHEME
from .components import TICKET as TICKET_SCHEME
from .cursor import from_cursor, to_cursor
from .idempotency import IdempotencyKey, run_once
from .responses import BODY, PERSON, STORED, TICKET, WRITE, describe_problems
from .schemas import DocumentId, DocumentItem, DocumentList, DocumentResponse, PersonaId

__all__ = ["MAX_FORM_BYTES", "router"]

MAX_FORM_BYTES = 64 * 1024
"""Maximum size of a form in addition to its file."""

_PERSON_OR_TICKET: dict[str, Any] = {"security": [{PERSON_SCHEME: []}, {TICKET_SCHEME: []}]}

_FORM: dict[str, Any] = _PERSON_OR_TICKET | {
    "requestBody": {
        "description": "A person sends this form. With a ticket the body is empty.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "personaId"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "personaId": {"type": "string", "minLength": 1},
                    },
                    "additionalProperties": False,
                },
                "encoding": {
                    "file": {
                        "headers": {
                            "Content-Disposition": {
                                "description": "With the file's name, which lists and citations show.",
                                "schema": {"type": "string"},
                                "example": 'form-data; name="file"; filename="budget-2026.md"',
                            }
                        }
                    }
                },
                "example": {
                    "file": "# Marketing\n\nThe approved marketing budget for 2026 is $5,000,000.",
                    "personaId": "finance",
                },
            }
        },
    },
}

_LINKS = {
    operation: {
        "operationId": operation,
        "parameters": {"documentId": "$response.body#/documentId"},
        "description": description,
    }
    for operation, description in (
        ("get_document", "Get the document."),
        ("delete_document", "Delete the document."),
    )
}

_REFUSALS = (
    *BODY,
    MediaTypeRefused,
    PersonaMissing,
    DocumentNotOwned,
    DocumentExists,
    DocumentMissing,
    FilenameRefused,
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    QuotaExceeded,
    LimitsUnavailable,
    ModelUnavailable,
)
"""Problems of an ingest, in addition to the problems of every write."""

router = APIRouter()


async def _acquire_ingest_slot(caller: Ingester, context: Context) -> AsyncIterator[None]:
    """Hold an ingest slot; the body of a waiting document is not read."""
    async with context.ingests.acquire(caller.tenant.key):
        yield


@router.post(
    "/v1/documents",
    status_code=201,
    summary="Ingest a document: an upload, or the S3 object that a ticket names",
    response_model=DocumentResponse,
    openapi_extra=_FORM,
    responses=describe_problems(*TICKET, *WRITE, *_REFUSALS) | {201: {"links": _LINKS}},
    dependencies=[Depends(_acquire_ingest_slot)],
)
async def ingest(
    request: Request, caller: Ingester, context: Context, timings: Timings, key: IdempotencyKey
) -> Any:
    """Store and index a document, and return its description."""
    if isinstance(caller, TicketHolder):
        tenant, ticket = caller.tenant, caller.ticket
        if await request.body():
            raise InvalidRequest("With a ticket the body must be empty.")

        async def index_stored() -> DocumentResponse:
            return DocumentResponse.from_ingested(
                await context.documents.index_stored(tenant, ticket, timings)
            )

        return await run_once(
            request, caller, context, key, index_stored, status=201, parts=(ticket.object_key,)
        )
    person = caller
    persona_id, filename, content = await _read_form(request)

    async def upload() -> DocumentResponse:
        return DocumentResponse.from_ingested(
            await context.documents.upload(
                person.tenant, persona_id, filename, content, person.subject, timings
            )
        )

    parts: tuple[str, ...] = ()
    if key:
        parts = (persona_id, filename, (await asyncio.to_thread(hashlib.sha256, content)).hexdigest())
    return await run_once(request, caller, context, key, upload, status=201, parts=parts)


@router.get(
    "/v1/documents",
    summary="List the tenant's documents",
    openapi_extra=_PERSON_OR_TICKET,
    responses=describe_problems(*TICKET, *STORED, InvalidRequest, CursorRefused, PersonaMissing),
)
async def list_documents(
    caller: Lister,
    context: Context,
    persona_id: Annotated[
        PersonaId | None,
        Query(alias="personaId", description="Only documents of this persona.", examples=["finance"]),
    ] = None,
    state: Annotated[
        DocumentState | None, Query(description="Only documents in this state.", examples=["ready"])
    ] = None,
    cursor: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="The `nextCursor` of the previous page.",
            examples=["ZmluYW5jZS9hLm1k"],
        ),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=200, description="Maximum number of documents per page.", examples=[50])
    ] = 50,
) -> DocumentList:
    """Return documents page by page. With a filter by state, a page may be empty without being the last."""
    page = await context.catalog.list_page(
        caller.tenant,
        persona_id=persona_id,
        state=state,
        after=from_cursor(caller.tenant, cursor),
        limit=limit,
    )
    return DocumentList(
        documents=[DocumentItem.from_entry(entry) for entry in page.entries],
        next_cursor=to_cursor(caller.tenant, page.after),
    )


@router.get(
    "/v1/documents/{documentId}",
    summary="Get a document",
    responses=describe_problems(*PERSON, *STORED, InvalidRequest, DocumentMissing),
)
async def get_document(
    document_id: Annotated[DocumentId, Path(alias="documentId")], person: Person, context: Context
) -> DocumentItem:
    """Return a document's description."""
    return DocumentItem.from_entry(await context.catalog.get(person.tenant, document_id))


@router.delete(
    "/v1/documents/{documentId}",
    status_code=204,
    response_model=None,
    summary="Delete a document",
    openapi_extra=_PERSON_OR_TICKET,
    responses=describe_problems(
        *TICKET, *WRITE, InvalidRequest, DocumentMissing, DocumentNotOwned, DeletionsHeld, LimitsUnavailable
    ),
)
async def delete_document(
    document_id: Annotated[DocumentId, Path(alias="documentId")],
    request: Request,
    caller: Deleter,
    context: Context,
    key: IdempotencyKey,
    batch: Annotated[
        int,
        Query(
            ge=1,
            le=100_000_000,
            description="Number of documents that the caller deletes together.",
            examples=[3],
        ),
    ] = 1,
    replaced_by: Annotated[
        DocumentId | None,
        Query(
            alias="replacedBy",
            description="The document of the same owner, name and persona that replaces it. The removal then "
            "does not count as a deletion.",
            examples=["owui-5cfc3ab1"],
        ),
    ] = None,
) -> Any:
    """Move a document to the trash; after the response no search finds it."""
    if isinstance(caller, TicketHolder) and caller.ticket.document_id != document_id:
        raise TicketRefused("The ticket is for another document. Request another ticket.")
    person = caller if isinstance(caller, Principal) else None

    async def remove() -> None:
        await context.catalog.remove(
            caller.tenant, document_id, person=person, batch=batch, replaced_by=replaced_by
        )

    return await run_once(request, caller, context, key, remove, status=204)


async def _read_form(request: Request) -> tuple[str, str, bytes]:
    """Return persona id, file name and content; the file is buffered on disk."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MediaTypeRefused("Send a form: multipart/form-data with `file` and `personaId`.")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=1, max_part_size=1024)
    try:
        form = await parser.parse()
    except MultiPartException as exc:
        raise InvalidRequest(f"The form is not valid: {exc.message}") from exc
    except UnicodeError as exc:  # the caller may name an encoding for the fields
        raise InvalidRequest(
            "The form is not valid: its fields do not match the encoding that it names."
        ) from exc
    try:
        file, persona_id = form.get("file"), form.get("personaId")
        if (
            len(form.multi_items()) != 2
            or not isinstance(file, UploadFile)
            or not isinstance(persona_id, str)
        ):
            raise InvalidRequest("The form must hold one `file` and one `personaId`, and nothing else.")
        return persona_id, file.filename or "", await file.read()
    finally:
        await form.close()
