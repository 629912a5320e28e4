"""Fixtures of the n8n tests: the real n8n with the imported workflows, and a fake gateway."""

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

from tests.support.fakes.gateway import FakeGateway
from tests.support.faults.proxy import Proxy
from tests.support.programs.gateway import serve_app
from tests.support.programs.n8n import RunningN8n, run_n8n

FAST_INTERVALS = {
    "EXECUTIONS_DATA_PRUNE_SOFT_DELETE_INTERVAL": "0.1",
    "N8N_EXECUTIONS_QUEUE_RECOVERY_INTERVAL": "0.1",
}
"""Pruning intervals, in minutes: six seconds (0.1) instead of Tenantry's five minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("programs")


@dataclass(frozen=True)
class N8nHarness:
    """n8n, the fake gateway behind it, and clients of both."""

    n8n: RunningN8n
    gateway: FakeGateway
    connection: Proxy
    """Proxy between n8n and the gateway; when cut, the gateway is unreachable."""
    http: httpx.AsyncClient

    async def upload(self, credential: str | None = "Ticket a.ticket", **headers: str) -> httpx.Response:
        return await self._post("upload", credential, headers)

    async def send_chat(
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
        """Run the install job as a program; return its exit code and log."""
        env = {
            "N8N_INSTALL_URL": self.n8n.url,
            "N8N_INSTALL_WEBHOOK_URL": self.n8n.webhook_url,
            "N8N_INSTALL_EMAIL": self.n8n.owner,
            "N8N_INSTALL_PASSWORD": self.n8n.password,
            "N8N_INSTALL_GATEWAY_URL": f"http://127.0.0.1:{self.connection.port}",
            "N8N_INSTALL_READY_TIMEOUT_SECONDS": "60",
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
    """A platform on which only n8n, Postgres and Redis are started."""
    with tempfile.TemporaryDirectory(prefix="tenantry-test-n8n-") as folder:
        platform = Platform.open_ephemeral(Path(folder), all_parts=True)
        try:
            yield platform
        finally:
            platform.stop_all()


@pytest.fixture(scope="session")
async def imported_harness(backends: Platform) -> AsyncIterator[N8nHarness]:
    """n8n with the workflows, shared by all tests."""
    gateway = FakeGateway()
    async with (
        run_n8n(backends, FAST_INTERVALS) as n8n,
        serve_app(gateway.app) as url,
        Proxy(int(url.rpartition(":")[2])) as connection,
        httpx.AsyncClient(timeout=120) as http,
    ):
        harness = N8nHarness(n8n, gateway, connection, http)
        ended, log = await harness.import_workflows()
        assert ended == 0, log
        yield harness
        gateway.set_responses()  # the server stops only when no request is open


@pytest.fixture
def harness(imported_harness: N8nHarness) -> N8nHarness:
    """The shared harness, with the gateway reachable and no recorded requests."""
    imported_harness.connection.restore()
    imported_harness.gateway.set_responses()
    return imported_harness
