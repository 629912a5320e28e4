"""Tests that our services connect to Postgres and Redis only with a verified certificate."""

import asyncio
import os
import sys
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
import stamina
from file_sync.adapters.open_webui_database import OpenWebUIDatabase
from file_sync.jobs.grants import GrantsSettings, grant
from gateway.redis import TenantRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from servicekit.errors import BackendUnavailable
from servicekit.redis_settings import RedisSettings
from tenancy.names import build_redis_prefix
from tenantry_local.parts import redis as redis_part
from tenantry_local.parts.open_webui import FILE_SYNC_ROLE
from tenantry_local.parts.postgres import Postgres
from tenantry_local.parts.services import build_file_sync_env, build_gateway_env, build_operator_env
from tenantry_local.platform import Platform
from tenantry_local.redis_users import GATEWAY, OPERATOR

from tests.support.open_webui.database import TABLES
from tests.support.programs.commands import run_command
from tests.support.tenants.manifests import make_tenant

from .conftest import Stores

TENANT = make_tenant("tenanta")
KEY = f"{build_redis_prefix(TENANT.id, TENANT.uid)}:tls"
CERTIFICATE = r"(?i)certificate"


def read_redis_settings(platform: Platform, stores: Stores, user: str) -> RedisSettings:
    """Return a service's settings for Redis behind TLS."""
    url = redis_part.Redis(platform.context).build_url(redis_part.SERVICES_DATABASE, user)
    return RedisSettings(redis_tls=True, redis_url=stores.move_url(url), redis_ca_file=stores.authority)


def read_grants_settings(platform: Platform, stores: Stores, query: str = "") -> GrantsSettings:
    """Return the settings of the grants job for Postgres behind TLS."""
    url = Postgres(platform.context).build_dsn("openwebui", "openwebui", "postgres-open-webui")
    return GrantsSettings(
        database_url=stores.move_url(url) + query, database_ca_file=stores.authority, timeout_seconds=0.1
    )


def create_tables(platform: Platform) -> None:
    """Create Open WebUI's tables, as their owner does, and file-sync's role."""
    postgres = Postgres(platform.context)
    postgres.run((files("file_sync") / "role.sql").read_text())
    postgres.ensure_role(FILE_SYNC_ROLE, platform.context.secrets["postgres-file-sync"])
    postgres.run(
        f"set role openwebui;\ndrop schema public cascade;\ncreate schema public;\n{TABLES}", "openwebui"
    )
    postgres.run(f"grant connect on database openwebui to {FILE_SYNC_ROLE}")


async def set_key(settings: RedisSettings) -> list[object]:
    """Set a tenant's key as the gateway does."""
    redis = TenantRedis(settings.redis_url, settings.build_redis_options())
    try:
        return await redis.execute(TENANT, "test", ("SET", KEY, "1"))
    finally:
        await redis.close()


async def test_gateway_and_operator_use_redis_with_the_right_certificate(
    backends: Platform, stores: Stores
) -> None:
    before = stores.redis.connections
    assert await set_key(read_redis_settings(backends, stores, GATEWAY)) == [True]
    settings = read_redis_settings(backends, stores, OPERATOR)
    async with Redis.from_url(
        settings.redis_url.get_secret_value(), **settings.build_redis_options()
    ) as redis:
        assert await redis.get(KEY) == b"1"
    assert stores.redis.connections == before + 2


async def test_gateway_and_operator_refuse_another_certificate_of_redis(
    backends: Platform, untrusted: Stores
) -> None:
    with stamina.set_testing(True, attempts=1), pytest.raises(BackendUnavailable, match=CERTIFICATE):
        await set_key(read_redis_settings(backends, untrusted, GATEWAY))
    settings = read_redis_settings(backends, untrusted, OPERATOR)
    async with Redis.from_url(
        settings.redis_url.get_secret_value(), **settings.build_redis_options()
    ) as redis:
        with pytest.raises(RedisConnectionError, match=CERTIFICATE):
            await redis.ping()
    assert untrusted.redis.connections == 0


@pytest.mark.parametrize("query", ["", "?sslmode=require"])
async def test_file_sync_and_its_grants_use_postgres_with_the_right_certificate(
    backends: Platform, stores: Stores, query: str
) -> None:
    settings = read_grants_settings(backends, stores, query)
    create_tables(backends)
    await asyncio.to_thread(grant, settings)
    url = Postgres(backends.context).build_dsn("openwebui", FILE_SYNC_ROLE, "postgres-file-sync")
    database = OpenWebUIDatabase(stores.move_url(url) + query, settings.build_tls_parameters())
    before = stores.postgres.connections
    await database.open()
    try:
        await database.check()
    finally:
        await database.close()
    assert stores.postgres.connections > before


@pytest.mark.parametrize("query", ["", "?sslmode=require"])
async def test_file_sync_refuses_another_certificate_of_postgres(
    backends: Platform, untrusted: Stores, query: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match=rf"{CERTIFICATE}|does not match host name"):
        await asyncio.to_thread(grant, read_grants_settings(backends, untrusted, query))
    assert untrusted.postgres.connections == 0


async def test_file_sync_refuses_a_postgres_without_tls(backends: Platform, stores: Stores) -> None:
    plain = read_grants_settings(backends, stores).model_copy(
        update={"database_url": GrantsSettings(
            database_url=Postgres(backends.context).build_dsn("openwebui", "openwebui", "postgres-open-webui")
        ).database_url}
    )  # fmt: skip
    with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
        await asyncio.to_thread(grant, plain)


async def test_programs_do_not_start_with_a_url_that_permits_no_tls(
    backends: Platform, stores: Stores, tmp_path: Path
) -> None:
    context, authority = backends.context, str(stores.authority)
    database = (
        Postgres(context).build_dsn("openwebui", "openwebui", "postgres-open-webui") + "?sslmode=prefer"
    )
    prefer = "must not contain sslmode=prefer, because connections to Postgres must use TLS\n"
    plain = "must begin with rediss://, because connections to Redis must use TLS\n"
    cases = [
        (
            "gateway",
            build_gateway_env(context) | {"GATEWAY_REDIS_TLS": "true"},
            f"GATEWAY_REDIS_URL: {plain}",
        ),
        (
            "tenant_operator",
            build_operator_env(context) | {"OPERATOR_REDIS_TLS": "true"},
            f"OPERATOR_REDIS_URL: {plain}",
        ),
        (
            "file_sync",
            build_file_sync_env(context)
            | {"FILE_SYNC_DATABASE_URL": database, "FILE_SYNC_DATABASE_CA_FILE": authority},
            f"FILE_SYNC_DATABASE_URL: {prefer}",
        ),
        (
            "file_sync.jobs.grants",
            {"FILE_SYNC_GRANTS_DATABASE_URL": database, "FILE_SYNC_GRANTS_DATABASE_CA_FILE": authority},
            f"FILE_SYNC_GRANTS_DATABASE_URL: {prefer}",
        ),
    ]
    for module, env, sentence in cases:
        ended = await run_command(sys.executable, "-m", module, env={**os.environ, **env})
        assert ended == (2, sentence), module
