"""Tests of the installation of Mermaid."""

from pathlib import Path

import pytest
from tenantry_local.processes import LocalError

from tools import mermaid


def test_a_package_with_another_hash_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "mermaid.tgz"
    package.write_bytes(b"something else")
    with pytest.raises(LocalError, match="not the pinned package"):
        mermaid._extract(package, tmp_path / "script.js")


def test_an_unavailable_registry_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Path:
        raise LocalError("fetching mermaid failed: no network")

    monkeypatch.setattr(mermaid, "install", fail)
    assert mermaid.main() == 1
    assert capsys.readouterr().err == "The docs cannot be built yet: fetching mermaid failed: no network\n"
