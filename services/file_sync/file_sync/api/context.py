"""Dependencies of request handlers."""

from typing import Annotated

from fastapi import Depends, Request

from ..context import FileSyncContext

__all__ = ["Context", "admit"]


# A coroutine, because FastAPI would run a plain function in a thread, which takes far longer.
async def _get_context(request: Request) -> FileSyncContext:
    context: FileSyncContext = request.app.state.context
    return context


Context = Annotated[FileSyncContext, Depends(_get_context)]


def admit(request: Request) -> None:
    """Mark a verified caller's connection, so that it survives many connections of unverified callers."""
    if connection := getattr(request.state, "connection", None):
        connection.admit()
