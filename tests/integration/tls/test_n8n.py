"""Tests that n8n, with the chart's variables, accepts only verified certificates of Postgres and Redis."""

import asyncio
import os
import re
from collections.abc import Mapping

import pytest
from tenantry_local.parts.n8n import N8n, N8nWorker
from tenantry_local.platform import Platform

from tests.support.charts.rendering import render
from tests.support.programs.commands import run_command
from tests.support.timing.waiting import wait_until

from .conftest import HOST, Stores

pytestmark = pytest.mark.programs

REFUSED = r"(?i)certificate|does not match|altnames"
OPTIONS = "global.redis.tls.caConfigMap=of-redis"


def read_chart_variables(stores: Stores) -> dict[str, str]:
    """Return the chart's variables for TLS, with the address of the stores and a local CA file."""
    release = render("values-eks-prod.yaml", "--set", OPTIONS)
    (container,) = release.get("Deployment", "n8n-worker")["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    tls = {
        name: str(stores.authority) if value.startswith("/etc/tenantry/") else value
        for name, value in given.items()
        if "SSL" in name or "TLS" in name or name == "NODE_EXTRA_CA_CERTS"
    }
    return tls | {
        "DB_POSTGRESDB_HOST": HOST, "DB_POSTGRESDB_PORT": str(stores.postgres.port),
        "QUEUE_BULL_REDIS_HOST": HOST, "QUEUE_BULL_REDIS_PORT": str(stores.redis.port),
        "QUEUE_BULL_REDIS_TIMEOUT_THRESHOLD": "3000",
    }  # fmt: skip


async def run_n8n(platform: Platform, name: str, *arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a command of n8n in the environment of one of its processes."""
    command = platform.parts[name].build_command()
    inherited = {key: os.environ[key] for key in ("HOME", "LANG") if key in os.environ}
    return await run_command(*command.argv[:2], *arguments, env={**inherited, **command.env, **env})


async def test_n8n_migrates_postgres_with_the_right_certificate(backends: Platform, stores: Stores) -> None:
    before = stores.postgres.connections
    ended, output = await run_n8n(backends, N8n.name, "list:workflow", env=read_chart_variables(stores))
    assert ended == 0, output
    assert stores.postgres.connections > before


async def test_n8n_refuses_another_certificate_of_postgres(backends: Platform, untrusted: Stores) -> None:
    ended, output = await run_n8n(backends, N8n.name, "list:workflow", env=read_chart_variables(untrusted))
    assert ended != 0
    assert re.search(REFUSED, output), output
    assert untrusted.postgres.connections == 0


async def test_n8n_refuses_a_postgres_without_tls(backends: Platform, stores: Stores) -> None:
    plain = {"DB_POSTGRESDB_HOST": "127.0.0.1", "DB_POSTGRESDB_PORT": str(backends.context.ports["postgres"])}
    env = read_chart_variables(stores) | plain
    ended, output = await run_n8n(backends, N8n.name, "list:workflow", env=env)
    assert ended != 0
    assert "does not support SSL" in output


async def test_a_worker_refuses_another_certificate_of_redis(
    backends: Platform, all_stores: dict[str, Stores]
) -> None:
    for name in ("another authority", "another host"):
        stores = all_stores[name]
        env = read_chart_variables(stores) | {
            "DB_POSTGRESDB_PORT": str(all_stores["right"].postgres.port),
            "DB_POSTGRESDB_SSL_CA_FILE": str(all_stores["right"].authority),
        }
        ended, output = await run_n8n(backends, N8nWorker.name, "worker", env=env)
        assert ended != 0, output
        assert stores.redis.connections == 0


async def test_a_worker_with_the_right_certificate_is_ready(backends: Platform, stores: Stores) -> None:
    worker = backends.parts[N8nWorker.name]
    command = worker.build_command()
    backends.processes.start(N8nWorker.name, command.argv, {**command.env, **read_chart_variables(stores)})
    try:

        async def is_ready() -> bool:
            assert backends.processes.find(N8nWorker.name), backends.processes.read_tail(N8nWorker.name)
            return await asyncio.to_thread(worker.is_healthy)

        await wait_until(is_ready, seconds=180, every=0.5)
    finally:
        await asyncio.to_thread(backends.stop, N8nWorker.name)
    assert stores.redis.connections > 0
