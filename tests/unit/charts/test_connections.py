"""Tests of the TLS options of Open WebUI's connections."""

from types import ModuleType

import pytest
from tenantry_local.parts.open_webui import GUARD

CA = "/etc/tenantry/postgres/ca.crt"
REDIS_CA = "/etc/tenantry/redis/ca.crt"


def _load() -> ModuleType:
    """Load the file from source: a normal import would write bytecode into the chart."""
    module, file = ModuleType("connections"), GUARD.with_name("connections.py")
    exec(compile(file.read_text(), file, "exec"), module.__dict__)
    return module


connections = _load()

DATABASE, REDIS = "postgresql://u:p%3Fw@db.test/owui", "rediss://u:p%2Fw@redis.test:6379/1"


def make_environ(database: str = DATABASE, redis: str = REDIS, redis_ca: str = "") -> dict[str, str]:
    """Return the variables of a pod with TLS to both."""
    given = {"DATABASE_URL": database, "REDIS_URL": redis, "WEBSOCKET_REDIS_URL": redis}
    tls = {"TENANTRY_DATABASE_CA_FILE": CA, "TENANTRY_REDIS_TLS": "true"}
    return given | tls | ({"TENANTRY_REDIS_CA_FILE": redis_ca} if redis_ca else {})


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("", ""),
        ("?sslmode=require", ""),
        ("?sslmode=verify-ca&sslrootcert=/tmp/other.crt", ""),
        ("?ssl=require&application_name=chat", "application_name=chat&"),
    ],
)
def test_the_database_is_verified_with_the_ca_file(query: str, used: str) -> None:
    connections.require_tls(environ := make_environ(DATABASE + query))
    assert environ["DATABASE_URL"] == f"{DATABASE}?{used}sslmode=verify-full&sslrootcert={CA}"


def test_redis_is_verified_with_public_or_private_authorities() -> None:
    connections.require_tls(environ := make_environ())
    assert environ["REDIS_URL"] == environ["WEBSOCKET_REDIS_URL"] == REDIS
    connections.require_tls(environ := make_environ(redis_ca=REDIS_CA))
    assert environ["REDIS_URL"] == environ["WEBSOCKET_REDIS_URL"] == f"{REDIS}?ssl_ca_certs={REDIS_CA}"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"DATABASE_URL": f"{DATABASE}?sslmode=prefer"},
            "DATABASE_URL: must not contain sslmode=prefer, because connections to Postgres must use TLS",
        ),
        (
            {"DATABASE_URL": f"{DATABASE}?ssl=disable"},
            "DATABASE_URL: must not contain sslmode=disable, because connections to Postgres must use TLS",
        ),
        (
            {"REDIS_URL": "redis://u:p@redis.test:6379/1"},
            "REDIS_URL: must begin with rediss://, because connections to Redis must use TLS",
        ),
        (
            {"WEBSOCKET_REDIS_URL": "redis://u:p@redis.test:6379/1"},
            "WEBSOCKET_REDIS_URL: must begin with rediss://, because connections to Redis must use TLS",
        ),
        (
            {"REDIS_URL": f"{REDIS}?ssl_cert_reqs=none"},
            "REDIS_URL: must not contain ssl_cert_reqs: the certificate is always verified",
        ),
    ],
)
def test_a_url_without_a_verified_connection_is_refused(
    capsys: pytest.CaptureFixture[str], given: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        connections.require_tls(make_environ() | given)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_without_required_tls_nothing_changes() -> None:
    given = {
        "DATABASE_URL": f"{DATABASE}?sslmode=disable",
        "REDIS_URL": "redis://r",
        "TENANTRY_REDIS_TLS": "false",
    }
    connections.require_tls(environ := dict(given))
    assert environ == given
