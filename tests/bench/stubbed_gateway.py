"""A separate gateway process on a platform, with stubs of Qdrant and Bedrock."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil
from tenantry_local.demo_users import get_access_token
from tenantry_local.parts.services import build_gateway_env
from tenantry_local.platform import Platform

from tests.support.programs.ports import find_free_port

__all__ = ["PERSON", "StubbedGateway", "run_stubbed_gateway"]

PERSON = "diana.tenantb@gmail.com"


@dataclass(frozen=True)
class StubbedGateway:
    """A running gateway with stub backends."""

    process: psutil.Process
    port: int
    metrics_port: int
    token: str

    @property
    def rss(self) -> float:
        """Return the resident memory of the gateway and its child processes, in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20


@asynccontextmanager
async def run_stubbed_gateway(platform: Platform, *stub_options: str) -> AsyncIterator[StubbedGateway]:
    """Run a ready gateway and its stub backends until the block ends."""
    async with _run_program("tests.bench.stub_backends", {}, *stub_options) as stubs:
        assert stubs.stdout
        backend = f"http://127.0.0.1:{int(await stubs.stdout.readline())}"
        port, metrics_port = find_free_port(), find_free_port()
        env = build_gateway_env(platform.context) | {
            "GATEWAY_PORT": str(port),
            "GATEWAY_METRICS_PORT": str(metrics_port),
            "GATEWAY_QDRANT_URL": backend,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": backend,
            "GATEWAY_LOG_LEVEL": "WARNING",
        }
        token = await asyncio.to_thread(get_access_token, platform.context, PERSON)
        async with _run_program("gateway", env) as process:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                await _wait_until_ready(http)
            yield StubbedGateway(psutil.Process(process.pid), port, metrics_port, token)


@asynccontextmanager
async def _run_program(
    module: str, env: dict[str, str], *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *options, env={**os.environ, **env}, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def _wait_until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # the gateway is still starting
            await asyncio.sleep(0.1)
