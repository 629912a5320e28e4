"""The real Open WebUI for tests, and a look into it that does not go through our own code.

``TENANTRY_TEST_OPEN_WEBUI`` names the URL of one that is left running between runs, on the platform's own
Postgres, for whoever writes tests.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
from tenantry_local.context import CACHE
from tenantry_local.parts.postgres import _programs
from tenantry_local.platform import Platform

__all__ = ["EMAIL", "PASSWORD", "USER_PASSWORD", "WebUi", "running_open_webui"]

EMAIL, PASSWORD = "admin@tenantry.example", "admin-password-1"
USER_PASSWORD = "user-password-1"
DATABASE = "openwebui_workspace"
BOOT_SECONDS = 240


class WebUi:
    """One Open WebUI as its administrator sees it.

    Parameters
    ----------
    url
        Where it is.
    platform
        The platform in whose Postgres its database is.
    """

    def __init__(self, url: str, platform: Platform) -> None:
        self.url = url
        self._platform = platform
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self._http.headers["Authorization"] = f"Bearer {self.token(EMAIL, PASSWORD)}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def token(self, email: str, password: str) -> str:
        """Sign in; return the access token."""
        answer = self._http.post("/auths/signin", json={"email": email, "password": password})
        answer.raise_for_status()
        return str(answer.json()["token"])

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Make a call as administrator; return what is answered."""
        answer = self._http.request(method, path, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def sql(self, statement: str) -> None:
        """Run a statement in its database."""
        _psql(self._platform, DATABASE, statement)

    def add_user(self, email: str, subject: str = "") -> str:
        """Make an account, as a login with Keycloak would where ``subject`` is given; return its id."""
        form = {"name": email.partition("@")[0], "email": email, "password": USER_PASSWORD, "role": "user"}
        made = str(self.call("POST", "/auths/add", json=form)["id"])
        if subject:
            oauth = json.dumps({"oidc": {"sub": subject}})
            self.sql(f"""update "user" set oauth = '{oauth}' where id = '{made}'""")
        return made

    def drop_user(self, email: str) -> None:
        """Take an account away, where there is one."""
        for found in self.call("GET", "/users/", params={"query": email})["users"]:
            self.call("DELETE", f"/users/{found['id']}")

    def add_file(self, knowledge_id: str, name: str = "report.txt") -> str:
        """Put a file into a knowledge base; return its id."""
        files = {"file": (name, b"The answer is 42.", "text/plain")}
        made = self.call("POST", "/files/", files=files, params={"process_in_background": "false"})
        self.call("POST", f"/knowledge/{knowledge_id}/file/add", json={"file_id": made["id"]})
        return str(made["id"])

    def has_file(self, file_id: str) -> bool:
        """Tell whether there is a file."""
        return self._http.get(f"/files/{file_id}").is_success

    def groups(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the groups of the tenant's name, with the e-mails of their members."""
        found = [g for g in self.call("GET", "/groups/") if g["name"] == f"/tenants/tenant-{tenant_id}"]
        for group in found:
            users = self.call("POST", f"/groups/id/{group['id']}/users")
            group["members"] = sorted(user["email"] for user in users)
            group["inherited"] = self.call("GET", f"/groups/id/{group['id']}/members")["counts"]["inherited"]
        return found

    def models(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the tenant's models, by their ids alone."""
        found = [m for m in self.call("GET", "/models/all") if m["id"].startswith(f"tenant-{tenant_id}.")]
        return sorted(found, key=lambda model: str(model["id"]))

    def bases(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the knowledge bases that carry the tenant's marker."""
        query = {"query": f"[tenantry:tenant-{tenant_id}/"}
        found = cast("list[dict[str, Any]]", self.call("GET", "/knowledge/search", params=query)["items"])
        return sorted(found, key=lambda base: str(base["description"]))

    def base(self, tenant_id: str, persona: str = "finance") -> dict[str, Any]:
        """Return a persona's one knowledge base."""
        (found,) = [b for b in self.bases(tenant_id) if f"/{persona}]" in b["description"]]
        return found

    def look(self, tenant_id: str) -> dict[str, Any]:
        """Return all that the operator makes for a tenant, without ids that differ from run to run."""
        groups = self.groups(tenant_id)
        named = {group["id"]: "own" for group in groups}
        return {
            "groups": [
                {
                    "description": group["description"],
                    "parent": group["parent_group_id"],
                    "members": group["members"],
                    "inherited": group["inherited"],
                }
                for group in groups
            ],
            "models": {
                model["id"]: {
                    "name": model["name"],
                    "base": model["base_model_id"],
                    "active": model["is_active"],
                    "description": model["meta"]["description"],
                    "file_context": (model["meta"]["capabilities"] or {}).get("file_context"),
                    "grants": _grants(model, named),
                }
                for model in self.models(tenant_id)
            },
            "knowledge": [
                {
                    "name": base["name"],
                    "description": base["description"],
                    "files": base["file_count"],
                    "grants": _grants(base, named),
                }
                for base in self.bases(tenant_id)
            ],
        }

    def versions(self, tenant_id: str) -> list[Any]:
        """Return what any write would change: ids and times of everything."""
        things = [*self.groups(tenant_id), *self.models(tenant_id), *self.bases(tenant_id)]
        return [(thing["id"], thing["updated_at"], thing.get("access_grants")) for thing in things]


@contextmanager
def running_open_webui(platform: Platform, folder: Path) -> Iterator[WebUi]:
    """Start it on a database of its own, and stop it at the end, unless one was given."""
    given = os.environ.get("TENANTRY_TEST_OPEN_WEBUI")
    if given:
        opened = WebUi(given, platform)
        yield opened
        opened.close()
        return
    _psql(platform, "postgres", f"drop database if exists {DATABASE} with (force)")
    _psql(platform, "postgres", f"create database {DATABASE}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with (folder / "open-webui.log").open("wb") as log:
        process = subprocess.Popen(_argv(url), env=_env(platform, folder), cwd=folder, stdout=log, stderr=log)
        try:
            _wait(url, process, folder)
            opened = WebUi(url, platform)
            yield opened
            opened.close()
        finally:
            process.terminate()
            process.wait(30)


def _psql(platform: Platform, database: str, statement: str) -> None:
    password, port = platform.context.secrets["postgres"], platform.context.ports["postgres"]
    url = f"postgresql://postgres@127.0.0.1:{port}/{database}"
    done = subprocess.run(
        [str(_programs() / "psql"), url, "--no-psqlrc", "--command", statement],
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr


def _argv(url: str) -> list[str]:
    (program, *_) = sorted(CACHE.glob("open-webui/*/venv/bin/open-webui"))
    return [str(program), "serve", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]


def _env(platform: Platform, folder: Path) -> dict[str, str]:
    password, port = platform.context.secrets["postgres"], platform.context.ports["postgres"]
    return os.environ | {
        "OFFLINE_MODE": "true",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
        "DATA_DIR": str(folder / "data"),
        "STATIC_DIR": str(folder / "static"),
        "WEBUI_SECRET_KEY": "a-key-of-the-tests-that-is-long-enough",
        "DATABASE_URL": f"postgresql://postgres:{password}@127.0.0.1:{port}/{DATABASE}",
        "VECTOR_DB": "pgvector",
        "ENABLE_PERSISTENT_CONFIG": "false",
        "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_OPENAI_API_BASE_URL": "http://127.0.0.1:9",
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_OPENAI_API": "false",
        "WEBUI_ADMIN_EMAIL": EMAIL,
        "WEBUI_ADMIN_PASSWORD": PASSWORD,
        "WEBUI_ADMIN_NAME": "Tenantry",
    }


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"Open WebUI did not start:\n{(folder / 'open-webui.log').read_text()[-2000:]}")


def _grants(thing: dict[str, Any], groups: dict[str, str]) -> list[str]:
    """Return grants as words, with the tenant's own group called ``own``."""

    def in_words(grant: dict[str, str]) -> str:
        holder = grant["principal_id"]
        return f"{grant['permission']} {grant['principal_type']} {groups.get(holder, holder)}"

    return sorted(map(in_words, thing["access_grants"]))
