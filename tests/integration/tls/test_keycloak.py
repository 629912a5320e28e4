"""Tests that the real Keycloak accepts only a verified certificate of Postgres, with the chart's URL."""

import asyncio
import os

import pytest
from tenantry_local.parts.keycloak import Keycloak
from tenantry_local.platform import Platform

from tests.support.charts.rendering import render
from tests.support.programs.commands import run_command
from tests.support.timing.waiting import wait_until

from .conftest import HOST, Stores

pytestmark = pytest.mark.programs


def build_command(platform: Platform, stores: Stores) -> tuple[list[str], dict[str, str]]:
    """Return the platform's command for Keycloak with the chart's URL of an external Postgres."""
    options = "keycloak.enabled=true,keycloak.postgres.host=db.example.com,global.keycloak.url="
    options += f",global.network.postgres.port={stores.postgres.port}"
    network = 'global.network.keycloak={"cidrs":[],"port":8080}'
    release = render("values-eks-dev.yaml", "--set", options, "--set-json", network)
    (container,) = release.get("Deployment", "keycloak")["spec"]["template"]["spec"]["containers"]
    (url,) = [entry["value"] for entry in container["env"] if entry["name"] == "KC_DB_URL"]
    url = url.replace("/etc/tenantry/postgres/ca.crt", str(stores.authority)).replace("db.example.com", HOST)
    command = platform.parts[Keycloak.name].build_command()
    argv = [f"--db-url={url}" if each.startswith("--db-url=") else each for each in command.argv]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return argv, {**inherited, **command.env}


@pytest.fixture(scope="module")
def prepared(backends: Platform) -> Platform:
    """The platform with Keycloak's database, without a running Keycloak."""
    part = backends.parts[Keycloak.name]
    part.prepare()
    part.restore()
    return backends


async def test_keycloak_starts_with_the_right_certificate(prepared: Platform, stores: Stores) -> None:
    part, (argv, env) = prepared.parts[Keycloak.name], build_command(prepared, stores)
    prepared.processes.start(part.name, argv, env)
    try:

        async def is_healthy() -> bool:
            assert prepared.processes.find(part.name), prepared.processes.read_tail(part.name)
            return await asyncio.to_thread(part.is_healthy)

        await wait_until(is_healthy, seconds=180, every=0.5)
    finally:
        await asyncio.to_thread(prepared.stop, part.name)
    assert stores.postgres.connections > 0


async def test_keycloak_refuses_another_certificate(prepared: Platform, untrusted: Stores) -> None:
    argv, env = build_command(prepared, untrusted)
    ended, output = await run_command(*argv, env=env)
    assert ended != 0
    assert "hostname" in output.lower() or "certificat" in output.lower(), output[-3000:]
    assert untrusted.postgres.connections == 0
