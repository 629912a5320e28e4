"""Tests of ports and secrets of a platform."""

import json
from pathlib import Path

import pytest
from tenantry_local.context import PORTS, SECRETS, Context, get_state_folder, write_private


def test_secrets_are_stable_and_differ_between_platforms(tmp_path: Path) -> None:
    first = dict(Context.open(tmp_path / "a").secrets)
    assert dict(Context.open(tmp_path / "a").secrets) == first
    assert set(first) == set(SECRETS)
    other = Context.open(tmp_path / "b").secrets
    assert not set(first.values()) & set(other.values())


def test_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    Context.open(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a" / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_developers_platform_has_fixed_ports_that_variables_override(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANTRY_PORT_ETCD_PEER", "4711")
    assert Context.open(tmp_path).ports == PORTS | {"etcd-peer": 4711}


def test_a_test_platform_keeps_its_free_ports(tmp_path: Path) -> None:
    ports = Context.open(tmp_path, ephemeral=True).ports
    assert set(ports) == set(PORTS)
    assert len(set(ports.values())) == len(ports)
    assert Context.open(tmp_path, ephemeral=True).ports == ports


def test_free_ports_are_outside_the_kernels_range_and_the_fixed_ports(
    tmp_path: Path,
) -> None:
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = Context.open(tmp_path, ephemeral=True).ports.values()
    assert max(ports) < first_of_kernel
    assert not set(ports) & set(PORTS.values())


def test_the_state_folder_is_in_the_checkout_unless_a_variable_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENANTRY_STATE", raising=False)
    assert (get_state_folder().parent / "pyproject.toml").exists()
    monkeypatch.setenv("TENANTRY_STATE", str(tmp_path))
    assert get_state_folder() == tmp_path


def test_a_private_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_private(path, json.dumps([1]))
    write_private(path, json.dumps([2]))
    assert json.loads(path.read_text()) == [2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
