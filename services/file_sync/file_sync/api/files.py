"""HTTP route ``GET /v1/files``: the caller's files with their states."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from tenancy.callers import identify, require_bearer, verify

from ..user_files import MAX_FILES, UserFile
from .context import Context, admit

__all__ = ["router"]

FileId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]

router = APIRouter()


class FileItem(BaseModel):
    """A file; ``reason`` explains its state if necessary."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str
    filename: str
    persona_id: str | None
    state: str
    reason: str | None
    updated_at: datetime


class FileList(BaseModel):
    """The newest files of the caller."""

    files: list[FileItem]


@router.get("/v1/files", summary="List the caller's files with their states")
async def list_files(
    request: Request,
    context: Context,
    ids: Annotated[
        list[FileId] | None,
        Query(alias="id", max_length=MAX_FILES, description="Only these files; repeatable."),
    ] = None,
) -> FileList:
    """Return the caller's files, newest first; files of other people are left out."""
    token = require_bearer(request.headers.getlist("authorization"))
    person = identify(await verify(token, context.tokens, context.registry), context.registry)
    admit(request)
    context.calls.count(person.tenant.id)
    return FileList(files=[_to_item(file) for file in await context.files.list(person, token, ids)])


def _to_item(user_file: UserFile) -> FileItem:
    return FileItem(
        id=user_file.file.id,
        filename=user_file.file.filename,
        persona_id=user_file.report.persona_id,
        state=user_file.report.state,
        reason=user_file.report.reason,
        updated_at=datetime.fromtimestamp(user_file.file.updated_at, UTC),
    )
