"""Open WebUI's Postgres, as the read-only role of ``grants.sql``."""

import json
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from servicekit.remote import Fault, Remote

from ..metrics import POLL_SECONDS
from ..models import File, Kind, Link
from ..problems import SourceUnfit
from .queries import BY_ID, FINGERPRINTS, OF_PERSON, OF_TENANT, READ, UNREADABLE

__all__ = ["Source", "classify"]

CALL_SECONDS = 40.0
"""Longest that one query may take; the role's own limit is a little less."""

CONNECT_SECONDS = 5
"""Longest that a new connection may take; libpq's own bound is two minutes."""

RECONNECT_SECONDS = 10.0
"""How long the pool goes on trying to connect by itself."""

CONNECTIONS = 6

_CHECK = """
select t.name, t.attribute,
       exists (select from pg_attribute a where a.attrelid = to_regclass(quote_ident(t.name))
               and a.attname = t.attribute and not a.attisdropped) as there
from unnest(%(tables)s::text[], %(columns)s::text[]) as t(name, attribute)
"""

_MAY = """
select t.name, t.attribute,
       has_column_privilege(to_regclass(quote_ident(t.name)), t.attribute, 'select') as may
from unnest(%(tables)s::text[], %(columns)s::text[]) as t(name, attribute)
"""

_WRITES = """
select t.name from unnest(%(tables)s::text[]) as t(name)
where has_any_column_privilege(to_regclass(quote_ident(t.name)), 'insert, update')
   or has_table_privilege(to_regclass(quote_ident(t.name)), 'delete, truncate')
"""


class Source:
    """Files, and what they are linked to.

    Parameters
    ----------
    url
        Of the database, with the role's password.
    """

    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]](
            url,
            min_size=0,
            max_size=CONNECTIONS,
            open=False,
            timeout=10.0,
            # Soon tried again by whoever needs it next, not after a pause that doubles for minutes.
            reconnect_timeout=RECONNECT_SECONDS,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "application_name": "tenantry-file-sync",
                "connect_timeout": CONNECT_SECONDS,
            },
        )
        self._remote = Remote("open-webui-db", classify, timeout=CALL_SECONDS, concurrency=CONNECTIONS)

    async def open(self) -> None:
        """Begin to connect; it does not wait for the database."""
        await self._pool.open()

    async def close(self) -> None:
        """Let all connections go."""
        await self._pool.close()
        self._remote.close()

    async def check(self) -> None:
        """Make sure that the tables are those we know, and that we may read them and do nothing else.

        Raises
        ------
        SourceUnfit
            They are not; the message names the first column that is missing, or the right.
        RemoteUnavailable, RemoteRefused
            The database cannot say.
        """
        there = await self._rows("check", _CHECK, **_columns(READ))
        for row in there:
            if not row["there"]:
                raise SourceUnfit(
                    f'Open WebUI\'s database has no column "{row["name"]}"."{row["attribute"]}": '
                    "its tables are not made yet, or this edition of it is none that file-sync knows."
                )
        for row in await self._rows("check", _MAY, **_columns(READ)):
            if not row["may"]:
                raise SourceUnfit(
                    f'The role may not read "{row["name"]}"."{row["attribute"]}". Run grants.sql as the '
                    "owner of Open WebUI's tables."
                )
        if writable := await self._rows("check", _WRITES, tables=list(READ)):
            raise SourceUnfit(
                f'The role may write to "{writable[0]["name"]}". Use the one that role.sql makes.'
            )
        secret = [row for row in await self._rows("check", _CHECK, **_columns(UNREADABLE)) if row["there"]]
        names = {"tables": [r["name"] for r in secret], "columns": [r["attribute"] for r in secret]}
        for row in await self._rows("check", _MAY, **names):
            if row["may"]:
                raise SourceUnfit(
                    f'The role may read "{row["name"]}"."{row["attribute"]}", and must not. Use the one that '
                    "role.sql makes."
                )

    async def fingerprints(self) -> dict[Link, str]:
        """Return, for each knowledge base and model that has files, what changes when one of them does.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The database did not answer.
        """
        started = time.monotonic()
        rows = await self._rows("poll", FINGERPRINTS)
        POLL_SECONDS.observe(time.monotonic() - started)
        return {Link(0, Kind(row["kind"]), row["target"]): row["fingerprint"] for row in rows}

    async def files(self, knowledge: Sequence[str], models: Sequence[str]) -> list[File]:
        """Return the files that are linked to one of these, each with all its links.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The database did not answer.
        """
        rows = await self._rows("files", OF_TENANT, knowledge=list(knowledge), models=list(models))
        return [_to_file(row) for row in rows]

    async def files_by_id(self, ids: Sequence[str]) -> list[File]:
        """Return the files that exist of these, each with all its links.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The database did not answer.
        """
        return [_to_file(row) for row in await self._rows("files-by-id", BY_ID, ids=list(ids))]

    async def files_of(self, subject: str, *, ids: Sequence[str] | None, limit: int) -> list[File]:
        """Return a person's own files, the newest first.

        Parameters
        ----------
        subject
            The person's in Keycloak.
        ids
            Only these; somebody else's are not found.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The database did not answer.
        """
        chosen = None if ids is None else list(ids)
        rows = await self._rows("files-of-person", OF_PERSON, subject=subject, ids=chosen, limit=limit)
        return [_to_file(row) for row in rows]

    def connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[DictRow]]:
        """Lend a connection for as long as the block lasts."""
        return self._pool.connection()

    async def _rows(self, operation: str, query: str, **values: Any) -> list[DictRow]:
        async def call() -> list[DictRow]:
            async with self._pool.connection() as connection:
                # The statements are constants of ours; values go beside them.
                cursor = await connection.execute(query.encode(), values)
                return await cursor.fetchall()

        return await self._remote.call(operation, call)


def classify(exc: Exception) -> Fault | None:
    """Say what an error of Postgres' client means for the next attempt."""
    match exc:
        case psycopg.OperationalError() | psycopg.InterfaceError() | PoolTimeout():
            return Fault.TRANSIENT
        case psycopg.Error():
            return Fault.PERMANENT
        case _:
            return None


def _columns(of: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    pairs = [(table, column) for table, columns in of.items() for column in columns]
    return {"tables": [table for table, _ in pairs], "columns": [column for _, column in pairs]}


def _to_file(row: DictRow) -> File:
    given = row.pop("links")
    links = json.loads(given) if isinstance(given, str) else given
    ways = tuple(
        sorted(Link(int(since or 0), Kind(kind), target, at or "") for since, kind, target, at in links)
    )
    return File(**{**row, "digest": row["digest"].lower()}, links=ways)
