"""Tests of settings from the environment and of their errors."""

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicekit.settings import read_settings


class JobSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SOME_JOB_")

    url: str
    seconds: float = Field(1.0, gt=0)
    password: SecretStr = Field(SecretStr("long-enough"), min_length=8)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_JOB_URL", "http://a.example")
    assert read_settings(JobSettings).url == "http://a.example"


def test_errors_name_each_variable_and_no_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_JOB_SECONDS", "-1")
    monkeypatch.setenv("SOME_JOB_PASSWORD", "s3cret")
    with pytest.raises(SystemExit) as ended:
        read_settings(JobSettings)
    assert ended.value.code == 2
    output = capsys.readouterr().err
    assert [line.partition(":")[0] for line in output.splitlines()] == [
        "SOME_JOB_URL",
        "SOME_JOB_SECONDS",
        "SOME_JOB_PASSWORD",
    ]
    assert "s3cret" not in output
