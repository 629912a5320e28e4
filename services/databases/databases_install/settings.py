"""Settings of the job, from the environment: ``DATABASES_INSTALL_`` and the field's name in capitals."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ProgramSettings
from servicekit.tls import AuthorityFile

__all__ = ["FILE_SYNC_ROLE", "DatabaseLogin", "DatabasesInstallSettings"]

FILE_SYNC_ROLE = "tenantry_file_sync"
"""Name of file-sync's role in ``role.sql`` and ``grants.sql``."""


@dataclass(frozen=True)
class DatabaseLogin:
    """A role with its password, and the database that it uses."""

    user: str
    password: str = field(repr=False)
    database: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the login in a URL.

        Raises
        ------
        ValueError
            The URL lacks the role, its password or the database.
        """
        parts = urlsplit(url)
        user, password, database = (
            unquote(part or "") for part in (parts.username, parts.password, parts.path.strip("/"))
        )
        if not (parts.scheme in {"postgres", "postgresql"} and user and password and database):
            raise ValueError("must be postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE")
        return cls(user, password, database)


class DatabasesInstallSettings(ProgramSettings):
    """Settings of the job that creates databases and roles; a program without a password is left out."""

    model_config = SettingsConfigDict(env_prefix="DATABASES_INSTALL_", env_ignore_empty=True)

    host: str = Field(min_length=1)
    """Host of Postgres."""

    port: int = Field(5432, ge=1, le=65535)
    """Port of Postgres."""

    ca_file: AuthorityFile | None = None
    """PEM file of the authority that signed Postgres' certificate. With it, connections use TLS, and the
    certificate and the host name are verified."""

    username: str = Field(min_length=1)
    """Role that may create roles and databases: the master user of RDS."""

    password: SecretStr
    """Password of that role."""

    release: str = Field(min_length=1)
    """Release to which the roles belong. The job changes no role that another release or person created."""

    n8n_database: str = "n8n"
    """Database of n8n."""

    n8n_user: str = "n8n"
    """Role that owns n8n's database."""

    n8n_password: SecretStr | None = None
    """Password of that role."""

    keycloak_database: str = "keycloak"
    """Database of Keycloak."""

    keycloak_user: str = "keycloak"
    """Role that owns Keycloak's database."""

    keycloak_password: SecretStr | None = None
    """Password of that role."""

    open_webui_url: SecretStr | None = None
    """URL of Open WebUI's database, with the role that owns it and its password."""

    file_sync_url: SecretStr | None = None
    """URL of the same database, with file-sync's role and its password."""

    timeout_seconds: float = Field(300.0, gt=0)
    """Time for which the job waits until Postgres answers."""

    @model_validator(mode="after")
    def _validate_logins(self) -> Self:
        owners = self.list_owners()
        for kind in ("user", "database"):
            names = [getattr(login, kind) for login in owners]
            if repeated := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"two programs have the same {kind} {repeated.pop()}")
        reader = self.get_file_sync()
        if any(login.user == self.username for login in [*owners, *([reader] if reader else [])]):
            raise ValueError(f"a program must not log in as {self.username}, the administrator")
        if reader and (reader.user != FILE_SYNC_ROLE or reader.database not in {o.database for o in owners}):
            raise ValueError(
                f"file_sync_url must name the role {FILE_SYNC_ROLE} and the database of open_webui_url"
            )
        return self

    def list_owners(self) -> list[DatabaseLogin]:
        """Return each owner of a database, Open WebUI's first."""
        owners = [DatabaseLogin.parse(self.open_webui_url.get_secret_value())] if self.open_webui_url else []
        if self.n8n_password:
            owners.append(
                DatabaseLogin(self.n8n_user, self.n8n_password.get_secret_value(), self.n8n_database)
            )
        if self.keycloak_password:
            password = self.keycloak_password.get_secret_value()
            owners.append(DatabaseLogin(self.keycloak_user, password, self.keycloak_database))
        return owners

    def get_file_sync(self) -> DatabaseLogin | None:
        """Return file-sync's login."""
        return DatabaseLogin.parse(self.file_sync_url.get_secret_value()) if self.file_sync_url else None

    def build_tls_parameters(self) -> dict[str, Any]:
        """Return the parameters of libpq for TLS."""
        if self.ca_file is None:
            return {}
        return {"sslmode": "verify-full", "sslrootcert": str(self.ca_file)}
