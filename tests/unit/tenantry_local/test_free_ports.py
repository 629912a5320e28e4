"""Tests of free ports: two processes that start programs at the same time never get the same port."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tenantry_local import free_ports
from tenantry_local.free_ports import choose_free_ports

OTHER = """
import random, sys
from tenantry_local import free_ports
random.shuffle = list.sort
print(free_ports.choose_free_ports(3), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def others_ports() -> Iterator[list[int]]:
    """Return the ports of a process that runs until the end of the test and prefers low ports."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        yield [int(port) for port in other.stdout.readline().strip(" []\n").split(",")]


def test_ports_of_another_process_are_not_chosen(
    others_ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.shuffle", list.sort)
    assert not set(choose_free_ports(3)) & set(others_ports)


def test_ports_are_chosen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.shuffle", list.sort)
    assert not set(choose_free_ports(3)) & set(choose_free_ports(3))


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.shuffle", list.sort)
    monkeypatch.setattr(free_ports, "_reserve", lambda _: True)
    (port,) = choose_free_ports(1)
    assert port in choose_free_ports(3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        assert port not in choose_free_ports(3)


def test_too_few_free_ports_are_an_error() -> None:
    with pytest.raises(OSError, match="2 free ports are needed, 0 were found"):
        choose_free_ports(2, taken=range(65536))
