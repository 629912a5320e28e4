"""Route that proves the caller's identity before it reads the body of a request."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from typing_extensions import override

from .auth import identify_person

__all__ = ["PersonRoute"]


class PersonRoute(APIRoute):
    """Refuses unauthenticated callers before it reads the body.

    FastAPI reads and parses a JSON body before it calls dependencies. So a caller without a token could make
    the gateway wait for an endless body.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Return the route's handler with authentication in front of it."""
        handle = super().get_route_handler()

        async def authenticate_and_handle(request: Request) -> Response:
            await identify_person(request)
            return await handle(request)

        return authenticate_and_handle
