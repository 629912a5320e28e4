"""Runner of file-sync as a separate process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.programs.ports import find_free_port
from tests.support.timing.waiting import wait_until

__all__ = ["RunningFileSync", "list_own_files", "run_file_sync"]


@dataclass(frozen=True)
class RunningFileSync:
    """Process of file-sync, a client of its API, and the URL of its metrics."""

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient
    metrics_url: str

    async def get_metric(self, name: str) -> float:
        """Return the value of a metric without labels."""
        lines = (await self.http.get(self.metrics_url)).text.splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")))

    async def is_leader(self) -> bool:
        """Return True if this replica is the leader."""
        return await self.get_metric("tenantry_file_sync_leader") == 1


@asynccontextmanager
async def run_file_sync(
    env: Mapping[str, str], *, output: int | None = None, **more: str
) -> AsyncIterator[RunningFileSync]:
    """Run file-sync with additional variables, and wait until it is ready.

    ``output`` is a constant of asyncio.subprocess. Without it, the output is pytest's.
    """
    port, metrics_port = find_free_port(), find_free_port()
    ports = {"FILE_SYNC_PORT": str(port), "FILE_SYNC_METRICS_PORT": str(metrics_port)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "file_sync"),
        env={**os.environ, **env, **ports, **more},
        stdout=output,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

            async def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return (await http.get("/readyz")).status_code == 200
                return False

            await wait_until(is_ready, seconds=60)
            yield RunningFileSync(process, http, f"http://127.0.0.1:{metrics_port}/metrics")
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def list_own_files(http: httpx.AsyncClient, token: str, **params: Any) -> dict[str, dict[str, Any]]:
    """Return the files of a person by name."""
    response = await http.get("/v1/files", headers={"Authorization": f"Bearer {token}"}, params=params)
    assert response.status_code == 200, response.text
    return {file["filename"]: file for file in response.json()["files"]}
