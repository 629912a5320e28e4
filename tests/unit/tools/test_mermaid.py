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
