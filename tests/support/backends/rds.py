"""A local Postgres that gives its administrator the rights of the master user of RDS."""

import shutil
from pathlib import Path

from tenantry_local.parts.postgres import Postgres, find_postgres_programs

__all__ = ["allow_vector_extension", "create_master_user"]


def create_master_user(postgres: Postgres, name: str, password: str) -> None:
    """Create an administrator who is no superuser."""
    postgres.run(f"create role {name} login createdb createrole password '{password}'")


def allow_vector_extension(postgres: Postgres, folder: Path) -> None:
    """Let an administrator who is no superuser create the extension ``vector``, as RDS does.

    Parameters
    ----------
    folder
        New folder for copies of the extension's files.
    """
    installed = find_postgres_programs().parent / "share" / "postgresql" / "extension"
    extension = folder / "extension"
    extension.mkdir(parents=True)
    for file in installed.glob("vector*"):
        shutil.copy(file, extension)
    control = extension / "vector.control"
    control.write_text(control.read_text() + "trusted = true\n")
    postgres.run(f"alter system set extension_control_path = '{folder}:$system'")
    postgres.run("select pg_reload_conf()")
