"""HTTP route ``GET /v1/me``: the caller's tenant and personas."""

from fastapi import APIRouter

from .auth import Person
from .responses import PERSON, describe_problems
from .schemas import MeResponse

__all__ = ["router"]

router = APIRouter()


@router.get("/v1/me", summary="Get the caller's tenant", responses=describe_problems(*PERSON))
async def get_me(person: Person) -> MeResponse:
    """Return the tenant that the caller's token proves, and its personas."""
    return MeResponse.from_person(person)
