"""Runner of a program that ends by itself."""

import asyncio
from collections.abc import Mapping

__all__ = ["run_command"]

RUN_TIMEOUT_SECONDS = 600
"""Time limit of a program: the first start of n8n migrates a database, minutes on a busy machine."""


async def run_command(*argv: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a program in these variables; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(RUN_TIMEOUT_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()
