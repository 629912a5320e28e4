"""Template of Keycloak's database: its tables and the realm ``master``, built once per machine.

Keycloak needs about ten seconds of a processor to create them, and a copy takes less than one. The template
holds no secret: the signing keys and the administrator's password are removed. Keycloak generates the keys
that are missing, and each copy gets the password of its platform.
"""

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from ..context import Context, write_private
from ..part import PlatformPart
from ..processes import Processes
from ..startup import wait_until_healthy
from .postgres import Postgres

__all__ = ["build_template", "get_template_file", "restore_template"]

DATABASE = "keycloak"

REMOVE_SECRETS = """
delete from component_config where component_id in
  (select id from component where provider_type = 'org.keycloak.keys.KeyProvider');
delete from component where provider_type = 'org.keycloak.keys.KeyProvider';
delete from credential;
"""

ADD_CREDENTIAL = """
insert into credential (id, type, user_id, created_date, secret_data, credential_data, priority)
select gen_random_uuid()::text, 'password', id, extract(epoch from now()) * 1000, '{secret}',
  '{parameters}', 10
from user_entity where username = 'admin';
"""

PBKDF2_ITERATIONS = 27_500
"""Rounds of PBKDF2. The password is 24 random bytes, so more rounds would not make it safer."""


def get_template_file(folder: Path) -> Path:
    """Return the path of the template in Keycloak's cache folder; the name has a hash of its SQL."""
    recipe = hashlib.sha256(REMOVE_SECRETS.encode()).hexdigest()[:8]
    return folder / f"database-{recipe}.sql"


def build_template(folder: Path, make_server: Callable[[Context], PlatformPart]) -> None:
    """Write the template unless it exists: start Keycloak on an empty database and dump what it creates.

    The caller holds the lock of ``folder``. Programs that a killed build has left are stopped first.

    Raises
    ------
    LocalError
        Postgres or Keycloak did not start, or the dump failed.
    """
    file = get_template_file(folder)
    if file.exists():
        return
    state = folder / "database.new"
    _remove_build(state)
    context = Context.open(state, ephemeral=True)
    processes = Processes(state)
    postgres, server = Postgres(context), make_server(context)
    try:
        for part in (postgres, server):
            part.prepare()
            command = part.build_command()
            processes.start(part.name, command.argv, command.env)
            wait_until_healthy(part, processes)
            part.provision()
        processes.stop(server.name)
        postgres.run(REMOVE_SECRETS, DATABASE)
        write_private(file, postgres.dump(DATABASE))
    finally:
        _remove_build(state)


def _remove_build(state: Path) -> None:
    """Stop the programs of a build, and delete its folder."""
    if state.exists():
        processes = Processes(state)
        for name in processes.list_names():
            processes.stop(name)
        shutil.rmtree(state)


def restore_template(postgres: Postgres, file: Path, password: str) -> None:
    """Copy the template into an empty database in one transaction, and set the administrator's password.

    A database that has tables is not changed.
    """
    if postgres.run("select to_regclass('public.databasechangelog')", DATABASE):
        return
    password_sql = f"set search_path to public;\n{_build_password_sql(password)}"
    postgres.run(f"begin;\n{file.read_text()}\n{password_sql}commit;", DATABASE)


def _build_password_sql(password: str) -> str:
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, PBKDF2_ITERATIONS, 64)
    value, salt_text = (base64.b64encode(data).decode() for data in (digest, salt))
    parameters = {
        "hashIterations": PBKDF2_ITERATIONS,
        "algorithm": "pbkdf2-sha256",
        "additionalParameters": {},
    }
    return ADD_CREDENTIAL.format(
        secret=json.dumps({"value": value, "salt": salt_text, "additionalParameters": {}}),
        parameters=json.dumps(parameters),
    )
