"""Runners of the operator as a separate process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tenantry_local.context import REPOSITORY
from tenantry_local.parts.services import build_operator_env
from tenantry_local.platform import Platform

__all__ = ["KilledOperators", "run_killed_operators", "run_operator"]

KILL_SECONDS = 60


@asynccontextmanager
async def run_operator(
    platform: Platform, *arguments: str, log: str = os.devnull, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the operator with its log in a file; at the end, stop it by SIGTERM, so it writes its coverage."""
    with Path(log).open("ab") as stderr:  # noqa: ASYNC230 (nothing else runs in the test)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments), env=_build_environment(platform, settings), stderr=stderr
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass(frozen=True)
class KilledOperators:
    """Operators that kill themselves, one after the other."""

    process: asyncio.subprocess.Process

    async def run(self, number: int, when: str) -> None:
        """Run an operator until it kills itself ``before`` or ``after`` a call."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{number} {when}\n".encode())
        async with asyncio.timeout(KILL_SECONDS):
            code = (await self.process.stdout.readline()).decode().strip()
        assert code == str(-signal.SIGKILL), f"it exited with {code} before call {number}"


@asynccontextmanager
async def run_killed_operators(platform: Platform, **settings: str) -> AsyncIterator[KilledOperators]:
    """Run the program that starts operators that kill themselves; kill it at the end with its operator."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.faults.killed_operator"),
        env=_build_environment(platform, settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield KilledOperators(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _build_environment(platform: Platform, settings: dict[str, str]) -> dict[str, str]:
    ports = {"OPERATOR_PROBES_PORT": "0", "OPERATOR_METRICS_PORT": "0", "PYTHONPATH": str(REPOSITORY)}
    return {**os.environ, **build_operator_env(platform.context), **ports, **settings}
