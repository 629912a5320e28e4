"""Settings of the connection to Postgres."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator

from .settings import ProgramSettings
from .tls import AuthorityFile

__all__ = ["DatabaseSettings"]

MODES_WITH_TLS = {"require", "verify-ca", "verify-full"}
"""Values of libpq's ``sslmode`` that never permit a connection without TLS."""


class DatabaseSettings(ProgramSettings):
    """Settings of a program that connects to one database of Postgres."""

    database_ca_file: AuthorityFile | None = None
    """PEM file of the authority that signed Postgres' certificate. With it, connections use TLS, and the
    certificate and the host name are verified."""

    database_url: SecretStr
    """URL of the database with the role's password: `postgresql://`."""

    @field_validator("database_url")
    @classmethod
    def _validate_database_url(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"postgres", "postgresql"} or not parts.netloc:
            raise ValueError("must begin with postgresql://")
        for mode in parse_qs(parts.query).get("sslmode", []):
            if mode not in MODES_WITH_TLS and info.data.get("database_ca_file"):
                raise ValueError(
                    f"must not contain sslmode={mode}, because connections to Postgres must use TLS"
                )
        return url

    def build_tls_parameters(self) -> dict[str, Any]:
        """Return the parameters of libpq for TLS. They take precedence over the URL's."""
        if self.database_ca_file is None:
            return {}
        return {"sslmode": "verify-full", "sslrootcert": str(self.database_ca_file)}
