"""What handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from ..context import ProcessContext

__all__ = ["Context", "admit"]


# It waits for nothing; but what is no coroutine FastAPI hands to a thread, which takes far longer.
async def _context(request: Request) -> ProcessContext:
    context: ProcessContext = request.app.state.context
    return context


Context = Annotated[ProcessContext, Depends(_context)]


def admit(request: Request) -> None:
    """Keep the connection of a caller that is proven, however many others prove nobody."""
    if connection := getattr(request.state, "connection", None):
        connection.admit()
