"""Tests of the job that creates databases and roles, as an administrator with the rights that RDS gives."""

import os
import sys
from typing import Any

import psycopg
import pytest
from databases_install import install as module
from databases_install.install import DatabasesNotInstalled, install
from pydantic import SecretStr

from tests.support.programs.commands import run_command

from .conftest import RELEASE, SPECIAL_PASSWORD, Server


def run_as_owners(server: Server) -> None:
    """Log in as each program, and do what it does first."""
    suffix = server.suffix
    for user, password in (("n8n", SPECIAL_PASSWORD), ("keycloak", "of-keycloak"), ("openwebui", "of/chat")):
        with server.connect(f"{user}_{suffix}", password) as connection:
            connection.execute("create table if not exists t (id int)")
            connection.execute("create schema if not exists s")
    with server.connect(f"openwebui_{suffix}", "of/chat") as connection:
        connection.execute("create table if not exists v (v vector(3))")
    with server.connect("tenantry_file_sync", "of-file-sync", f"openwebui_{suffix}") as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from t")


@pytest.mark.usefixtures("rds")
def test_the_job_makes_what_every_program_needs(server: Server) -> None:
    install(server.make_settings())
    run_as_owners(server)
    superusers = server.postgres.run("select rolname from pg_roles where rolsuper")
    assert superusers.split() == ["postgres"]


