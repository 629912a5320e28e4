"""What handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from ..context import ProcessContext

__all__ = ["Context"]


# It waits for nothing; but what is no coroutine FastAPI hands to a thread, which takes far longer.
async def _context(request: Request) -> ProcessContext:
    context: ProcessContext = request.app.state.context
    return context


Context = Annotated[ProcessContext, Depends(_context)]
