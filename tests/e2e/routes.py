"""Transport of HTTP clients that use host names which no DNS server of this machine knows."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from typing_extensions import override

__all__ = ["Route", "RoutingTransport"]


@dataclass(frozen=True)
class Route:
    """Server that answers for a host name.

    Parameters
    ----------
    url
        URL with an address in the place of the host name.
    authority
        CA of the server's certificate, which is for the host name. ``None`` for a server without TLS.
    """

    url: str
    authority: ssl.SSLContext | None = None


class RoutingTransport(httpx.AsyncBaseTransport):
    """Transport that connects to the servers of routes.

    Parameters
    ----------
    routes
        Route of each host name.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._urls = {host: httpx.URL(route.url) for host, route in routes.items()}
        self._transports = {
            host: httpx.AsyncHTTPTransport(verify=route.authority or True) for host, route in routes.items()
        }

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        server = self._urls[host]
        # A new request, because cookies and the Host header belong to the host of the original request.
        sent = httpx.Request(
            request.method,
            request.url.copy_with(scheme=server.scheme, host=server.host, port=server.port),
            # As a load balancer adds them.
            headers=[*request.headers.raw, (b"X-Forwarded-Proto", request.url.raw_scheme)],
            stream=request.stream,
            extensions=request.extensions | {"sni_hostname": host},
        )
        return await self._transports[host].handle_async_request(sent)

    @override
    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
