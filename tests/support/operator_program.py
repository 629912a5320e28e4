"""The operator as a program of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tenantry_local.context import REPOSITORY
from tenantry_local.parts.services import operator_env
from tenantry_local.platform import Platform

__all__ = ["program"]


@asynccontextmanager
async def program(
    platform: Platform, *arguments: str, log: str = os.devnull, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the operator, write its log to a file, and end it in order (its coverage is written then)."""
    env = (
        operator_env(platform.context)
        | {"OPERATOR_PROBES_PORT": "0", "OPERATOR_METRICS_PORT": "0", "PYTHONPATH": str(REPOSITORY)}
        | settings
    )
    with Path(log).open("ab") as stderr:  # noqa: ASYNC230 (a test has nothing else to do meanwhile)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, env={**os.environ, **env}, stderr=stderr
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
