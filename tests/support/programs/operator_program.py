"""Runner of the operator as a separate process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tenantry_local.context import REPOSITORY
from tenantry_local.parts.services import operator_env
from tenantry_local.platform import Platform

__all__ = ["run_operator"]


@asynccontextmanager
async def run_operator(
    platform: Platform, *arguments: str, log: str = os.devnull, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the operator with its log in a file; terminate it at the end, so that it writes its coverage."""
    env = (
        operator_env(platform.context)
        | {"OPERATOR_PROBES_PORT": "0", "OPERATOR_METRICS_PORT": "0", "PYTHONPATH": str(REPOSITORY)}
        | settings
    )
    with Path(log).open("ab") as stderr:  # noqa: ASYNC230 (nothing else runs in the test)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, env={**os.environ, **env}, stderr=stderr
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
