"""Who may talk to the API server, and what changes when a cluster is given."""

import json
from pathlib import Path

import pytest
from tenantry_local.context import Context
from tenantry_local.parts import kubernetes as module
from tenantry_local.parts import make_parts
from tenantry_local.parts.kubernetes import USERS, ApiServer, kubeconfig


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.delenv("TENANTRY_KUBECONFIG", raising=False)
    monkeypatch.setattr(module, "ensure_control_plane", lambda _: Path("/programs"))
    return Context.open(tmp_path)


def test_each_kubeconfig_carries_its_own_users_token_and_checks_the_servers_certificate(
    context: Context,
) -> None:
    ApiServer(context).prepare()
    tokens = set()
    for user in USERS:
        config = json.loads(kubeconfig(context, user).read_text())
        assert config["clusters"][0]["cluster"] == {
            "server": context.url("kubernetes"),
            "certificate-authority": str(context.state / "kube" / "certs" / "apiserver.crt"),
        }
        tokens.add(config["users"][0]["user"]["token"])
    assert tokens == {context.secrets[f"kube-{user}"] for user in USERS}


def test_only_the_administrator_is_in_the_group_that_may_do_everything(context: Context) -> None:
    ApiServer(context).prepare()
    lines = (context.state / "kube" / "tokens.csv").read_text().splitlines()
    groups = {name: group for _, name, _, group in (line.split(",") for line in lines)}
    assert groups == {
        "admin": "system:masters",
        "tenantry-operator": "tenantry",
        "tenantry-gateway": "tenantry",
        "tenantry-file-sync": "tenantry",
    }


def test_the_key_that_signs_service_accounts_is_made_once(context: Context) -> None:
    key = context.state / "kube" / "service-account.key"
    ApiServer(context).prepare()
    first = key.read_text()
    ApiServer(context).prepare()
    assert key.read_text() == first
    assert key.stat().st_mode & 0o077 == 0


def test_an_ordinary_kubeconfig_is_not_taken_for_the_platforms(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    assert kubeconfig(context, "admin").is_relative_to(context.state)
    assert ApiServer(context).managed


def test_a_given_cluster_is_used_for_everybody_and_none_of_ours_is_started(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TENANTRY_KUBECONFIG", str(tmp_path / "theirs"))
    assert {kubeconfig(context, user) for user in ("admin", "operator", "gateway")} == {tmp_path / "theirs"}
    parts = {part.name: part for part in make_parts(context)}
    assert not parts["kubernetes"].managed
    assert not {"etcd", "controller-manager"} & set(parts)


def test_a_given_cluster_that_cannot_be_reached_is_shown_as_unhealthy(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TENANTRY_KUBECONFIG", str(tmp_path / "missing"))
    given = ApiServer(context)
    assert not given.is_healthy()
    assert given.version == "unknown"
