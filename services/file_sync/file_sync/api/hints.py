"""HTTP route ``POST /v1/hints``: Open WebUI announces a possible change, and file-sync polls its database."""

from hmac import compare_digest

from fastapi import APIRouter, Request, Response

from ..metrics import HINTS
from ..problems import HintRefused
from .context import Context, admit

__all__ = ["router"]

HINT_HEADER = "X-Tenantry-Hint"

router = APIRouter()


@router.post("/v1/hints", status_code=204, summary="Announce a possible change in Open WebUI")
async def announce_change(request: Request, context: Context) -> Response:
    """Wake the leader; concurrent hints are coalesced."""
    secret = request.headers.get(HINT_HEADER, "").encode()
    if not compare_digest(secret, context.settings.hint_secret.get_secret_value().encode()):
        raise HintRefused(f"The header {HINT_HEADER} is missing or wrong.")
    admit(request)
    HINTS.inc()
    context.leader_elector.broadcast_hint()
    return Response(status_code=204)
