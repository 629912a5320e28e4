"""HTTP clients of Services under their names in the cluster, through port-forwards."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
from typing_extensions import override

from tests.support.open_webui.clients import Person, WebUI

from .installation import Installation

__all__ = ["log_in_users"]

PORT = 8080


class ForwardingTransport(httpx.AsyncHTTPTransport):
    """Transport that connects to forwarded ports.

    Parameters
    ----------
    ports
        Port on 127.0.0.1 of each host.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__()
        self._ports = ports

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A new request, because cookies and the Host header belong to the host of the original request.
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._ports[request.url.host]),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(sent)


class ForwardedWebUI(WebUI):
    """Client of Open WebUI and Keycloak through port-forwards."""

    def __init__(self, url: str, ports: Mapping[str, int]) -> None:
        super().__init__(url)
        self._ports = ports

    @override
    def make_client(self, **arguments: Any) -> httpx.AsyncClient:
        return super().make_client(transport=ForwardingTransport(self._ports), **arguments)


@asynccontextmanager
async def log_in_users(installation: Installation, *emails: str) -> AsyncIterator[list[Person]]:
    """Log demo users in to Open WebUI through Keycloak's login page."""
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(installation.cluster.forward_port(name, PORT))
            for name in map(installation.get_workload_name, ("open-webui", "keycloak"))
        }
        webui = ForwardedWebUI(f"http://{installation.get_workload_name('open-webui')}:{PORT}", ports)
        try:
            yield [await webui.log_in(email, installation.password) for email in emails]
        finally:
            await webui.close()
