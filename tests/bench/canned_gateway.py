"""A gateway of its own process on a platform, before backends that cost next to nothing."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil
from tenantry_local.demo_users import access_token
from tenantry_local.parts.services import gateway_env
from tenantry_local.platform import Platform

from tests.support.ports import free_port

__all__ = ["PERSON", "CannedGateway", "running_canned_gateway"]

PERSON = "diana.tenantb@gmail.com"


@dataclass(frozen=True)
class CannedGateway:
    """A gateway before canned backends."""

    process: psutil.Process
    port: int
    metrics_port: int
    token: str

    @property
    def rss(self) -> float:
        """Mebibytes of the gateway and of the processes that it started."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in family) / 2**20


@asynccontextmanager
async def running_canned_gateway(platform: Platform, *canned_options: str) -> AsyncIterator[CannedGateway]:
    """Start a gateway that is ready, and its backends; both end with the block."""
    async with _program("tests.bench.canned", {}, *canned_options) as canned:
        assert canned.stdout
        backend = f"http://127.0.0.1:{int(await canned.stdout.readline())}"
        port, metrics_port = free_port(), free_port()
        env = gateway_env(platform.context) | {
            "GATEWAY_PORT": str(port),
            "GATEWAY_METRICS_PORT": str(metrics_port),
            "GATEWAY_QDRANT_URL": backend,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": backend,
            "GATEWAY_LOG_LEVEL": "WARNING",
        }
        token = await asyncio.to_thread(access_token, platform.context, PERSON)
        async with _program("gateway", env) as process:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                await _ready(http)
            yield CannedGateway(psutil.Process(process.pid), port, metrics_port, token)


@asynccontextmanager
async def _program(
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


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it is still starting
            await asyncio.sleep(0.1)
