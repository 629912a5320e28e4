"""respx in front of the transport that the gateway talks to Qdrant over; by itself it knows httpx' own."""

from typing import Any, ClassVar

import httpx
from respx.mocks import AbstractRequestMocker
from typing_extensions import override

__all__ = ["AIOHTTP"]

AIOHTTP = "aiohttp"
"""What to give to ``respx.mock`` as ``using``."""


class _AiohttpMocker(AbstractRequestMocker):
    name = AIOHTTP
    targets: ClassVar[list[str]] = ["httpx_aiohttp.AiohttpTransport"]
    target_methods: ClassVar[list[str]] = ["handle_async_request"]

    @classmethod
    @override
    def to_httpx_request(cls, **kwargs: Any) -> httpx.Request:
        request: httpx.Request = kwargs["request"]
        return request

    @classmethod
    @override
    async def from_async_httpx_response(
        cls, httpx_response: httpx.Response, target: Any, **kwargs: Any
    ) -> Any:
        return httpx_response
