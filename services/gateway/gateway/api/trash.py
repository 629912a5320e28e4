"""HTTP routes of the trash: list removed documents and restore them."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from servicekit.errors import InvalidRequest

from ..problems import (
    CursorRefused,
    DocumentEmpty,
    DocumentExists,
    DocumentNotOwned,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    LimitsUnavailable,
    ModelUnavailable,
    PersonaMissing,
    QuotaExceeded,
    TrashedDocumentMissing,
)
from .auth import Context, Person, Timings
from .cursor import from_cursor, to_cursor
from .idempotency import IdempotencyKey, run_once
from .responses import PERSON, STORED, WRITE, describe_problems
from .schemas import DocumentId, DocumentResponse, RemovalId, TrashItem, TrashList

__all__ = ["router"]

_REFUSALS = (
    InvalidRequest,
    TrashedDocumentMissing,
    DocumentExists,
    DocumentNotOwned,
    PersonaMissing,
    QuotaExceeded,
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    LimitsUnavailable,
    ModelUnavailable,
)
"""Problems of a restore, in addition to the problems of every write."""

router = APIRouter()


async def _acquire_ingest_slot(person: Person, context: Context) -> AsyncIterator[None]:
    """Hold an ingest slot, because restoring a document indexes it."""
    async with context.ingests.acquire(person.tenant.key):
        yield


@router.get(
    "/v1/trash",
    summary="List the removed documents that the caller may restore",
    responses=describe_problems(*PERSON, *STORED, InvalidRequest, CursorRefused),
)
async def list_trash(
    person: Person,
    context: Context,
    cursor: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="The `nextCursor` of the previous page.",
            examples=["LnRyYXNoL3JlbW92"],
        ),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=100, description="Maximum number of documents per page.", examples=[50])
    ] = 50,
) -> TrashList:
    """Return removed documents page by page: all of the tenant for an administrator, else the caller's.

    A page may be empty without being the last.
    """
    page = await context.trash.list_page(person, after=from_cursor(person.tenant, cursor), limit=limit)
    return TrashList(
        documents=[
            TrashItem.from_removal(removal, context.trash.calculate_restorable_until(removal))
            for removal in page.removals
        ],
        next_cursor=to_cursor(person.tenant, page.after),
    )


@router.post(
    "/v1/documents/{documentId}/restore",
    status_code=201,
    summary="Restore a removed document",
    response_model=DocumentResponse,
    responses=describe_problems(*PERSON, *WRITE, *_REFUSALS),
    dependencies=[Depends(_acquire_ingest_slot)],
)
async def restore_document(
    document_id: Annotated[DocumentId, Path(alias="documentId")],
    request: Request,
    person: Person,
    context: Context,
    timings: Timings,
    key: IdempotencyKey,
    removal_id: Annotated[
        RemovalId | None,
        Query(alias="removalId", description="Id from the trash; by default the latest removal."),
    ] = None,
) -> Any:
    """Restore a document; after the response searches find it."""

    async def restore() -> DocumentResponse:
        return DocumentResponse.from_ingested(
            await context.trash.restore(person, document_id, removal_id, timings)
        )

    return await run_once(request, person, context, key, restore, status=201, parts=(removal_id or "",))
