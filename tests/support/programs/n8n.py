"""Access of tests to the platform's n8n: addresses, database, output and processes."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenantry_local.part import Command
from tenantry_local.parts.n8n import OWNER, N8n, N8nWebhook, N8nWorker, _N8nProcess
from tenantry_local.parts.postgres import find_postgres_programs
from tenantry_local.platform import Platform

from tests.support.timing.waiting import wait_until

__all__ = ["NEEDED", "RunningN8n", "run_n8n", "set_n8n_variables"]

NEEDED = ("postgres", "redis", N8n.name, N8nWorker.name)
"""Parts to start first. The webhook process is not among them, because its start imports the workflows."""

ROLES = {"main": N8n.name, "webhook": N8nWebhook.name, "worker": N8nWorker.name}
START_SECONDS = 180.0


class RunningN8n:
    """Access to the processes, database and output of a platform's n8n.

    Parameters
    ----------
    platform
        Platform that runs n8n.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.url = platform.context.build_url(N8n.name)
        self.webhook_url = platform.context.build_url(N8nWebhook.name)
        self.owner = OWNER
        self.password = platform.context.secrets["n8n-owner"]

    @property
    def folders(self) -> list[Path]:
        """Return the folders of the files and logs of n8n's processes."""
        state = self._platform.context.state
        return [*(state / "data" / name for name in ROLES.values()), state / "logs"]

    def start(self, role: str) -> None:
        """Start one of n8n's processes, without a wait for its health."""
        command = self._platform.parts[ROLES[role]].build_command()
        self._platform.processes.start(ROLES[role], command.argv, command.env)

    def kill(self, role: str) -> None:
        """Kill one of n8n's processes."""
        self._platform.stop(ROLES[role], kill=True)

    async def wait_until_healthy(self, role: str) -> None:
        """Wait until one of n8n's processes is ready."""
        name = ROLES[role]

        async def is_healthy() -> bool:
            assert self._platform.processes.find(name), self._platform.processes.read_tail(name)
            try:
                return (await http.get(url, timeout=5)).is_success
            except httpx.HTTPError:
                return False

        url = f"{self._platform.context.build_url(name)}/healthz/readiness"
        async with httpx.AsyncClient() as http:
            await wait_until(is_healthy, seconds=START_SECONDS, every=0.1)

    def fetch_rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query of n8n's database, each as a mapping."""
        rows: list[dict[str, Any]] = json.loads(
            self._run(
                "psql", "--no-psqlrc", "-At", "-c", f"select coalesce(json_agg(t), '[]') from ({query}) t"
            )
        )
        return rows

    def execute(self, statement: str) -> None:
        """Run a statement in n8n's database."""
        self._run("psql", "--no-psqlrc", "-c", statement)

    def dump(self) -> str:
        """Return the contents of n8n's database as text."""
        return self._run("pg_dump", "--data-only", "--inserts")

    def read_output(self, role: str) -> str:
        """Return the output of one of n8n's processes."""
        return self._platform.processes.get_log_path(ROLES[role]).read_text(errors="replace")

    def _run(self, name: str, *arguments: str) -> str:
        context = self._platform.context
        where = [
            "--host=127.0.0.1",
            f"--port={context.ports['postgres']}",
            "--username=postgres",
            "--dbname=n8n",
        ]
        done = subprocess.run(
            [str(find_postgres_programs() / name), *where, *arguments],
            env={**os.environ, "PGPASSWORD": context.secrets["postgres"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not done.returncode, done.stderr
        return done.stdout


@asynccontextmanager
async def run_n8n(platform: Platform, overrides: Mapping[str, str]) -> AsyncIterator[RunningN8n]:
    """Start n8n as the platform does, but import no workflows; ``overrides`` are additional variables."""
    with set_n8n_variables(overrides):
        platform.start_parts(NEEDED)
        n8n = RunningN8n(platform)
        n8n.start("webhook")
        await n8n.wait_until_healthy("webhook")
        yield n8n


@contextmanager
def set_n8n_variables(overrides: Mapping[str, str]) -> Iterator[None]:
    """Start n8n's processes with additional variables inside the block."""
    started = _N8nProcess.build_command

    def build_command(self: _N8nProcess) -> Command:
        usual = started(self)
        return Command(usual.argv, {**usual.env, **overrides})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_N8nProcess, "build_command", build_command)
        yield
