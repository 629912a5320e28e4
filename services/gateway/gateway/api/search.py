"""``POST /v1/search`` and ``POST /v1/answers``."""

from fastapi import APIRouter

from .auth import Context, Querier, RequestStages
from .schemas import AnswerRequest, AnswerResponse, SearchRequest, SearchResponse

__all__ = ["router"]

router = APIRouter()


@router.post("/v1/search", summary="Find passages in the documents of one's own tenant")
async def search(
    body: SearchRequest, person: Querier, context: Context, stages: RequestStages
) -> SearchResponse:
    """Return the passages nearest to a query."""
    passages = await context.retrieval.find(
        person.tenant, body.query, stages, persona_id=body.persona_id, top_k=body.top_k
    )
    return SearchResponse.of(passages)


@router.post("/v1/answers", summary="Answer a question from the documents of one's own tenant")
async def answer(
    body: AnswerRequest, person: Querier, context: Context, stages: RequestStages
) -> AnswerResponse:
    """Return an answer with its citations."""
    return AnswerResponse.of(
        await context.answers.answer(person.tenant, body.question, stages, persona_id=body.persona_id)
    )
