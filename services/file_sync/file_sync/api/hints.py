"""``POST /v1/hints``: Open WebUI says that something may have changed. Nothing but a look comes of it."""

from hmac import compare_digest

from fastapi import APIRouter, Request, Response

from ..metrics import HINTS
from ..problems import HintRefused
from .context import Context, admit

__all__ = ["router"]

HEADER = "X-Tenantry-Hint"

router = APIRouter()


@router.post("/v1/hints", status_code=204, summary="Say that something may have changed")
async def hint(request: Request, context: Context) -> Response:
    """Let whoever compares look at once; any number of hints at a time is one look."""
    given = request.headers.get(HEADER, "").encode()
    if not compare_digest(given, context.settings.hint_secret.get_secret_value().encode()):
        raise HintRefused(f"The header {HEADER} is missing or wrong.")
    admit(request)
    HINTS.inc()
    context.leadership.pass_on()
    return Response(status_code=204)
