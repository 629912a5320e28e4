"""Error responses of the gateway: problem documents, or OpenAI's shape where its interface is served."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from servicekit.web.errors import build_problem_response
from starlette.types import Scope

from .openai_schemas import build_openai_error

__all__ = ["render_problem"]

OPENAI_PATHS = frozenset({"/v1/models", "/v1/chat/completions"})


def render_problem(problem: dict[str, Any], scope: Scope, headers: Mapping[str, str]) -> JSONResponse:
    """Return the response for a problem, in the shape that the path's clients expect."""
    if scope["path"] in OPENAI_PATHS:
        return JSONResponse(build_openai_error(problem), status_code=problem["status"], headers=headers)
    return build_problem_response(problem, scope, headers)
