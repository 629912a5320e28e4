"""A private certificate authority, and a server's certificate that it has signed."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

__all__ = ["Certificates", "make_certificates"]


@dataclass(frozen=True)
class Certificates:
    """PEM files, as cert-manager puts them into a Secret.

    Parameters
    ----------
    authority
        ``ca.crt``.
    certificate
        ``tls.crt``: the server's certificate.
    key
        ``tls.key``: the certificate's private key.
    """

    authority: Path
    certificate: Path
    key: Path


AN_HOUR = timedelta(hours=1)


def make_certificates(
    folder: Path,
    host: str,
    *,
    valid: timedelta = AN_HOUR,
    ca_valid: timedelta = AN_HOUR,
    authority_name: str = "An authority of ours",
) -> Certificates:
    """Make an authority, and a certificate for a host name or IP address, in a new folder.

    Parameters
    ----------
    valid, ca_valid
        Time for which the certificate and that of the authority are valid; negative if they have expired.
    """
    folder.mkdir()
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name.from_rfc4514_string(f"CN={authority_name}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _begin_certificate(f"CN={authority_name}", root_key.public_key(), root_name, ca_valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    server = (
        _begin_certificate("CN=A server", key.public_key(), root_name, valid)
        .add_extension(x509.SubjectAlternativeName([_make_name(host)]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, SHA256())
    )
    made = Certificates(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    made.authority.write_bytes(root.public_bytes(Encoding.PEM))
    made.certificate.write_bytes(server.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _make_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


def _begin_certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Name, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + valid)
    )
