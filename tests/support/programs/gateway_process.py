"""The gateway as a separate process, as in a pod."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
from tenantry_local.parts.services import build_gateway_env
from tenantry_local.platform import Platform

from tests.support.programs.ports import find_free_port
from tests.support.timing.waiting import wait_until

__all__ = ["GatewayProcess", "run_gateway_process", "start_gateway_process"]

START_TIMEOUT_SECONDS = 60
END_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class GatewayProcess:
    """Running process of ``python -m gateway``, and a client of its API."""

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, "the gateway exited"
        with suppress(httpx.TransportError):
            return (await self.http.get("/readyz")).status_code == 200
        return False

    async def end(self) -> tuple[int, str]:
        """Wait until the process ends; return its exit code and log."""
        _, log = await asyncio.wait_for(self.process.communicate(), END_TIMEOUT_SECONDS)
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()


async def start_gateway_process(
    platform: Platform,
    port: int,
    *,
    log: int = asyncio.subprocess.PIPE,
    output: int | None = None,
    **env: str,
) -> asyncio.subprocess.Process:
    """Start the gateway on a port, with additional variables.

    ``log`` and ``output`` are constants of asyncio.subprocess. Without ``output`` it is pytest's output.
    """
    # Several gateways can run at the same time, and the platform's own port for metrics can be taken.
    ports = {"GATEWAY_PORT": str(port), "GATEWAY_METRICS_PORT": str(find_free_port())}
    own = {**os.environ, **build_gateway_env(platform.context), **ports, **env}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=own, stdout=output, stderr=log
    )


@asynccontextmanager
async def run_gateway_process(
    platform: Platform,
    *,
    http_timeout: float = 30,
    keep_alive: bool = True,
    log: int = asyncio.subprocess.PIPE,
    output: int | None = None,
    **env: str,
) -> AsyncIterator[GatewayProcess]:
    """Run the gateway inside the block; yield when it is ready.

    A test that does not read the log must discard it. Otherwise the gateway would hang when the pipe is full.
    """
    port = find_free_port()
    started = await start_gateway_process(platform, port, log=log, output=output, **env)
    limits = httpx.Limits() if keep_alive else httpx.Limits(max_keepalive_connections=0)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=http_timeout, limits=limits
        ) as http:
            process = GatewayProcess(started, http)
            await wait_until(process.is_ready, seconds=START_TIMEOUT_SECONDS)
            yield process
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
