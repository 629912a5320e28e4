"""A wrong setting stops the start and is named; its value is not shown."""

import pytest
from tenant_operator import __main__ as program

REQUIRED = {
    "OPERATOR_BUCKET": "documents",
    "OPERATOR_KEYCLOAK_URL": "http://keycloak",
    "OPERATOR_KEYCLOAK_CLIENT_SECRET": "s3cr3t",
    "OPERATOR_QDRANT_URL": "http://qdrant",
    "OPERATOR_REDIS_URL": "redis://:s3cr3t@redis",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [("OPERATOR_KEYCLOAK_URL", "s3cr3t"), ("OPERATOR_CONCURRENCY", "0"), ("OPERATOR_BUCKET", None)],
    ids=["no-url", "out-of-bounds", "missing"],
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
    told = capsys.readouterr().err
    assert name in told
    assert "s3cr3t" not in told
