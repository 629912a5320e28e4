"""``GET /v1/files``: a person's own files, and how far each is."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from tenancy.callers import identify, require_bearer, verify

from ..user_files import MOST, OwnFile
from .context import Context, admit

__all__ = ["router"]

FileId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]

router = APIRouter()


class FileItem(BaseModel):
    """A file; ``reason`` says why it goes no further than ``state``, where there is something to say."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str
    filename: str
    persona_id: str | None
    state: str
    reason: str | None
    updated_at: datetime


class FileList(BaseModel):
    """The newest files of a person."""

    files: list[FileItem]


@router.get("/v1/files", summary="List one's own files, and how far each is")
async def list_files(
    request: Request,
    context: Context,
    ids: Annotated[
        list[FileId] | None,
        Query(alias="id", max_length=MOST, description="Only these files; may be given several times."),
    ] = None,
) -> FileList:
    """Return the caller's own files, the newest first; what is somebody else's is not there."""
    token = require_bearer(request.headers.getlist("authorization"))
    person = identify(await verify(token, context.tokens, context.registry), context.registry)
    admit(request)
    context.calls.count(person.tenant.id)
    return FileList(files=[_to_item(each) for each in await context.files.listed(person, token, ids)])


def _to_item(own: OwnFile) -> FileItem:
    return FileItem(
        id=own.file.id,
        filename=own.file.filename,
        persona_id=own.verdict.persona_id,
        state=own.verdict.state,
        reason=own.verdict.reason,
        updated_at=datetime.fromtimestamp(own.file.updated_at, UTC),
    )
