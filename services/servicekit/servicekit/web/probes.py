"""Routes ``/healthz`` and ``/readyz`` for the kubelet. They need no token.

The application's state holds a context whose ``readiness`` is a :class:`~servicekit.web.readiness.Readiness`.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from .readiness import Readiness

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def check_health(request: Request) -> JSONResponse:
    """Return 503 if only a restart helps."""
    return _probe([f"the task {name} has ended" for name in _get_readiness(request).ended])


@router.get("/readyz")
async def check_readiness(request: Request) -> JSONResponse:
    """Return 503 while requests cannot be served."""
    return _probe(await _get_readiness(request).list_missing())


def _get_readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.context.readiness
    return readiness


def _probe(missing: list[str]) -> JSONResponse:
    content: dict[str, Any] = {"ok": not missing, "missing": missing}
    return JSONResponse(content, status_code=503 if missing else 200)
