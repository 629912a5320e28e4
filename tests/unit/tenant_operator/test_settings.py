"""Tests of settings: an error names the variable and never its value."""

from itertools import combinations

import pytest
from tenant_operator import __main__ as program
from tenant_operator.settings import OperatorSettings

REQUIRED = {
    "OPERATOR_BUCKET": "documents",
    "OPERATOR_KEYCLOAK_URL": "http://keycloak",
    "OPERATOR_KEYCLOAK_CLIENT_SECRET": "s3cr3t",
    "OPERATOR_QDRANT_URL": "http://qdrant",
    "OPERATOR_REDIS_URL": "redis://:s3cr3t@redis",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPERATOR_KEYCLOAK_URL", "s3cr3t"),
        ("OPERATOR_CONCURRENCY", "0"),
        ("OPERATOR_BUCKET", None),
        ("OPERATOR_QDRANT_CA_FILE", "/nowhere/ca.crt"),
    ],
    ids=["no-url", "out-of-bounds", "missing", "no-file"],
)
def test_a_wrong_setting_is_named(
    name: str, value: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for each, good in REQUIRED.items():
        monkeypatch.setenv(each, good)
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert name in error
    assert "s3cr3t" not in error


WEBUI = {
    "OPERATOR_OPEN_WEBUI_URL": "http://webui",
    "OPERATOR_OPEN_WEBUI_EMAIL": "admin@tenantry.example",
    "OPERATOR_OPEN_WEBUI_PASSWORD": "s3cr3t",
}


@pytest.mark.parametrize("given", ["", None], ids=["empty", "not-set"])
def test_without_a_url_open_webui_is_disabled(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for each, good in REQUIRED.items():
        monkeypatch.setenv(each, good)
    for each in WEBUI if given is not None else ():
        monkeypatch.setenv(each, given or "")
    assert OperatorSettings().open_webui_url is None


@pytest.mark.parametrize("named", list(combinations(WEBUI, 2)), ids=lambda names: names[-1])
def test_open_webui_requires_an_account(
    named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for each, good in (REQUIRED | {name: WEBUI[name] for name in named}).items():
        monkeypatch.setenv(each, good)
    if "OPERATOR_OPEN_WEBUI_URL" not in named:
        assert OperatorSettings().open_webui_url is None
        return
    with pytest.raises(SystemExit):
        program.main()
    (missing,) = WEBUI.keys() - set(named)
    error = capsys.readouterr().err
    assert error == f"{missing}: needed with OPERATOR_OPEN_WEBUI_URL\n"
