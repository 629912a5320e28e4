"""``/v1/deletions``: deletions that are held, for the tenant's administrators to release or to reject."""

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
from .responses import PERSON, STORED, problems
from .schemas import HeldDeletionList, RejectedDeletionsResponse, ReleaseResponse

__all__ = ["router"]

router = APIRouter()


@router.get(
    "/v1/deletions",
    summary="List the held deletions of one's own tenant",
    responses=problems(*PERSON, AdminOnly, WritesUnavailable),
)
async def list_deletions(person: Administrator, context: Context) -> HeldDeletionList:
    """Return the held deletions, the oldest first, at most 1,000. Nothing of them has been deleted."""
    return HeldDeletionList.of(await context.deletions.list_held(person.tenant))


@router.post(
    "/v1/deletions/release",
    summary="Release the held deletions: for an hour nothing is held",
    responses=problems(*PERSON, AdminOnly, WritesUnavailable),
)
async def release_deletions(person: Administrator, context: Context) -> ReleaseResponse:
    """Let deletions pass for an hour: file-sync repeats its own at its next comparison, people theirs."""
    return ReleaseResponse(released_until=await context.deletions.release(person.tenant))


@router.post(
    "/v1/deletions/reject",
    summary="Reject held deletions: the documents stay",
    responses=problems(
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

    A document whose file is gone from Open WebUI stays as one that is identified by its name.
    """
    return RejectedDeletionsResponse.of(await context.rejection.reject(person))
