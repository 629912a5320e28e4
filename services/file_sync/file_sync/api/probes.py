"""HTTP routes ``/healthz`` and ``/readyz`` for the kubelet, without authentication."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .context import Context

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz(context: Context) -> JSONResponse:
    """Return 503 if only a restart helps."""
    return _probe([f"the task {name} has ended" for name in context.readiness.ended])


@router.get("/readyz")
async def readyz(context: Context) -> JSONResponse:
    """Return 503 while requests cannot be served."""
    return _probe(await context.readiness.missing())


def _probe(missing: list[str]) -> JSONResponse:
    content: dict[str, Any] = {"ok": not missing, "missing": missing}
    return JSONResponse(content, status_code=503 if missing else 200)
