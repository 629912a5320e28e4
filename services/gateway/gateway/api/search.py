"""HTTP route of searches: ``POST /v1/search``."""

from fastapi import APIRouter

from .auth import Context, Querier, Timings
from .responses import SEARCH, describe_problems
from .routes import PersonRoute
from .schemas import SearchRequest, SearchResponse

__all__ = ["router"]

router = APIRouter(route_class=PersonRoute)


@router.post(
    "/v1/search",
    summary="Find passages in the tenant's documents",
    responses=describe_problems(*SEARCH),
)
async def search(body: SearchRequest, person: Querier, context: Context, timings: Timings) -> SearchResponse:
    """Return the passages most similar to a query."""
    passages = await context.retrieval.find(
        person.tenant, body.query, timings, persona_id=body.persona_id, top_k=body.top_k
    )
    return SearchResponse.from_passages(passages)
