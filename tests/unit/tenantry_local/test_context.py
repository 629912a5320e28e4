"""Ports and secrets of a platform: its own, and the same every time it is opened."""

import json
from pathlib import Path

import pytest
from tenantry_local.context import PORTS, SECRETS, Context, state_folder, write_private


def test_secrets_stay_the_same_and_belong_to_one_platform(tmp_path: Path) -> None:
    first = dict(Context.open(tmp_path / "a").secrets)
    assert dict(Context.open(tmp_path / "a").secrets) == first
    assert set(first) == set(SECRETS)
    other = Context.open(tmp_path / "b").secrets
    assert not set(first.values()) & set(other.values())


def test_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    Context.open(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a" / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_persons_platform_has_fixed_ports_that_the_environment_can_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANTRY_PORT_ETCD_PEER", "4711")
    assert Context.open(tmp_path).ports == PORTS | {"etcd-peer": 4711}


def test_a_tests_platform_remembers_its_free_ports(tmp_path: Path) -> None:
    ports = Context.open(tmp_path, ephemeral=True).ports
    assert set(ports) == set(PORTS)
    assert len(set(ports.values())) == len(ports)
    assert Context.open(tmp_path, ephemeral=True).ports == ports


def test_free_ports_are_none_that_the_kernel_gives_away_and_none_of_a_persons_platform(
    tmp_path: Path,
) -> None:
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = Context.open(tmp_path, ephemeral=True).ports.values()
    assert max(ports) < first_of_kernel
    assert not set(ports) & set(PORTS.values())


def test_the_state_is_in_the_checkout_unless_it_is_placed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENANTRY_STATE", raising=False)
    assert (state_folder().parent / "pyproject.toml").exists()
    monkeypatch.setenv("TENANTRY_STATE", str(tmp_path))
    assert state_folder() == tmp_path


def test_a_private_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_private(path, json.dumps([1]))
    write_private(path, json.dumps([2]))
    assert json.loads(path.read_text()) == [2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
