"""HTTP routes that are compatible with OpenAI: ``GET /v1/models`` and ``POST /v1/chat/completions``.

A model is a persona. Sampling parameters are ignored. ``system`` messages are ignored as well, because the
persona's instructions and the fixed rules are the system prompt. Citations are separate from the text.
"""

import json
import time
from typing import Any

from fastapi import APIRouter, Request
from servicekit.errors import TenantryError

from ..answers.service import Answer
from ..personas import require_persona
from .auth import Context, Person, Querier, Timings
from .caching import CACHE_HEADERS, RequestCachePolicy, build_cache_status
from .membership import CallerMembership
from .openai_schemas import (
    EXAMPLE_HEAD,
    ChatCompletion,
    ChatCompletionRequest,
    ModelList,
    build_chunk,
    build_openai_error,
)
from .responses import ANSWER, PERSON, describe_problems
from .routes import PersonRoute
from .sse import describe_events, encode_event, stream_answer

__all__ = ["router"]

router = APIRouter(route_class=PersonRoute)

_CHUNKS = describe_events(
    named=False,
    words=json.dumps(build_chunk(EXAMPLE_HEAD, {"role": "assistant", "content": "The marketing budget "})),
    end="[DONE]",
)


@router.get("/v1/models", summary="List the personas", responses=describe_problems(*PERSON, openai=True))
async def list_models(person: Person) -> ModelList:
    """Return the tenant's personas as models."""
    return ModelList.from_tenant(person.tenant)


@router.post(
    "/v1/chat/completions",
    summary="Answer the last question of a chat",
    response_model=ChatCompletion,
    responses=describe_problems(*ANSWER, openai=True) | {200: {"content": _CHUNKS, "headers": CACHE_HEADERS}},
)
async def create_chat_completion(
    body: ChatCompletionRequest,
    person: Querier,
    policy: RequestCachePolicy,
    membership: CallerMembership,
    context: Context,
    timings: Timings,
    request: Request,
) -> Any:
    """Return a completion, or stream it."""
    require_persona(person.tenant, body.model)
    question = body.to_question()
    lookup = await context.answers.check_cache(person.tenant, question, policy)
    request.state.headers.update(build_cache_status(lookup))
    head = {"id": f"chatcmpl-{request.state.request_id}", "created": int(time.time()), "model": body.model}
    if not body.stream:
        answering = context.answers.answer(person.tenant, question, lookup, timings)
        return ChatCompletion.from_answer(head, await membership.hold(answering))

    def encode_answer(answer: Answer) -> bytes:
        events = encode_event(build_chunk(head, {}, answer=answer))
        if body.stream_options and body.stream_options.include_usage:
            events += encode_event(build_chunk(head, None, answer=answer))
        return events + encode_event("[DONE]")

    def encode_error(problem: TenantryError) -> bytes:
        return encode_event(build_openai_error(problem.to_problem()))

    return await stream_answer(
        context.answers.stream(person.tenant, question, lookup, timings),
        membership,
        encode_text=lambda text: encode_event(build_chunk(head, {"role": "assistant", "content": text})),
        encode_answer=encode_answer,
        encode_error=encode_error,
    )
