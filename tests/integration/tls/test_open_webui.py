"""Tests that the real Open WebUI connects to Postgres and Redis only with a verified certificate."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Iterator, Mapping

import httpx
import pytest
from tenantry_local.context import write_private
from tenantry_local.parts.open_webui import GUARD
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.programs.commands import run_command
from tests.support.programs.ports import find_free_port
from tests.support.timing.waiting import wait_until

from .conftest import Stores

pytestmark = pytest.mark.programs


@pytest.fixture
def database(backends: Platform) -> Iterator[str]:
    """Create an empty database of Open WebUI; return its name."""
    postgres, name = Postgres(backends.context), f"chat_{uuid.uuid4().hex[:8]}"
    postgres.run(f"create database {name} owner openwebui")
    postgres.run("create extension vector", name)
    yield name
    postgres.run(f"drop database {name} with (force)")


def build_command(
    platform: Platform, stores: Stores, database: str, script: str, **changes: str
) -> tuple[list[str], Mapping[str, str]]:
    """Return the chart's command for a script of Open WebUI, with TLS to both stores."""
    key = {"AccessKeyId": "unused", "SecretAccessKey": "unused"}
    write_private(platform.context.state / "aws" / "open-webui.json", json.dumps(key))
    program = platform.parts["open-webui"].build_command()
    files = [GUARD.with_name(name).read_text() for name in ("connections.py", script)]
    env = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **program.env,
        "HOME": str(platform.context.state),
        "DATABASE_URL": stores.move_url(
            Postgres(platform.context).build_dsn(database, "openwebui", "postgres-open-webui")
        ),
        "REDIS_URL": stores.move_url(program.env["REDIS_URL"]),
        "WEBSOCKET_REDIS_URL": stores.move_url(program.env["REDIS_URL"]),
        "TENANTRY_DATABASE_CA_FILE": str(stores.authority),
        "TENANTRY_REDIS_TLS": "true",
        "TENANTRY_REDIS_CA_FILE": str(stores.authority),
        **changes,
    }
    return [program.argv[0], "-c", "\n".join(files)], env


async def test_the_migration_and_the_server_use_verified_connections(
    backends: Platform, stores: Stores, database: str
) -> None:
    argv, env = build_command(backends, stores, database, "schema.py")
    ended, output = await run_command(*argv, "migrate", env=env)
    assert ended == 0, output[-2000:]
    port, before = find_free_port(), stores.redis.connections
    argv, env = build_command(
        backends, stores, database, "guard.py", PORT=str(port), ENABLE_DB_MIGRATIONS="false"
    )
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient() as http:

            async def is_ready() -> bool:
                assert process.returncode is None
                try:
                    return (await http.get(f"http://127.0.0.1:{port}/ready", timeout=5)).is_success
                except httpx.HTTPError:
                    return False

            await wait_until(is_ready, seconds=240, every=0.5)
    finally:
        process.terminate()
        await process.wait()
    assert stores.redis.connections > before


async def test_the_migration_refuses_another_certificate(
    backends: Platform, untrusted: Stores, database: str
) -> None:
    argv, env = build_command(backends, untrusted, database, "schema.py")
    process = await asyncio.create_subprocess_exec(
        *argv, "migrate", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        assert process.stdout
        async with asyncio.timeout(120):
            while not (line := await process.stdout.readline()).startswith(b"Waiting: "):
                assert line, "the migration ended"
    finally:
        process.kill()
        await process.wait()
    assert b"certificate" in line
    assert untrusted.postgres.connections == 0


async def test_a_program_that_waits_for_the_migration_ends_on_sigterm(
    backends: Platform, untrusted: Stores, database: str
) -> None:
    argv, env = build_command(backends, untrusted, database, "schema.py")
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        async with asyncio.timeout(120):
            while not (await process.stdout.readline()).startswith(b"Waiting: "):
                assert process.returncode is None
        process.terminate()
        # In a pod it is process 1, to which a signal without a handler does nothing.
        assert await asyncio.wait_for(process.wait(), 30) == 128 + signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("script", ["schema.py", "guard.py"])
@pytest.mark.parametrize(
    ("variable", "url", "sentence"),
    [
        (
            "DATABASE_URL",
            "postgresql://u:p@127.0.0.1/chat?sslmode=disable",
            "must not contain sslmode=disable",
        ),
        ("REDIS_URL", "redis://127.0.0.1:6379/1", "must begin with rediss://"),
    ],
)
async def test_a_url_that_permits_no_tls_is_refused(
    backends: Platform, stores: Stores, script: str, variable: str, url: str, sentence: str
) -> None:
    argv, env = build_command(backends, stores, "none", script, **{variable: url})
    ended, output = await run_command(*argv, env=env)
    assert (ended, output.startswith(f"{variable}: {sentence}")) == (2, True), output
