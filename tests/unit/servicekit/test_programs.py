"""Tests of programs that lack a setting: each prints one line per variable and does not start."""

from importlib import import_module
from os import environ

import pytest

PROGRAMS = {
    "gateway": "GATEWAY_",
    "file_sync": "FILE_SYNC_",
    "tenant_operator": "OPERATOR_",
    "n8n_install": "N8N_INSTALL_",
    "webui_install": "WEBUI_INSTALL_",
}


@pytest.mark.parametrize("package", PROGRAMS)
def test_a_missing_setting_is_one_line_that_names_the_variable(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = PROGRAMS[package]
    for name in environ:
        if name.startswith(prefix):
            monkeypatch.delenv(name)
    monkeypatch.setattr("sys.argv", [package])
    with pytest.raises(SystemExit) as ended:
        import_module(f"{package}.__main__").main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(prefix) and line.endswith(": not set") for line in lines), lines
