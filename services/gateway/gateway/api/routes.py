"""Route that proves the caller's identity before it reads the body of a request."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from typing_extensions import override

from .auth import identify_person

__all__ = ["PersonRoute"]


class PersonRoute(APIRoute):
    """Refuses who is nobody's person before a byte of the body is waited for.

    FastAPI reads and parses a JSON body before it calls dependencies. So a caller without a token could make
    the gateway wait for a body that never ends.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Return the route's handler, behind the proof."""
        handle = super().get_route_handler()

        async def prove_and_handle(request: Request) -> Response:
            await identify_person(request)
            return await handle(request)

        return prove_and_handle
