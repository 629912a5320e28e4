"""Creation of databases, their owners, file-sync's role and the extension ``vector``.

The administrator need not be a superuser: the rights of the master user of RDS suffice (``CREATEROLE``,
``CREATEDB``). Each step checks what exists, so the job can end anywhere and run again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import psycopg
import structlog
from psycopg import errors, sql
from psycopg.pq import PGconn, Ping

from .settings import DatabaseLogin, DatabasesInstallSettings

__all__ = ["DatabasesNotInstalled", "install"]

OLDEST_VERSION = 160000
"""Postgres 16: since then, an administrator who is no superuser grants the roles that it created."""

MAINTENANCE_DATABASE = "postgres"
CONNECT_TIMEOUT_SECONDS = 10
RETRY_DELAY_SECONDS = 2.0

Connection = psycopg.Connection[tuple[object, ...]]


class DatabasesNotInstalled(Exception):
    """Postgres refuses a step, or a name belongs to others. The message is one sentence or two."""


def install(settings: DatabasesInstallSettings) -> None:
    """Create what is missing, and set the passwords of all roles.

    Raises
    ------
    DatabasesNotInstalled
        The message says what to do.
    """
    owners, reader = settings.list_owners(), settings.get_file_sync()
    with _open_connection(settings, MAINTENANCE_DATABASE) as connection:
        _check_rights(connection, settings.username)
        for owner in owners:
            _ensure_role(connection, owner, settings.release)
            _ensure_membership(connection, owner.user)
            _ensure_database(connection, owner)
        if reader:
            _ensure_role(connection, reader, settings.release)
            _execute(connection, (files(__package__) / "file_sync_role.sql").read_text())
            _execute(connection, "grant connect on database {} to {}", reader.database, reader.user)
    if settings.open_webui_url:
        with _open_connection(settings, owners[0].database) as connection:
            _ensure_vector(connection, owners[0].database)


@contextmanager
def _open_connection(settings: DatabasesInstallSettings, database: str) -> Iterator[Connection]:
    """Connect as the administrator; turn each refusal of Postgres into a sentence."""
    try:
        with _connect(settings, database) as connection:
            yield connection
    except errors.InsufficientPrivilege as exc:
        raise DatabasesNotInstalled(
            f"The administrator {settings.username} lacks a right: {_join_lines(exc)}."
        ) from exc
    except psycopg.Error as exc:
        raise DatabasesNotInstalled(f"Postgres refuses a step: {_join_lines(exc)}.") from exc


def _connect(settings: DatabasesInstallSettings, database: str) -> Connection:
    """Return a connection; wait until Postgres answers."""
    deadline = time.monotonic() + settings.timeout_seconds
    where = f"{settings.host}:{settings.port}"
    while True:
        try:
            return psycopg.connect(
                host=settings.host,
                port=settings.port,
                user=settings.username,
                password=settings.password.get_secret_value(),
                dbname=database,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                autocommit=True,
                application_name="tenantry-databases-install",
                **settings.build_tls_parameters(),
            )
        except psycopg.OperationalError as exc:
            if _is_answering(settings):
                raise DatabasesNotInstalled(
                    f"Postgres at {where} refuses the administrator. Check the user name and the password in "
                    f"its Secret: {_join_lines(exc)}."
                ) from exc
            if time.monotonic() > deadline:
                raise DatabasesNotInstalled(
                    f"No connection to Postgres at {where}: {_join_lines(exc)}."
                ) from exc
            structlog.get_logger("databases_install").info(
                "Postgres does not answer", reason=_join_lines(exc)
            )
            time.sleep(RETRY_DELAY_SECONDS)


def _is_answering(settings: DatabasesInstallSettings) -> bool:
    """Return True if Postgres accepts connections, of any role."""
    address = psycopg.conninfo.make_conninfo(
        host=settings.host, port=settings.port, connect_timeout=CONNECT_TIMEOUT_SECONDS, sslmode="prefer"
    )
    return PGconn.ping(address.encode()) == Ping.OK


def _check_rights(connection: Connection, username: str) -> None:
    if connection.info.server_version < OLDEST_VERSION:
        raise DatabasesNotInstalled("Postgres 16 or newer is required.")
    query = "select rolsuper or rolcreaterole and rolcreatedb from pg_roles where rolname = current_user"
    if not _fetch_value(connection, query):
        raise DatabasesNotInstalled(
            f"The administrator {username} must have CREATEROLE and CREATEDB, as the master user of RDS has."
        )


def _ensure_role(connection: Connection, login: DatabaseLogin, release: str) -> None:
    """Create a role or set its password; refuse a role that this release has not created."""
    mark = f"Created by Tenantry for the release {release}"
    query = "select shobj_description(oid, 'pg_authid') from pg_roles where rolname = %s"
    found = connection.execute(query, [login.user]).fetchone()
    if found is None:
        with connection.transaction():  # no role without its mark
            _execute(connection, "create role {} login", login.user)
            _execute(connection, "comment on role {} is {value}", login.user, value=mark)
    elif found[0] != mark:
        raise DatabasesNotInstalled(
            f'The role "{login.user}" exists, and this release has not created it. Use another name, or hand '
            f"it over as its administrator: comment on role \"{login.user}\" is '{mark}'"
        )
    # Only the hash is sent, so that no log of Postgres contains the password.
    hashed = connection.pgconn.encrypt_password(
        login.password.encode(), login.user.encode(), b"scram-sha-256"
    )
    _execute(connection, "alter role {} login password {value}", login.user, value=hashed.decode())


def _ensure_membership(connection: Connection, role: str) -> None:
    """Let the administrator create a database for a role; only a superuser may without membership."""
    query = "select pg_has_role(current_user, %s, 'SET') and pg_has_role(current_user, %s, 'USAGE')"
    if not _fetch_value(connection, query, role, role):
        _execute(connection, "grant {} to current_user with inherit true, set true", role)


def _ensure_database(connection: Connection, owner: DatabaseLogin) -> None:
    """Create a database that only its owner may use; refuse one with another owner."""
    query = "select pg_get_userbyid(datdba) from pg_database where datname = %s"
    found = _fetch_value(connection, query, owner.database)
    if found is None:
        _execute(connection, "create database {} owner {}", owner.database, owner.user)
    elif found != owner.user:
        raise DatabasesNotInstalled(
            f'The database "{owner.database}" belongs to "{found}". Use another name, or hand it over: '
            f'alter database "{owner.database}" owner to "{owner.user}".'
        )
    _execute(connection, "revoke all on database {} from public", owner.database)


def _ensure_vector(connection: Connection, database: str) -> None:
    if _fetch_value(connection, "select true from pg_extension where extname = 'vector'"):
        return
    try:
        _execute(connection, "create extension vector")
    except errors.InsufficientPrivilege as exc:
        raise DatabasesNotInstalled(
            "The administrator may not create the extension vector, as the master user of RDS may. Run as a "
            f'superuser in the database "{database}": create extension vector.'
        ) from exc
    except (errors.FeatureNotSupported, errors.UndefinedFile) as exc:
        raise DatabasesNotInstalled("This Postgres lacks the extension vector: install pgvector.") from exc


def _execute(connection: Connection, statement: str, *names: str, value: str = "") -> None:
    composed = sql.SQL(statement).format(*map(sql.Identifier, names), value=sql.Literal(value))
    connection.execute(composed)


def _fetch_value(connection: Connection, query: str, *values: str) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    return row and row[0]


def _join_lines(exc: Exception) -> str:
    return " ".join(str(exc).split()).rstrip(".")