@pytest.mark.usefixtures("rds")
def test_no_program_connects_to_another_programs_database(server: Server) -> None:
    install(server.make_settings())
    for user, password in (("keycloak", "of-keycloak"), ("openwebui", "of/chat")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            server.connect(f"{user}_{server.suffix}", password, f"n8n_{server.suffix}")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        server.connect("tenantry_file_sync", "of-file-sync", f"n8n_{server.suffix}")


@pytest.mark.usefixtures("rds")
def test_a_second_run_changes_nothing(server: Server) -> None:
    install(server.make_settings())
    before = server.describe()
    install(server.make_settings())
    assert server.describe() == before


def test_a_superuser_needs_no_membership(server: Server) -> None:
    password = server.postgres.context.secrets["postgres"]
    install(server.make_settings(username="postgres", password=password))
    run_as_owners(server)
    assert server.suffix not in server.describe()["memberships"]


@pytest.mark.usefixtures("rds")
def test_a_changed_password_is_applied_and_no_log_shows_it(server: Server) -> None:
    install(server.make_settings())
    server.postgres.run("alter system set log_statement = 'all'")
    server.postgres.run("select pg_reload_conf()")
    install(server.make_settings(n8n_password="a-newer-one"))
    with server.connect(f"n8n_{server.suffix}", "a-newer-one") as connection:
        connection.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(f"n8n_{server.suffix}", SPECIAL_PASSWORD)
    log = (server.postgres.context.state / "logs" / "postgres.log").read_text()
    assert f'alter role "n8n_{server.suffix}" login password' in log
    assert "a-newer-one" not in log
    server.postgres.run("alter system reset log_statement")
    server.postgres.run("select pg_reload_conf()")


@pytest.mark.usefixtures("rds")
def test_roles_and_databases_of_others_are_not_touched(server: Server) -> None:
    for name in ("billing", "crm"):
        server.postgres.run(f"create role {name}_{server.suffix} login password 'x'")
        server.postgres.run(f"create database {name}_{server.suffix} owner {name}_{server.suffix}")
    known = list_rows(server)
    passwords = server.read_passwords()
    install(server.make_settings())
    assert known <= list_rows(server)
    assert passwords.items() <= server.read_passwords().items()


@pytest.mark.usefixtures("rds")
def test_a_run_that_ended_anywhere_is_completed_by_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, left = module._execute, 0

    class Killed(Exception):
        pass

    def count_down(*arguments: Any, **values: Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        execute(*arguments, **values)

    statements = 0
    while True:
        left = statements
        monkeypatch.setattr(module, "_execute", count_down)
        try:
            install(server.make_settings())
        except Killed:
            statements += 1
            if statements % 3 == 0:  # also run completely after an early end
                monkeypatch.setattr(module, "_execute", execute)
                install(server.make_settings())
                run_as_owners(server)
                drop_everything(server)
        else:
            break
    assert statements > 8
    run_as_owners(server)


def list_rows(server: Server) -> set[str]:
    """Return the rows about all roles, memberships and databases."""
    return {
        f"{name}: {' '.join(row.split())}"
        for name, rows in server.describe().items()
        for row in rows.splitlines()
    }


def drop_everything(server: Server) -> None:
    """Remove what the job created."""
    for name in ("n8n", "keycloak", "openwebui"):
        server.postgres.run(f"drop database if exists {name}_{server.suffix} with (force)")
    for name in ("n8n", "keycloak", "openwebui"):
        server.postgres.run(f"drop role if exists {name}_{server.suffix}")
    server.postgres.run("drop role if exists tenantry_file_sync")


@pytest.mark.parametrize("mark", ["", "Created by Tenantry for the release other/tenantry"])
def test_a_role_of_others_is_refused_and_keeps_its_password(server: Server, mark: str) -> None:
    name = f"n8n_{server.suffix}"
    server.postgres.run(
        f"create role {name} login password 'of-another-program'; comment on role {name} is '{mark}'"
    )
    before = server.read_passwords()[name]
    with pytest.raises(DatabasesNotInstalled, match=f'The role "{name}" exists, and this release') as caught:
        install(server.make_settings(open_webui_url=None, file_sync_url=None))
    assert server.read_passwords()[name] == before
    # The command in the message hands the role over.
    server.postgres.run(str(caught.value).partition("administrator: ")[2])
    server.postgres.run(f"grant {name} to {server.admin} with admin option")
    install(server.make_settings(open_webui_url=None, file_sync_url=None))
    server.connect(name, SPECIAL_PASSWORD).close()


def test_a_database_of_others_is_refused(server: Server) -> None:
    server.postgres.run(f"create database n8n_{server.suffix}")
    with pytest.raises(DatabasesNotInstalled, match='belongs to "postgres"'):
        install(server.make_settings(open_webui_url=None, file_sync_url=None))


def test_without_the_right_to_create_the_extension_the_message_says_how(server: Server) -> None:
    with pytest.raises(DatabasesNotInstalled, match="may not create the extension vector"):
        install(server.make_settings())
    server.postgres.run("create extension vector", f"openwebui_{server.suffix}")
    install(server.make_settings())
    run_as_owners(server)


@pytest.mark.parametrize(
    ("sql", "changes", "sentence"),
    [
        ("", {"password": "wrong"}, "refuses the administrator. Check the user name and the password"),
        ("", {"username": "unknown"}, "refuses the administrator. Check the user name and the password"),
        ("", {"port": 9}, "No connection to Postgres at 127.0.0.1:9"),
        ("alter role {} nocreaterole", {}, "must have CREATEROLE and CREATEDB"),
        ("alter role {} nocreatedb", {}, "must have CREATEROLE and CREATEDB"),
    ],
)
def test_a_refusal_is_one_sentence(server: Server, sql: str, changes: dict[str, Any], sentence: str) -> None:
    if sql:
        server.postgres.run(sql.format(server.admin))
    with pytest.raises(DatabasesNotInstalled, match=sentence) as caught:
        install(server.make_settings(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("rds")
async def test_the_program_ends_with_0_or_with_a_reason(server: Server) -> None:
    settings = server.make_settings()
    given = {
        f"DATABASES_INSTALL_{name.upper()}": get_text(value) for name, value in settings if value is not None
    }
    argv, env = (sys.executable, "-m", "databases_install"), {**os.environ, **given}
    code, output = await run_command(*argv, env=env)
    assert (code, "The databases are installed" in output) == (0, True)
    code, output = await run_command(*argv, env={**env, "DATABASES_INSTALL_PASSWORD": "wrong-hunter2"})
    assert (code, "refuses the administrator" in output, "Traceback" in output) == (1, True, False)
    assert "hunter2" not in output
    assert RELEASE in server.describe()["roles"]


def get_text(value: object) -> str:
    """Return a setting as text, also a secret one."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
