"""Fake of Keycloak's token endpoint and admin API, for clients of the admin API."""

from collections.abc import Sequence
from typing import Any

import httpx

__all__ = ["FakeKeycloakServer"]

MAX_REQUESTS = 20
"""Maximum number of requests: more than a test needs, so a client that never stops paging fails."""


class FakeKeycloakServer:
    """Handler for ``httpx.MockTransport``: ``responses`` come first, then pages of ``users``."""

    def __init__(self, users: Sequence[dict[str, Any]]) -> None:
        self.users = list(users)
        self.lifetime = 60
        self.logins: list[httpx.Request] = []
        self.requests: list[httpx.Request] = []
        self.responses: list[httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/protocol/openid-connect/token"):
            self.logins.append(request)
            token = f"t{len(self.logins)}"
            return httpx.Response(200, json={"access_token": token, "expires_in": self.lifetime})
        self.requests.append(request)
        assert len(self.requests) <= MAX_REQUESTS
        if self.responses:
            return self.responses.pop(0)
        first, size = int(request.url.params.get("first", 0)), int(request.url.params.get("max", 100))
        return httpx.Response(200, json=self.users[first : first + size])
