"""``GET /v1/me``: which tenant a person's token proves, and what there is for them."""

from fastapi import APIRouter

from .auth import Person
from .responses import PERSON, problems
from .schemas import MeResponse

__all__ = ["router"]

router = APIRouter()


@router.get("/v1/me", summary="Tell whose token this is, and for which tenant", responses=problems(*PERSON))
async def me(person: Person) -> MeResponse:
    """Return the tenant that the caller's token proves, and its personas."""
    return MeResponse.of(person)
