"""Tests of the settings of the connection to Postgres: refused URLs, and libpq's parameters for TLS."""

from pathlib import Path

import psycopg
import pytest
from pydantic_settings import SettingsConfigDict
from servicekit.database_settings import DatabaseSettings
from servicekit.settings import read_settings

from tests.support.security.certificates import make_certificates


class DatabaseJobSettings(DatabaseSettings):
    model_config = SettingsConfigDict(env_prefix="SOME_JOB_")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a CA file, which is the job's."""
    file = str(make_certificates(tmp_path / "ca", "db.test").authority)
    monkeypatch.setenv("SOME_JOB_DATABASE_CA_FILE", file)
    return file


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "DISABLE", "anything"])
def test_a_url_that_permits_no_tls_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    monkeypatch.setenv(
        "SOME_JOB_DATABASE_URL", f"postgresql://u:hunter2@db.test/owui?connect_timeout=3&sslmode={mode}"
    )
    with pytest.raises(SystemExit) as ended:
        read_settings(DatabaseJobSettings)
    assert ended.value.code == 2
    reason = f"must not contain sslmode={mode}, because connections to Postgres must use TLS"
    assert capsys.readouterr().err == f"SOME_JOB_DATABASE_URL: {reason}\n"


@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslmode=verify-ca&sslrootcert=/tmp/other.crt"])
def test_every_accepted_url_is_verified_with_the_ca_file(
    monkeypatch: pytest.MonkeyPatch, authority: str, query: str
) -> None:
    monkeypatch.setenv("SOME_JOB_DATABASE_URL", f"postgresql://u:p@db.test/owui{query}")
    settings = read_settings(DatabaseJobSettings)
    url, tls = settings.database_url.get_secret_value(), settings.build_tls_parameters()
    used = psycopg.conninfo.conninfo_to_dict(psycopg.conninfo.make_conninfo(url, **tls))
    assert (used["sslmode"], used["sslrootcert"]) == ("verify-full", authority)


def test_without_a_ca_file_the_url_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_JOB_DATABASE_URL", "postgresql://u:p@db.test/owui?sslmode=disable")
    assert read_settings(DatabaseJobSettings).build_tls_parameters() == {}
