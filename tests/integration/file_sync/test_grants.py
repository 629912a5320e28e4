"""Tests of the job that grants file-sync's rights, run as the owner of Open WebUI's tables."""

import uuid
from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from file_sync.adapters.open_webui_database import OpenWebUIDatabase
from file_sync.jobs import grants
from tenantry_local.parts.open_webui import FILE_SYNC_ROLE
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.open_webui.database import TABLES

PASSWORD = "of-the-owner"


@pytest.fixture
def database(platform: Platform) -> Iterator[str]:
    """Create an empty database and its owner of the same name, who has no other right."""
    postgres, name = Postgres(platform.context), f"owned_{uuid.uuid4().hex[:8]}"
    postgres.run((files("file_sync") / "role.sql").read_text())
    postgres.ensure_role(FILE_SYNC_ROLE, platform.context.secrets["postgres-file-sync"])
    postgres.ensure_role(name, PASSWORD)
    postgres.run(f"create database {name} owner {name}")
    yield name
    postgres.run(f"drop database {name} with (force)")
    postgres.run(f"drop role {name}")


def make_settings(platform: Platform, database: str, seconds: float = 60.0) -> grants.GrantsSettings:
    """Return the job's settings for a database, as its owner."""
    port = platform.context.ports["postgres"]
    url = f"postgresql://{database}:{PASSWORD}@127.0.0.1:{port}/{database}"
    return grants.GrantsSettings(database_url=url, timeout_seconds=seconds)


async def test_the_job_waits_for_the_tables_and_then_the_role_is_supported(
    platform: Platform, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_settings(platform, database)

    def make_tables(_seconds: float) -> None:
        with psycopg.connect(job.database_url.get_secret_value()) as owner:
            owner.execute(TABLES.encode())

    monkeypatch.setattr("file_sync.jobs.grants.time.sleep", make_tables)
    grants.grant(job)
    grants.grant(job)  # run again, as after an upgrade

    reader = OpenWebUIDatabase(
        Postgres(platform.context).build_dsn(database, FILE_SYNC_ROLE, "postgres-file-sync")
    )
    await reader.open()
    await reader.check()
    await reader.close()


def test_without_tables_the_job_fails_in_time(platform: Platform, database: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        grants.grant(make_settings(platform, database, seconds=0.1))
