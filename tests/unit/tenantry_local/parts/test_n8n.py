"""Tests of the commands of n8n's three processes; integration tests run them."""

import stat
from pathlib import Path

import pytest
from n8n_install.environment import ENVIRONMENT
from tenantry_local.context import Context
from tenantry_local.parts import n8n as module
from tenantry_local.parts.n8n import N8n, N8nWebhook, N8nWorker
from tenantry_local.programs import n8n as program
from tenantry_local.programs.node import Node

PROCESSES = (N8n, N8nWorker, N8nWebhook)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Return a platform with a fake Node.js: it hashes a password by reversing it and adding the time."""
    node = tmp_path / "node" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\nprintf "%s-%s" "$(rev)" "$(date +%N)"\n')
    node.chmod(stat.S_IRWXU)
    installed = tmp_path / "tree" / "node_modules" / "n8n" / "bin" / "n8n"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "find_node", lambda: Node(tmp_path / "node", "v24.0.0"))
    monkeypatch.setattr(program, "install", lambda _: installed)
    return Context.open(tmp_path / "state", all_parts=True)


def test_processes_share_no_port_broker_or_folder(context: Context) -> None:
    commands = {part.name: part(context).build_command() for part in PROCESSES}
    assert [commands[part.name].argv[2] for part in PROCESSES] == ["start", "worker", "webhook"]
    for name in ("N8N_USER_FOLDER", "N8N_RUNNERS_BROKER_PORT"):
        assert len({command.env[name] for command in commands.values()}) == 3, name
    assert commands["n8n"].env["N8N_PORT"] == str(context.ports["n8n"])
    assert commands["n8n-webhook"].env["N8N_PORT"] == str(context.ports["n8n-webhook"])
    assert commands["n8n-worker"].env["QUEUE_HEALTH_CHECK_PORT"] == str(context.ports["n8n-worker"])


def test_processes_share_key_queue_and_database(context: Context) -> None:
    for name in ("N8N_ENCRYPTION_KEY", "QUEUE_BULL_REDIS_DB", "DB_POSTGRESDB_DATABASE", "WEBHOOK_URL"):
        assert len({part(context).build_command().env[name] for part in PROCESSES}) == 1, name


@pytest.mark.parametrize("part", PROCESSES)
def test_no_process_stores_execution_data(context: Context, part: type[N8n]) -> None:
    assert ENVIRONMENT.items() <= part(context).build_command().env.items()


def test_the_task_runner_uses_the_same_node(context: Context) -> None:
    command = N8nWorker(context).build_command()
    assert command.env["PATH"].split(":")[0] == str(Path(command.argv[0]).parent)


def test_the_main_process_serves_no_webhooks(context: Context) -> None:
    assert N8n(context).build_command().env["N8N_DISABLE_PRODUCTION_MAIN_PROCESS"] == "true"
    assert "N8N_DISABLE_PRODUCTION_MAIN_PROCESS" not in N8nWebhook(context).build_command().env


def test_a_second_start_reuses_the_hash_of_the_owners_password(context: Context) -> None:
    first = N8n(context).build_command()
    assert N8n(context).build_command() == first
    assert first.env["N8N_INSTANCE_OWNER_PASSWORD_HASH"].startswith(context.secrets["n8n-owner"][::-1])
    assert (context.state / "n8n" / "owner.hash").stat().st_mode & 0o077 == 0
