"""The real n8n in queue mode: a main, a webhook process and a worker, on the real Postgres and Redis.

It is as the product runs it (:mod:`n8n_install.environment`), but for what a test must not wait for.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from n8n_install.environment import ENVIRONMENT
from tenantry_local.parts.postgres import _programs
from tenantry_local.platform import Platform
from tenantry_local.processes import Processes
from tenantry_local.programs import n8n as program
from tenantry_local.programs.node import node

from tests.support.waiting import until

__all__ = ["OWNER", "PASSWORD", "RunningN8n", "running_n8n"]

OWNER = "owner@tenantry.example"
PASSWORD = "Tenantry-owner-1"
PASSWORD_HASH = "$2a$10$MQetjDIDMdXu8aMvu78vUuR.jv.WaaIN1xVphFR13RPs8KOfVBSRe"
START_SECONDS = 180.0

QUIET = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_WHATS_NEW_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
    "N8N_LICENSE_AUTO_RENEW_ENABLED": "false",
    "N8N_DISABLED_MODULES": "mcp-registry,instance-ai,community-packages,chat-hub,insights",
}
"""It asks nobody outside."""

PORTS = ("main", "webhook", "worker", "broker-main", "broker-webhook", "broker-worker")


class RunningN8n:
    """n8n as a test sees it: its addresses, its database and its output.

    Parameters
    ----------
    platform
        Whose Postgres and Redis it uses.
    folder
        Where its processes keep records, keys and output.
    ports
        A free port for each of :data:`PORTS`.
    overrides
        Variables beside those of the product.
    """

    def __init__(
        self, platform: Platform, folder: Path, ports: Mapping[str, int], overrides: Mapping[str, str]
    ) -> None:
        self._platform = platform
        self.folder = folder
        self._ports = ports
        self._overrides = overrides
        self.processes = Processes(folder)
        self.url = f"http://127.0.0.1:{ports['main']}"
        self.webhook_url = f"http://127.0.0.1:{ports['webhook']}"

    def start(self, role: str) -> None:
        """Start one of its processes."""
        n8n = str(program.install(lambda _: None))
        command = {
            "main": ["start"],
            "webhook": ["webhook"],
            "worker": ["worker", "--concurrency=20"],
        }[role]
        self.processes.start(f"n8n-{role}", [node().program, n8n, *command], self._env(role))

    def stop(self, role: str, *, kill: bool = False) -> None:
        """Stop one of its processes; ``kill`` gives it no chance to tidy up."""
        self.processes.stop(f"n8n-{role}", signal.SIGKILL if kill else signal.SIGTERM)

    async def healthy(self, role: str) -> None:
        """Wait until one of its processes can do its work."""
        url = f"http://127.0.0.1:{self._ports[role]}/healthz/readiness"

        async def answers() -> bool:
            name = f"n8n-{role}"
            assert self.processes.find(name), f"{name} ended:\n{self.processes.tail(name)}"
            async with httpx.AsyncClient() as http:
                try:
                    return (await http.get(url, timeout=5)).is_success
                except httpx.HTTPError:
                    return False

        await until(answers, seconds=START_SECONDS)

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a query of its database."""
        return query(self._platform, "n8n", statement)

    def execute(self, statement: str) -> None:
        """Change its database."""
        _run(self._platform, "psql", "--no-psqlrc", "--command", statement, "n8n")

    def dump(self) -> str:
        """Return all that its database holds, as text."""
        return _run(self._platform, "pg_dump", "--data-only", "--inserts", "n8n")

    def output(self, role: str) -> str:
        """Return what one of its processes has written."""
        return self.processes.log(f"n8n-{role}").read_text(errors="replace")

    def _env(self, role: str) -> dict[str, str]:
        context = self._platform.context
        home = self.folder / role
        home.mkdir(exist_ok=True)
        return {
            **QUIET,
            **ENVIRONMENT,
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_PORT": str(self._ports[role if role != "worker" else "main"]),
            "QUEUE_HEALTH_CHECK_ACTIVE": "true",
            "QUEUE_HEALTH_CHECK_PORT": str(self._ports["worker"]),
            "N8N_RUNNERS_BROKER_PORT": str(self._ports[f"broker-{role}"]),
            "N8N_USER_FOLDER": str(home),
            "N8N_ENCRYPTION_KEY": "of-a-test",
            "N8N_INSTANCE_OWNER_MANAGED_BY_ENV": "true",
            "N8N_INSTANCE_OWNER_EMAIL": OWNER,
            "N8N_INSTANCE_OWNER_PASSWORD_HASH": PASSWORD_HASH,
            "DB_TYPE": "postgresdb",
            "DB_POSTGRESDB_HOST": "127.0.0.1",
            "DB_POSTGRESDB_PORT": str(context.ports["postgres"]),
            "DB_POSTGRESDB_DATABASE": "n8n",
            "DB_POSTGRESDB_USER": "postgres",
            "DB_POSTGRESDB_PASSWORD": context.secrets["postgres"],
            "QUEUE_BULL_REDIS_HOST": "127.0.0.1",
            "QUEUE_BULL_REDIS_PORT": str(context.ports["redis"]),
            "QUEUE_BULL_REDIS_PASSWORD": context.secrets["redis"],
            **self._overrides,
        }


@asynccontextmanager
async def running_n8n(platform: Platform, **overrides: str) -> AsyncIterator[RunningN8n]:
    """Start n8n on an empty database, and stop it at the end."""
    if not query(platform, "postgres", "select 1 as there from pg_database where datname = 'n8n'"):
        _run(platform, "psql", "--command", "create database n8n", "postgres")
    with tempfile.TemporaryDirectory(prefix="tenantry-n8n-") as folder:
        n8n = RunningN8n(platform, Path(folder), _ports(platform), overrides)
        try:
            n8n.start("main")  # which migrates the database: the others come to one that is complete
            await n8n.healthy("main")
            n8n.start("webhook")
            n8n.start("worker")
            await n8n.healthy("webhook")
            await n8n.healthy("worker")
            yield n8n
        finally:
            for role in ("webhook", "worker", "main"):
                n8n.stop(role)


def query(platform: Platform, database: str, statement: str) -> list[dict[str, Any]]:
    """Return the rows of a query, each as a mapping."""
    printed = _run(
        platform,
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--command",
        f"select coalesce(json_agg(t), '[]') from ({statement}) t",
        database,
    )
    rows: list[dict[str, Any]] = json.loads(printed)
    return rows


def _ports(platform: Platform) -> dict[str, int]:
    """Take ports of the platform's that no part of it uses here: they are free, and stay so."""
    unused = [name for name in platform.context.ports if name not in ("postgres", "redis")]
    return dict(zip(PORTS, (platform.context.ports[name] for name in unused), strict=False))


def _run(platform: Platform, name: str, *arguments: str) -> str:
    context = platform.context
    done = subprocess.run(
        [
            str(_programs() / name),
            "--host=127.0.0.1",
            f"--port={context.ports['postgres']}",
            "--username=postgres",
            *arguments,
        ],
        env={**os.environ, "PGPASSWORD": context.secrets["postgres"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    return done.stdout
