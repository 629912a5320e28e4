"""respx mocker for the aiohttp transport of the gateway's Qdrant client; respx supports only httpx's."""

from typing import Any, ClassVar

import httpx
from respx.mocks import AbstractRequestMocker
from typing_extensions import override

__all__ = ["AIOHTTP"]

AIOHTTP = "aiohttp"
"""Value of the parameter ``using`` of ``respx.mock``."""


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
