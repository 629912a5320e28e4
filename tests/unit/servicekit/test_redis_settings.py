"""Tests of the settings of the connection to Redis: refused URLs, and the client's options for TLS."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict
from redis.asyncio import Redis
from servicekit.redis_settings import RedisSettings
from servicekit.settings import read_settings

from tests.support.security.certificates import make_certificates


class RedisJobSettings(RedisSettings):
    model_config = SettingsConfigDict(env_prefix="SOME_JOB_")


def read(monkeypatch: pytest.MonkeyPatch, url: str, **more: str) -> RedisJobSettings:
    """Return the settings for these variables."""
    monkeypatch.setenv("SOME_JOB_REDIS_URL", url)
    for name, value in more.items():
        monkeypatch.setenv(f"SOME_JOB_{name.upper()}", value)
    return read_settings(RedisJobSettings)


VERIFIED = "the certificate is always verified"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "redis://u:hunter2@redis.test:6379/0",
            "must begin with rediss://, because connections to Redis must use TLS",
        ),
        ("http://u:hunter2@redis.test", "must begin with redis:// or rediss://"),
        ("unix:///run/redis.sock?password=hunter2", "must begin with redis:// or rediss://"),
        ("rediss://", "must begin with redis:// or rediss://"),
        (
            "rediss://u:hunter2@redis.test?ssl_cert_reqs=none",
            f"must not contain ssl_cert_reqs: {VERIFIED}",
        ),
        (
            "rediss://u:hunter2@redis.test?db=1&ssl_check_hostname=",
            f"must not contain ssl_check_hostname: {VERIFIED}",
        ),
    ],
)
def test_a_url_without_a_verified_connection_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(monkeypatch, url, redis_tls="true")
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"SOME_JOB_REDIS_URL: {reason}\n"


def test_without_tls_the_client_has_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "redis://redis.test:6379/0").build_redis_options() == {}


def test_the_client_verifies_certificate_and_host_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = make_certificates(tmp_path / "ca", "redis.test").authority
    url = "rediss://redis.test:6379/0"
    settings = read(monkeypatch, url, redis_tls="true", redis_ca_file=str(authority))
    assert settings.build_redis_options()["ssl_ca_certs"] == str(authority)
    # Also when TLS is not required, and with the public authorities.
    public = read_settings(RedisJobSettings).model_copy(update={"redis_tls": False, "redis_ca_file": None})
    options = Redis.from_url(url, **public.build_redis_options()).connection_pool.connection_kwargs
    assert options["ssl_cert_reqs"] == "required"
    assert options["ssl_check_hostname"] is True
    assert options["ssl_ca_certs"] is None
