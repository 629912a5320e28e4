"""Tests of CA files, which are checked when a program starts."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicekit.settings import read_settings
from servicekit.tls import AuthorityFile, create_ssl_context

from tests.support.security.certificates import make_certificates


class CaSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SOME_JOB_")

    ca_file: AuthorityFile | None = None


def get_missing_file(folder: Path) -> Path:
    return folder / "ca.crt"


def make_empty_file(folder: Path) -> Path:
    (folder / "ca.crt").touch()
    return folder / "ca.crt"


def make_key_file(folder: Path) -> Path:
    return make_certificates(folder / "made", "127.0.0.1").key


def make_revocation_list(folder: Path) -> Path:
    now = datetime.now(UTC)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name.from_rfc4514_string("CN=An authority"))
        .last_update(now)
        .next_update(now + timedelta(hours=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    (folder / "ca.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    return folder / "ca.crl"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (get_missing_file, "cannot be read: No such file or directory"),
        (make_empty_file, "contains no certificate"),
        (make_key_file, "contains no certificate"),
        (make_revocation_list, "contains no certificate"),
    ],
)
def test_a_file_without_a_ca_prevents_the_start_and_names_the_setting(
    tmp_path: Path,
    make: Callable[[Path], Path],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = make(tmp_path)
    monkeypatch.setenv("SOME_JOB_CA_FILE", str(file))
    with pytest.raises(SystemExit):
        read_settings(CaSettings)
    assert capsys.readouterr().err == f"SOME_JOB_CA_FILE: {file} {reason}\n"


def test_only_the_configured_ca_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_JOB_CA_FILE", str(make_certificates(tmp_path / "made", "127.0.0.1").authority))
    context = create_ssl_context(read_settings(CaSettings).ca_file)
    assert isinstance(context, ssl.SSLContext)
    (trusted,) = context.get_ca_certs()
    assert trusted["subject"] == ((("commonName", "An authority of ours"),),)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_without_a_ca_file_httpx_uses_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_JOB_CA_FILE", raising=False)
    assert create_ssl_context(read_settings(CaSettings).ca_file) is True
