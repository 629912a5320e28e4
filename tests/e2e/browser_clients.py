"""HTTP clients of Open WebUI and Keycloak under the names that browsers use."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from typing_extensions import override

from tests.support.open_webui.clients import Person, WebUI

from .installation import Installation
from .routes import Route, RoutingTransport

__all__ = ["log_in_users"]


class RoutedWebUI(WebUI):
    """Client of Open WebUI and Keycloak through routes."""

    def __init__(self, url: str, routes: Mapping[str, Route]) -> None:
        super().__init__(url)
        self._routes = routes

    @override
    def make_client(self, **arguments: Any) -> httpx.AsyncClient:
        return super().make_client(transport=RoutingTransport(self._routes), **arguments)


@asynccontextmanager
async def log_in_users(installation: Installation, *emails: str) -> AsyncIterator[list[Person]]:
    """Log demo users in to Open WebUI through Keycloak's login page."""
    with installation.open_browser_routes() as routes:
        webui = RoutedWebUI(installation.chat_url, routes)
        try:
            yield [await webui.log_in(email, installation.password) for email in emails]
        finally:
            await webui.close()
