"""Reader of Open WebUI's Postgres, with the read-only role of ``grants.sql``."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from servicekit.remote import FailureClass, Remote

from ..metrics import POLL_SECONDS
from ..models import File, Link, LinkKind
from ..problems import UnsupportedSchema
from .queries import (
    FILES_BY_ID,
    FILES_OF_PERSON,
    FILES_OF_TENANT,
    FINGERPRINTS,
    FORBIDDEN_COLUMNS,
    READ_COLUMNS,
)

__all__ = ["OpenWebUIDatabase", "classify"]

QUERY_TIMEOUT_SECONDS = 40.0
"""Longest time for one query; the role's limit (role.sql) is 10 s less."""

CONNECT_TIMEOUT_SECONDS = 5
"""Longest time for a new connection; libpq's default is two minutes."""

RECONNECT_TIMEOUT_SECONDS = 10.0
"""Time for which the pool retries to connect in the background."""

MAX_CONNECTIONS = 6

_EXISTING_COLUMNS = """
select t.name, t.attribute,
       exists (select from pg_attribute a where a.attrelid = to_regclass(quote_ident(t.name))
               and a.attname = t.attribute and not a.attisdropped) as there
from unnest(%(tables)s::text[], %(columns)s::text[]) as t(name, attribute)
"""

_READABLE_COLUMNS = """
select t.name, t.attribute,
       has_column_privilege(to_regclass(quote_ident(t.name)), t.attribute, 'select') as may
from unnest(%(tables)s::text[], %(columns)s::text[]) as t(name, attribute)
"""

_WRITABLE_TABLES = """
select t.name from unnest(%(tables)s::text[]) as t(name)
where has_any_column_privilege(to_regclass(quote_ident(t.name)), 'insert, update')
   or has_table_privilege(to_regclass(quote_ident(t.name)), 'delete, truncate')
"""


class OpenWebUIDatabase:
    """Client for files and their links, with a pool of connections.

    Parameters
    ----------
    url
        URL of the database, with the role's password.
    tls
        Parameters of libpq for TLS.
    """

    def __init__(self, url: str, tls: Mapping[str, str] = MappingProxyType({})) -> None:
        self._pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]](
            url,
            min_size=0,
            max_size=MAX_CONNECTIONS,
            open=False,
            timeout=10.0,
            # The next caller reconnects soon, and not after a pause that doubles for minutes.
            reconnect_timeout=RECONNECT_TIMEOUT_SECONDS,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "application_name": "tenantry-file-sync",
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                **tls,
            },
        )
        self._remote = Remote(
            "open-webui-db", classify, timeout=QUERY_TIMEOUT_SECONDS, concurrency=MAX_CONNECTIONS
        )

    async def open(self) -> None:
        """Start the pool, without waiting for the database."""
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        self._remote.close()

    async def check(self) -> None:
        """Check that the tables have the expected columns, and that the role may only read them.

        Raises
        ------
        UnsupportedSchema
            The message names the first missing column, or the privilege that the role lacks or must not have.
        BackendUnavailable, BackendRefused
            The database did not answer.
        """
        there = await self._query("check", _EXISTING_COLUMNS, **_list_columns(READ_COLUMNS))
        for row in there:
            if not row["there"]:
                raise UnsupportedSchema(
                    f'Open WebUI\'s database has no column "{row["name"]}"."{row["attribute"]}": '
                    "its tables are not created yet, or file-sync does not support this version of it."
                )
        for row in await self._query("check", _READABLE_COLUMNS, **_list_columns(READ_COLUMNS)):
            if not row["may"]:
                raise UnsupportedSchema(
                    f'The role may not read "{row["name"]}"."{row["attribute"]}". Run grants.sql as the '
                    "owner of Open WebUI's tables."
                )
        if writable := await self._query("check", _WRITABLE_TABLES, tables=list(READ_COLUMNS)):
            raise UnsupportedSchema(
                f'The role may write to "{writable[0]["name"]}". Use the role that role.sql creates.'
            )
        forbidden = [
            row
            for row in await self._query("check", _EXISTING_COLUMNS, **_list_columns(FORBIDDEN_COLUMNS))
            if row["there"]
        ]
        names = {"tables": [r["name"] for r in forbidden], "columns": [r["attribute"] for r in forbidden]}
        for row in await self._query("check", _READABLE_COLUMNS, **names):
            if row["may"]:
                raise UnsupportedSchema(
                    f'The role may read "{row["name"]}"."{row["attribute"]}", and must not. Use the role '
                    "that role.sql creates."
                )

    async def read_fingerprints(self) -> dict[Link, str]:
        """Return a fingerprint for each knowledge base and model with files; any change of a file changes it.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The database did not answer.
        """
        started = time.monotonic()
        rows = await self._query("poll", FINGERPRINTS)
        POLL_SECONDS.observe(time.monotonic() - started)
        return {Link(0, LinkKind(row["kind"]), row["target"]): row["fingerprint"] for row in rows}

    async def list_linked_files(self, knowledge: Sequence[str], models: Sequence[str]) -> list[File]:
        """Return the files with a link to one of the knowledge bases or models, each with all its links.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The database did not answer.
        """
        rows = await self._query("files", FILES_OF_TENANT, knowledge=list(knowledge), models=list(models))
        return [_to_file(row) for row in rows]

    async def list_files_by_id(self, ids: Sequence[str]) -> list[File]:
        """Return the existing files among ``ids``, each with all its links.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The database did not answer.
        """
        return [_to_file(row) for row in await self._query("files-by-id", FILES_BY_ID, ids=list(ids))]

    async def list_files_of_person(
        self, subject: str, *, ids: Sequence[str] | None, limit: int
    ) -> list[File]:
        """Return the files of a person, newest first.

        Parameters
        ----------
        subject
            Id of the person in Keycloak.
        ids
            Only these files; files of other people are left out.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The database did not answer.
        """
        chosen = None if ids is None else list(ids)
        rows = await self._query("files-of-person", FILES_OF_PERSON, subject=subject, ids=chosen, limit=limit)
        return [_to_file(row) for row in rows]

    def acquire_connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[DictRow]]:
        """Return a context manager that lends a connection."""
        return self._pool.connection()

    async def _query(self, operation: str, query: str, **values: Any) -> list[DictRow]:
        async def call() -> list[DictRow]:
            async with self._pool.connection() as connection:
                # The statements are constants; values are passed as parameters.
                cursor = await connection.execute(query.encode(), values)
                return await cursor.fetchall()

        return await self._remote.call(operation, call)


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of an error of the Postgres client; ``None`` for any other exception."""
    match exc:
        case psycopg.OperationalError() | psycopg.InterfaceError() | PoolTimeout():
            return FailureClass.TRANSIENT
        case psycopg.Error():
            return FailureClass.PERMANENT
        case _:
            return None


def _list_columns(by_table: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    pairs = [(table, column) for table, columns in by_table.items() for column in columns]
    return {"tables": [table for table, _ in pairs], "columns": [column for _, column in pairs]}


def _to_file(row: DictRow) -> File:
    raw = row.pop("links")
    decoded = json.loads(raw) if isinstance(raw, str) else raw
    links = tuple(
        sorted(Link(int(since or 0), LinkKind(kind), target, at or "") for since, kind, target, at in decoded)
    )
    return File(**{**row, "digest": row["digest"].lower()}, links=links)
