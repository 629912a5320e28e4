"""The real n8n with the workflows imported, before a gateway that answers what a test tells it to."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenantry_local.platform import Platform

from tests.support.fake_gateway import FakeGateway
from tests.support.gateway import serving
from tests.support.n8n import RunningN8n, running_n8n
from tests.support.proxy import Proxy

PATIENCE = {
    "EXECUTIONS_DATA_PRUNE_SOFT_DELETE_INTERVAL": "0.1",
    "N8N_EXECUTIONS_QUEUE_RECOVERY_INTERVAL": "0.1",
}
"""Minutes: what the product looks for every five minutes, a test looks for every six seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test beside this file."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("programs")


@dataclass(frozen=True)
class Stage:
    """n8n, and the gateway behind it."""

    n8n: RunningN8n
    gateway: FakeGateway
    way: Proxy
    """Between n8n and the gateway: cut, the gateway cannot be reached."""
    http: httpx.AsyncClient

    async def upload(self, credential: str | None = "Ticket a.ticket", **headers: str) -> httpx.Response:
        return await self._post("upload", credential, headers)

    async def chat(
        self, body: Any, credential: str | None = "Bearer a.token", **headers: str
    ) -> httpx.Response:
        return await self._post("chat", credential, headers, json=body)

    async def _post(
        self, path: str, credential: str | None, headers: dict[str, str], **content: Any
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if credential is not None:
            named["Authorization"] = credential
        return await self.http.post(
            f"{self.n8n.webhook_url}/webhook/tenantry/{path}", headers=named, **content
        )

    async def import_workflows(self, **settings: str) -> tuple[int, str]:
        """Run the job as a program; return how it ended and what it logged."""
        env = {
            "N8N_INSTALL_URL": self.n8n.url,
            "N8N_INSTALL_WEBHOOK_URL": self.n8n.webhook_url,
            "N8N_INSTALL_EMAIL": self.n8n.owner,
            "N8N_INSTALL_PASSWORD": self.n8n.password,
            "N8N_INSTALL_GATEWAY_URL": f"http://127.0.0.1:{self.way.port}",
            "N8N_INSTALL_WAIT_SECONDS": "60",
        }
        job = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "n8n_install",
            env={**os.environ, **env, **settings},
            stderr=asyncio.subprocess.PIPE,
        )
        _, log = await job.communicate()
        return job.returncode or 0, log.decode()


@pytest.fixture(scope="session")
def backends() -> Iterator[Platform]:
    """A platform of which n8n, Postgres and Redis are started, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="tenantry-test-n8n-") as folder:
        platform = Platform.ephemeral(Path(folder), whole=True)
        try:
            yield platform
        finally:
            platform.down()


@pytest.fixture(scope="session")
async def imported(backends: Platform) -> AsyncIterator[Stage]:
    """n8n with the workflows, once for all tests."""
    gateway = FakeGateway()
    async with (
        running_n8n(backends, PATIENCE) as n8n,
        serving(gateway.app) as url,
        Proxy(int(url.rpartition(":")[2])) as way,
        httpx.AsyncClient(timeout=120) as http,
    ):
        stage = Stage(n8n, gateway, way, http)
        ended, log = await stage.import_workflows()
        assert ended == 0, log
        yield stage
        gateway.will_answer()  # its server ends when no request is open


@pytest.fixture
def stage(imported: Stage) -> Stage:
    """As it is to be, with nothing asked yet."""
    imported.way.mend()
    imported.gateway.will_answer()
    return imported
