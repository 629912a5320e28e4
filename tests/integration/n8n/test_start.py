"""Tests of concurrent starts of n8n's processes: one migrates the database and the others wait."""

import asyncio

from tenantry_local.parts.n8n import N8n, N8nWebhook, N8nWorker
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform


async def test_concurrent_starts_on_a_new_database_migrate_it_once(backends: Platform) -> None:
    backends.start_parts(["postgres", "redis"])
    postgres = Postgres(backends.context)
    postgres.run("drop database if exists n8n_new")
    postgres.run("create database n8n_new owner n8n")

    async def start(name: str) -> tuple[int | None, int]:
        # Every n8n command starts with the migration; this command exits after the migration.
        command = backends.parts[name].build_command()
        process = await asyncio.create_subprocess_exec(
            *command.argv[:2],
            "list:workflow",
            env={**command.env, "DB_POSTGRESDB_DATABASE": "n8n_new"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.count(b"Finished migration")

    ended = await asyncio.gather(*map(start, (N8n.name, N8nWebhook.name, N8nWorker.name)))
    assert [code for code, _ in ended] == [0, 0, 0]
    assert len([migrated for _, migrated in ended if migrated]) == 1
