"""Fixtures: a real Postgres, and an administrator with the rights of the master user of RDS."""

import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases_install.settings import DatabasesInstallSettings
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.backends.rds import allow_vector_extension, create_master_user

RELEASE = "tenantry/tenantry"

SPECIAL_PASSWORD = "n'8 \"n"


@dataclass(frozen=True)
class Server:
    """Postgres, an administrator who is no superuser, and the names of one release."""

    postgres: Postgres
    admin: str
    suffix: str

    @property
    def port(self) -> int:
        return self.postgres.context.ports["postgres"]

    def build_url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def make_settings(self, **changes: Any) -> DatabasesInstallSettings:
        """Return the settings of the job."""
        owned = f"openwebui_{self.suffix}"
        values: dict[str, Any] = {
            "host": "127.0.0.1", "port": self.port, "username": self.admin, "password": "of-the-admin",
            "release": RELEASE, "timeout_seconds": 0.1,
            "n8n_user": f"n8n_{self.suffix}", "n8n_database": f"n8n_{self.suffix}",
            "n8n_password": SPECIAL_PASSWORD,
            "keycloak_user": f"keycloak_{self.suffix}", "keycloak_database": f"keycloak_{self.suffix}",
            "keycloak_password": "of-keycloak",
            "open_webui_url": self.build_url(owned, "of%2Fchat", owned),
            "file_sync_url": self.build_url("tenantry_file_sync", "of-file-sync", owned),
        }  # fmt: skip
        return DatabasesInstallSettings(**{**values, **changes})

    def connect(
        self, user: str, password: str, database: str = ""
    ) -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection of one of the release's roles."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database or user, user=user, password=password,
            autocommit=True,
        )  # fmt: skip

    def describe(self) -> dict[str, str]:
        """Return roles, memberships, settings, databases and their rights, without passwords."""
        queries = {
            "roles": "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolconfig, "
            "shobj_description(oid, 'pg_authid') from pg_roles",
            "memberships": "select roleid::regrole, member::regrole, grantor::regrole, admin_option, "
            "inherit_option, set_option from pg_auth_members",
            "databases": "select datname, datdba::regrole, datacl from pg_database",
        }
        return {name: self.postgres.run(f"{query} order by 1, 2") for name, query in queries.items()}

    def read_passwords(self) -> dict[str, str]:
        """Return the hash of each role's password."""
        rows = self.postgres.run("select rolname, rolpassword from pg_authid where rolpassword is not null")
        return dict(row.split("|") for row in rows.replace(" ", "").splitlines())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres on which everybody with the right to create objects may create the extension, as on RDS."""
    with tempfile.TemporaryDirectory(prefix="tenantry-test-databases-") as folder:
        platform = Platform.open_ephemeral(Path(folder))
        try:
            platform.start_parts(["postgres"])
            yield Postgres(platform.context)
        finally:
            platform.stop_all()


@pytest.fixture
def rds(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let an administrator who is no superuser create the extension vector, as RDS does."""
    allow_vector_extension(postgres, tmp_path_factory.mktemp("trusted"))
    yield
    postgres.run("alter system reset extension_control_path")
    postgres.run("select pg_reload_conf()")


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Server]:
    """The server with a new administrator; what tests create is removed."""
    suffix = uuid.uuid4().hex[:8]
    admin = f"master_{suffix}"
    create_master_user(postgres, admin, "of-the-admin")
    yield Server(postgres, admin, suffix)
    for database in postgres.run(f"select datname from pg_database where datname like '%{suffix}'").split():
        postgres.run(f"drop database {database} with (force)")
    roles = postgres.run(
        f"select rolname from pg_roles where rolname like '%{suffix}' or rolname = 'tenantry_file_sync' "
        "order by rolname like 'master%'"
    )
    for role in roles.split():
        postgres.run(f"drop owned by {role}; drop role {role}")
