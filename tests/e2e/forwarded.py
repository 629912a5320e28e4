"""HTTP to Services by the names that they have in the cluster, so that redirects and cookies fit."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
from typing_extensions import override

from tests.support.open_webui import Person, WebUI

from .installation import Installation

__all__ = ["logged_in"]

PORT = 8080


class Forwarded(httpx.AsyncHTTPTransport):
    """Connects to forwarded ports.

    Parameters
    ----------
    ports
        The port on 127.0.0.1 of each host.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__()
        self._ports = ports

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # Another request: cookies belong to the host of the one that was made, and so does the Host header.
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._ports[request.url.host]),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(sent)


class ForwardedWebUI(WebUI):
    """Open WebUI, with Keycloak to log in at, both of them forwarded."""

    def __init__(self, url: str, ports: Mapping[str, int]) -> None:
        super().__init__(url)
        self._ports = ports

    @override
    def client(self, **arguments: Any) -> httpx.AsyncClient:
        return super().client(transport=Forwarded(self._ports), **arguments)


@asynccontextmanager
async def logged_in(installation: Installation, *emails: str) -> AsyncIterator[list[Person]]:
    """Let some of the demo's people log in to Open WebUI through Keycloak's page."""
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(installation.cluster.forwarded(name, PORT))
            for name in map(installation.name, ("open-webui", "keycloak"))
        }
        webui = ForwardedWebUI(f"http://{installation.name('open-webui')}:{PORT}", ports)
        try:
            yield [await webui.log_in(email, installation.password) for email in emails]
        finally:
            await webui.aclose()
