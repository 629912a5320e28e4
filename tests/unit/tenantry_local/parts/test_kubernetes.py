"""Tests of the API server's users and of external clusters."""

import json
from pathlib import Path

import pytest
from tenantry_local.context import Context
from tenantry_local.parts import kubernetes as module
from tenantry_local.parts import make_parts
from tenantry_local.parts.kubernetes import USERS, ApiServer, get_kubeconfig
from tenantry_local.processes import LocalError


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.delenv("TENANTRY_KUBECONFIG", raising=False)
    monkeypatch.setattr(module, "ensure_control_plane", lambda _: Path("/programs"))
    return Context.open(tmp_path)


def test_each_kubeconfig_has_its_users_token_and_the_servers_ca(
    context: Context,
) -> None:
    ApiServer(context).prepare()
    tokens = set()
    for user in USERS:
        config = json.loads(get_kubeconfig(context, user).read_text())
        assert config["clusters"][0]["cluster"] == {
            "server": context.build_url("kubernetes"),
            "certificate-authority": str(context.state / "kube" / "certs" / "apiserver.crt"),
        }
        tokens.add(config["users"][0]["user"]["token"])
    assert tokens == {context.secrets[f"kube-{user}"] for user in USERS}


def test_only_the_administrator_is_a_cluster_administrator(context: Context) -> None:
    ApiServer(context).prepare()
    lines = (context.state / "kube" / "tokens.csv").read_text().splitlines()
    groups = {name: group for _, name, _, group in (line.split(",") for line in lines)}
    assert groups == {
        "admin": "system:masters",
        "tenantry-operator": "tenantry",
        "tenantry-gateway": "tenantry",
        "tenantry-file-sync": "tenantry",
        "tenantry-qdrant-snapshots": "tenantry",
    }


def test_the_service_account_key_is_created_once(context: Context) -> None:
    key = context.state / "kube" / "service-account.key"
    ApiServer(context).prepare()
    first = key.read_text()
    ApiServer(context).prepare()
    assert key.read_text() == first
    assert key.stat().st_mode & 0o077 == 0


def test_only_a_test_platforms_api_server_collects_garbage_rarely(context: Context, tmp_path: Path) -> None:
    assert not ApiServer(context).build_command().env
    tests = Context.open(tmp_path / "tests", ephemeral=True)
    assert ApiServer(tests).build_command().env == {"GOGC": "400", "GOMEMLIMIT": "700MiB"}


def test_the_variable_kubeconfig_is_ignored(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/user/.kube/config")
    assert get_kubeconfig(context, "admin").is_relative_to(context.state)
    assert ApiServer(context).managed


def test_an_external_cluster_replaces_the_local_control_plane(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TENANTRY_KUBECONFIG", str(tmp_path / "external"))
    assert {get_kubeconfig(context, user) for user in ("admin", "operator", "gateway")} == {
        tmp_path / "external"
    }
    parts = {part.name: part for part in make_parts(context)}
    assert not parts["kubernetes"].managed
    assert not {"etcd", "controller-manager"} & set(parts)


def test_an_unreachable_external_cluster_is_unhealthy(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TENANTRY_KUBECONFIG", str(tmp_path / "missing"))
    server = ApiServer(context)
    assert not server.is_healthy()
    assert server.version == "unknown"


def test_a_crd_that_has_no_conditions_yet_is_waited_for(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [LocalError(".status.conditions accessor error"), None]

    def fail_once(_: Context, *arguments: str, **__: None) -> str:
        if arguments[0] == "wait" and (error := results.pop(0)):
            raise error
        return ""

    monkeypatch.setattr(module, "run_kubectl", fail_once)
    ApiServer(context).provision()
    assert not results


def test_another_failure_of_the_wait_is_not_retried(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def fail(_: Context, *arguments: str, **__: None) -> str:
        if arguments[0] == "wait":
            waits.append(arguments)
            raise LocalError("forbidden")
        return ""

    monkeypatch.setattr(module, "run_kubectl", fail)
    with pytest.raises(LocalError, match="forbidden"):
        ApiServer(context).provision()
    assert len(waits) == 1
