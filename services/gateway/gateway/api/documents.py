"""``POST /v1/documents``: a person's file, or a document that a service's ticket names."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from ..problems import FormRefused
from .auth import Caller, Context, RequestStages, TicketHolder
from .schemas import DocumentResponse

__all__ = ["FORM_BYTES", "router"]

FORM_BYTES = 64 * 1024
"""What a form may be larger than its file."""

_FORM: dict[str, Any] = {
    "requestBody": {
        "description": "A person sends this form. With a ticket the body is empty.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "personaId"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "personaId": {"type": "string"},
                    },
                }
            }
        },
    }
}

router = APIRouter()


@router.post(
    "/v1/documents",
    status_code=201,
    summary="Take in a document: a person's upload, or what a ticket names in S3",
    openapi_extra=_FORM,
)
async def ingest(
    request: Request, caller: Caller, context: Context, stages: RequestStages
) -> DocumentResponse:
    """Store, index and describe a document."""
    if isinstance(caller, TicketHolder):
        if await request.body():
            raise FormRefused("The ticket says everything; send it with an empty body.")
        return DocumentResponse.of(await context.documents.index_stored(caller.tenant, caller.ticket, stages))
    persona_id, filename, content = await _form(request)
    return DocumentResponse.of(
        await context.documents.upload(caller.tenant, persona_id, filename, content, caller.subject, stages)
    )


async def _form(request: Request) -> tuple[str, str, bytes]:
    """Return persona, file name and content. The file waits on disk while it comes in."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "Send a form: multipart/form-data with `file` and `personaId`.")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=1, max_part_size=1024)
    try:
        form = await parser.parse()
    except MultiPartException as exc:
        raise FormRefused(f"The form is not sound: {exc.message}") from exc
    try:
        file, persona_id = form.get("file"), form.get("personaId")
        if (
            len(form.multi_items()) != 2
            or not isinstance(file, UploadFile)
            or not isinstance(persona_id, str)
        ):
            raise FormRefused("The form must hold one `file` and one `personaId`, and nothing else.")
        return persona_id, file.filename or "", await file.read()
    finally:
        await form.close()
