"""HTTP routes of held deletions: administrators list, release or reject them."""

from fastapi import APIRouter

from ..problems import (
    AdminOnly,
    DocumentBusy,
    LimitsUnavailable,
    ModelUnavailable,
    PersonaMissing,
    QuotaExceeded,
    WritesUnavailable,
)
from .auth import Administrator, Context
from .responses import PERSON, STORED, describe_problems
from .schemas import HeldDeletionList, RejectedDeletionsResponse, ReleaseResponse

__all__ = ["router"]

router = APIRouter()


@router.get(
    "/v1/deletions",
    summary="List the tenant's held deletions",
    responses=describe_problems(*PERSON, AdminOnly, WritesUnavailable),
)
async def list_deletions(person: Administrator, context: Context) -> HeldDeletionList:
    """Return the held deletions, oldest first, at most 1,000. Their documents have not been deleted."""
    return HeldDeletionList.from_held(await context.deletions.list_held(person.tenant))


@router.post(
    "/v1/deletions/release",
    summary="Release the held deletions and hold none for an hour",
    responses=describe_problems(*PERSON, AdminOnly, WritesUnavailable),
)
async def release_deletions(person: Administrator, context: Context) -> ReleaseResponse:
    """Admit all deletions for an hour.

    File-sync repeats its deletions at its next run; people repeat theirs.
    """
    return ReleaseResponse(released_until=await context.deletions.release(person.tenant))


@router.post(
    "/v1/deletions/reject",
    summary="Reject held deletions and keep the documents",
    responses=describe_problems(
        *PERSON,
        *STORED,
        AdminOnly,
        WritesUnavailable,
        LimitsUnavailable,
        ModelUnavailable,
        DocumentBusy,
        PersonaMissing,
        QuotaExceeded,
    ),
)
async def reject_deletions(person: Administrator, context: Context) -> RejectedDeletionsResponse:
    """Reject the oldest 20 held deletions; call it again while `remaining` is not 0.

    If the file is gone from Open WebUI, its document is from then on identified by its name.
    """
    return RejectedDeletionsResponse.from_rejected(await context.rejection.reject(person))
