"""Tests of the expiry of certificates, on real TLS connections."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from servicekit import certificates
from servicekit.certificates import TlsServer, read_expiry, watch_certificates
from servicekit.tasks import run_background_task

from tests.support.backends.tls_front import TlsFront
from tests.support.security.certificates import make_certificates
from tests.support.timing.waiting import wait_until

DAY_SECONDS = 86400
NO_TARGET = 9
"""Port of the plain server, to which the tests send nothing."""


def read_gauge(system: str) -> float | None:
    return REGISTRY.get_sample_value("tenantry_certificate_expiry_timestamp_seconds", {"system": system})


async def read(front: TlsFront, ca_file: Path, *, is_postgres: bool = False) -> float:
    """Return the days until the certificate of a server expires."""
    server = TlsServer("test", "localhost", front.port, ca_file, is_postgres)
    return (await read_expiry(server) - time.time()) / DAY_SECONDS


@pytest.mark.parametrize("is_postgres", [False, True])
async def test_the_end_of_a_servers_certificate_is_read(tmp_path: Path, is_postgres: bool) -> None:
    shown = make_certificates(
        tmp_path / "a", "localhost", valid=timedelta(days=40), ca_valid=timedelta(days=400)
    )
    async with TlsFront(NO_TARGET, shown, negotiates=is_postgres) as front:
        assert await read(front, shown.authority, is_postgres=is_postgres) == pytest.approx(40, abs=0.1)


async def test_an_authority_that_expires_earlier_counts(tmp_path: Path) -> None:
    shown = make_certificates(
        tmp_path / "a", "localhost", valid=timedelta(days=40), ca_valid=timedelta(days=5)
    )
    async with TlsFront(NO_TARGET, shown) as front:
        assert await read(front, shown.authority) == pytest.approx(5, abs=0.1)


async def test_authorities_of_other_servers_do_not_count(tmp_path: Path) -> None:
    shown = make_certificates(
        tmp_path / "a", "localhost", valid=timedelta(days=40), ca_valid=timedelta(days=400)
    )
    other = make_certificates(
        tmp_path / "b", "localhost", ca_valid=timedelta(days=1), authority_name="Another"
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(other.authority.read_text() + shown.authority.read_text())
    async with TlsFront(NO_TARGET, shown) as front:
        assert await read(front, bundle) == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize(("valid", "ca_valid"), [(-1, 3600), (3600, -1)])
async def test_a_certificate_that_has_expired_ends_now(tmp_path: Path, valid: int, ca_valid: int) -> None:
    """The handshake fails then, so its end is unknown, but an alert must fire."""
    shown = make_certificates(
        tmp_path / "a", "localhost", valid=timedelta(seconds=valid), ca_valid=timedelta(seconds=ca_valid)
    )
    async with TlsFront(NO_TARGET, shown) as front:
        assert await read(front, shown.authority) == pytest.approx(0, abs=0.1)


async def test_an_unknown_certificate_and_an_unavailable_server_leave_the_last_value(tmp_path: Path) -> None:
    shown, other = (make_certificates(tmp_path / name, "localhost") for name in ("a", "b"))
    certificates.EXPIRY.labels("known").set(7)
    async with TlsFront(NO_TARGET, shown) as front:
        port = front.port
        distrusted = TlsServer("distrusted", "localhost", port, other.authority)
        plain = TlsServer("known", "localhost", NO_TARGET, shown.authority)
        reached = TlsServer("reached", "localhost", port, shown.authority)
        async with run_background_task(watch_certificates([distrusted, plain, reached]), "certificates"):
            await wait_until(lambda: read_gauge("reached") is not None, seconds=20)
    assert read_gauge("distrusted") is None
    assert read_gauge("known") == 7


async def test_a_renewed_certificate_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "INTERVAL_SECONDS", 0.01)
    shown = make_certificates(tmp_path / "a", "localhost", valid=timedelta(days=1))
    renewed = make_certificates(
        tmp_path / "b", "localhost", valid=timedelta(days=60), ca_valid=timedelta(days=90)
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(shown.authority.read_text() + renewed.authority.read_text())  # with the same name
    async with TlsFront(NO_TARGET, shown) as front:
        server = TlsServer("renewed", "localhost", front.port, bundle)
        async with run_background_task(watch_certificates([server]), "certificates"):
            await wait_until(lambda: read_gauge("renewed") is not None, seconds=20)
            before = read_gauge("renewed") or 0
            front.show(renewed)
            await wait_until(lambda: read_gauge("renewed") != before, seconds=20)
    assert (read_gauge("renewed") or 0) - before > 50 * DAY_SECONDS


CA = Path("ca.crt")


@pytest.mark.parametrize(
    ("url", "ca_file", "expected"),
    [
        ("https://qdrant:6333", CA, [TlsServer("x", "qdrant", 6333, CA)]),
        ("https://login.example.com/auth", None, [TlsServer("x", "login.example.com", 443)]),
        ("http://qdrant:6333", CA, []),
        ("rediss://user:p%40ss@cache.example.com/2", None, [TlsServer("x", "cache.example.com", 6379)]),
        ("redis://cache.example.com", None, []),
        ("postgresql://a:b@db.example.com:5433/n8n", CA, [TlsServer("x", "db.example.com", 5433, CA, True)]),
        ("postgresql://a:b@db.example.com/n8n?sslmode=require", None, []),
        ("postgresql:///n8n?host=/run", CA, []),
    ],
)
def test_only_servers_with_verified_tls_are_watched(
    url: str, ca_file: Path | None, expected: list[TlsServer]
) -> None:
    assert TlsServer.list_from_url("x", url, ca_file) == expected
