"""n8n's three processes as they are started; that they run is the matter of integration tests."""

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
    """A platform whose Node.js hashes a password by writing it down backwards, another way each time."""
    node = tmp_path / "node" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\nprintf "%s-%s" "$(rev)" "$(date +%N)"\n')
    node.chmod(stat.S_IRWXU)
    installed = tmp_path / "tree" / "node_modules" / "n8n" / "bin" / "n8n"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "find_node", lambda: Node(tmp_path / "node", "v24.0.0"))
    monkeypatch.setattr(program, "install", lambda _: installed)
    return Context.open(tmp_path / "state", whole=True)


def test_each_process_has_its_own_port_broker_and_folder(context: Context) -> None:
    commands = {part.name: part(context).command() for part in PROCESSES}
    assert [commands[part.name].argv[2] for part in PROCESSES] == ["start", "worker", "webhook"]
    for name in ("N8N_USER_FOLDER", "N8N_RUNNERS_BROKER_PORT"):
        assert len({command.env[name] for command in commands.values()}) == 3, name
    assert commands["n8n"].env["N8N_PORT"] == str(context.ports["n8n"])
    assert commands["n8n-webhook"].env["N8N_PORT"] == str(context.ports["n8n-webhook"])
    assert commands["n8n-worker"].env["QUEUE_HEALTH_CHECK_PORT"] == str(context.ports["n8n-worker"])


def test_all_of_them_share_what_they_must(context: Context) -> None:
    for name in ("N8N_ENCRYPTION_KEY", "QUEUE_BULL_REDIS_DB", "DB_POSTGRESDB_DATABASE", "WEBHOOK_URL"):
        assert len({part(context).command().env[name] for part in PROCESSES}) == 1, name


@pytest.mark.parametrize("part", PROCESSES)
def test_none_of_them_keeps_what_passes_through(context: Context, part: type[N8n]) -> None:
    assert ENVIRONMENT.items() <= part(context).command().env.items()


def test_their_task_runner_finds_the_same_node(context: Context) -> None:
    command = N8nWorker(context).command()
    assert command.env["PATH"].split(":")[0] == str(Path(command.argv[0]).parent)


def test_only_the_webhook_process_takes_webhooks(context: Context) -> None:
    assert N8n(context).command().env["N8N_DISABLE_PRODUCTION_MAIN_PROCESS"] == "true"
    assert "N8N_DISABLE_PRODUCTION_MAIN_PROCESS" not in N8nWebhook(context).command().env


def test_a_second_start_is_the_same_although_no_two_hashes_are(context: Context) -> None:
    first = N8n(context).command()
    assert N8n(context).command() == first
    assert first.env["N8N_INSTANCE_OWNER_PASSWORD_HASH"].startswith(context.secrets["n8n-owner"][::-1])
    assert (context.state / "n8n" / "owner.hash").stat().st_mode & 0o077 == 0
