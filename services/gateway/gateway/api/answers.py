"""HTTP route of answers: ``POST /v1/answers``, as JSON or as server-sent events."""

import json
from typing import Any

from fastapi import APIRouter, Request
from servicekit.errors import DeadlineExceeded, TenantryError
from starlette.responses import Response, StreamingResponse

from .auth import Context, Querier, Timings
from .caching import CACHE_HEADERS, RequestCachePolicy, build_cache_status
from .membership import CallerMembership, Membership
from .responses import ANSWER, build_example, describe_problems
from .routes import PersonRoute
from .schemas import EXAMPLE_ANSWER, AnswerRequest, AnswerResponse
from .sse import describe_events, encode_event, stream_answer

__all__ = ["router"]

router = APIRouter(route_class=PersonRoute)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "The answer; with `stream` as events: `words` with each piece, finally `answer` with the whole "
            "answer, or `error` with a problem document."
        ),
        "content": describe_events(
            named=True,
            words='{"text":"The marketing budget "}',
            answer=json.dumps(EXAMPLE_ANSWER),
            error=json.dumps(build_example(DeadlineExceeded)),
        ),
        "headers": CACHE_HEADERS,
    }
}


@router.post(
    "/v1/answers",
    summary="Answer a question from the tenant's documents",
    response_model=AnswerResponse,
    responses=describe_problems(*ANSWER) | _STREAM,
)
async def answer(
    body: AnswerRequest,
    person: Querier,
    policy: RequestCachePolicy,
    membership: CallerMembership,
    context: Context,
    timings: Timings,
    request: Request,
) -> Any:
    """Return an answer with its citations, or stream it."""
    question = body.to_question()
    lookup = await context.answers.check_cache(person.tenant, question, policy)
    request.state.headers.update(build_cache_status(lookup))
    if not body.stream:
        answering = context.answers.answer(person.tenant, question, lookup, timings)
        return AnswerResponse.from_answer(await membership.hold(answering))
    request_id: str = request.state.request_id
    pieces = context.answers.stream(person.tenant, question, lookup, timings)
    return await _stream(pieces, membership, request_id)


async def _stream(pieces: Any, membership: Membership, request_id: str) -> Response:
    def encode_error(problem: TenantryError) -> bytes:
        return encode_event(problem.to_problem() | {"instance": request_id}, "error")

    response: StreamingResponse = await stream_answer(
        pieces,
        membership,
        encode_text=lambda text: encode_event({"text": text}, "words"),
        encode_answer=lambda answer: encode_event(
            AnswerResponse.from_answer(answer).model_dump_json(by_alias=True), "answer"
        ),
        encode_error=encode_error,
    )
    return response
