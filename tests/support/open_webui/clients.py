"""HTTP clients of the real Open WebUI, for people and administrators."""

import html
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.open_webui.services import make_uid
from tests.support.timing.waiting import wait_until

__all__ = ["Chat", "Person", "WebUI", "connect_as_administrator"]


@dataclass(frozen=True)
class Chat:
    """A stored message of Open WebUI with a complete answer."""

    content: str
    sources: list[dict[str, Any]]
    statuses: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Return the names of the sources in the order of their markers."""
        return [source["metadata"][0]["name"] for source in self.sources]


@dataclass
class Person:
    """HTTP client of a person who is signed in to Open WebUI.

    Parameters
    ----------
    http
        Client with the person's cookies or token.
    """

    http: httpx.AsyncClient
    id: str

    async def get(self, path: str, **arguments: Any) -> Any:
        """Return the response of a GET."""
        response = await self.http.get(path, **arguments)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    async def post(self, path: str, body: Any, **arguments: Any) -> Any:
        """Return the response of a POST."""
        response = await self.http.post(path, json=body, **arguments)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    async def list_models(self) -> set[str]:
        """Return the models that the person can choose."""
        return {model["id"] for model in (await self.get("/api/models"))["data"]}

    async def list_groups(self) -> set[str]:
        """Return the names of the person's groups."""
        return {group["name"] for group in await self.get("/api/v1/groups/")}

    async def upload(self, filename: str, content: bytes) -> str:
        """Upload a file, without extraction of its text; return its id."""
        response = await self.http.post(
            "/api/v1/files/", params={"process": "false"}, files={"file": (filename, content)}
        )
        assert response.is_success, response.text
        file_id: str = response.json()["id"]
        return file_id

    async def ask(self, model: str, question: str, **body: Any) -> httpx.Response:
        """Ask as a program does, without a chat."""
        messages = [{"role": "user", "content": question}]
        return await self.http.post(
            "/api/chat/completions", json={"model": model, "messages": messages, "stream": False, **body}
        )

    async def stream(self, model: str, question: str) -> list[str]:
        """Ask as a program does, without a chat; return the streamed pieces."""
        body = {"model": model, "messages": [{"role": "user", "content": question}], "stream": True}
        pieces = []
        async with self.http.stream("POST", "/api/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:]).get("choices") or [{}]
                    pieces.append(choices[0].get("delta", {}).get("content") or "")
        return [piece for piece in pieces if piece]

    async def begin(self, model: str, question: str, *, files: list[dict[str, Any]] | None = None) -> str:
        """Ask as the browser does, in a new chat, and return the chat's id."""
        message = {"id": str(uuid.uuid4()), "role": "user", "content": question, "files": files or []}
        said = await self.post(
            "/api/chat/completions",
            {
                "model": model,
                "stream": True,
                "messages": [{"role": "user", "content": question}],
                "files": files or [],
                "id": str(uuid.uuid4()),
                "parent_id": None,
                "session_id": str(uuid.uuid4()),
                "user_message": message,
            },
        )
        chat_id: str = said["chat_id"]
        return chat_id

    async def stop(self, chat_id: str) -> None:
        """Press the button that stops an answer."""
        await self.post(f"/api/tasks/chat/{chat_id}/stop", {})

    async def ask_in_chat(
        self, model: str, question: str, *, files: list[dict[str, Any]] | None = None
    ) -> Chat:
        """Ask as the browser does, in a new chat; wait for the complete answer and return it."""
        chat_id = await self.begin(model, question, files=files)

        found: dict[str, Any] = {}

        async def is_answered() -> bool:
            stored = (await self.get(f"/api/v1/chats/{chat_id}"))["chat"]["history"]["messages"].values()
            (message,) = [candidate for candidate in stored if candidate["role"] == "assistant"]
            found.update(message)
            return bool(message.get("done"))

        await wait_until(is_answered, seconds=60)
        return Chat(found["content"], found.get("sources") or [], found.get("statusHistory") or [])


@dataclass
class WebUI:
    """A running Open WebUI, and its administrator."""

    url: str
    admin: Person = field(init=False)
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def make_client(self, **arguments: Any) -> httpx.AsyncClient:
        """Return a client that :meth:`close` closes."""
        client = httpx.AsyncClient(base_url=self.url, timeout=60, **arguments)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.aclose()

    async def add_person(self, name: str) -> Person:
        """Create a person with a password of Open WebUI, and sign in."""
        email, password = f"{name}-{uuid.uuid4().hex[:8]}@password.example", "A-password-of-tests-1"
        await self.admin.post(
            "/api/v1/auths/add", {"name": name, "email": email, "password": password, "role": "user"}
        )
        return await self.sign_in(email, password)

    async def sign_in(self, email: str, password: str) -> Person:
        """Sign in with a password of Open WebUI."""
        client = self.make_client()
        response = await client.post("/api/v1/auths/signin", json={"email": email, "password": password})
        assert response.is_success, response.text
        client.headers["Authorization"] = f"Bearer {response.json()['token']}"
        return Person(client, response.json()["id"])

    async def log_in(self, email: str, password: str) -> Person:
        """Log in as a person does, through Keycloak's page."""
        client = self.make_client(follow_redirects=True)

        async def allow_insecure_cookies(_: httpx.Response) -> None:
            # Keycloak's cookies are "secure"; like a browser, send them to 127.0.0.1 without TLS.
            for cookie in client.cookies.jar:
                cookie.secure = False

        client.event_hooks["response"] = [allow_insecure_cookies]
        page = await client.get("/oauth/oidc/login")
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        assert action, f"{page.url} shows no form: {page.text[:500]}"
        landed = await client.post(
            html.unescape(action[1]), data={"username": email, "password": password, "credentialId": ""}
        )
        assert "token" in client.cookies, f"{landed.url}: {landed.text[:500]}"
        client.headers["Authorization"] = f"Bearer {client.cookies['token']}"
        return Person(client, (await client.get("/api/v1/auths/")).json()["id"])

    async def set_valves(self, function: str = "tenantry", **valves: Any) -> dict[str, Any]:
        """Change some valves of one of our functions; return the previous ones."""
        path = f"/api/v1/functions/id/{function}/valves"
        before: dict[str, Any] = await self.admin.get(path)
        await self.admin.post(f"{path}/update", before | valves)
        return before

    @asynccontextmanager
    async def override_valves(self, function: str = "tenantry", **valves: Any) -> AsyncIterator[None]:
        """Change some valves of one of our functions inside the block."""
        before = await self.set_valves(function, **valves)
        try:
            yield
        finally:
            # The request replaces all valves, so a valve that was not set before is unset again.
            await self.admin.post(f"/api/v1/functions/id/{function}/valves/update", before)

    async def add_group(self, name: str, **form: Any) -> str:
        """Create a group and return its id."""
        made = await self.admin.post("/api/v1/groups/create", {"name": name, "description": "", **form})
        return str(made["id"])

    async def add_tenant_group(self, tenant: str, *, uid: str = "") -> str:
        """Create a tenant's group as the operator does, and return its id."""
        data = {"tenantry": {"tenant": tenant.removeprefix("tenant-"), "uid": uid or make_uid(tenant)}}
        return await self.add_group(f"/tenants/{tenant}", data=data)

    async def add_persona(self, model_id: str, group_id: str) -> None:
        """Create a persona's model as the operator does, for one group."""
        grant = {"principal_type": "group", "principal_id": group_id, "permission": "read"}
        await self.admin.post(
            "/api/v1/models/create",
            {
                "id": model_id,
                "base_model_id": "tenantry",
                "name": model_id,
                "meta": {"capabilities": {"file_context": False}},
                "params": {},
                "access_grants": [grant],
                "is_active": True,
            },
        )
        await self.admin.get("/api/models", params={"refresh": "true"})


@asynccontextmanager
async def connect_as_administrator(url: str, email: str, password: str) -> AsyncIterator[WebUI]:
    """Yield administrator's access to a running Open WebUI."""
    webui = WebUI(url)
    webui.admin = await webui.sign_in(email, password)
    try:
        yield webui
    finally:
        await webui.close()
