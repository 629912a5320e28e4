"""A search for a text in the files and tables of every store, past every program of ours and theirs."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import redis
from tenantry_local.parts.postgres import Postgres
from tenantry_local.parts.redis import Redis
from tenantry_local.platform import Platform

from .open_webui_observed import rows_with

__all__ = ["raw_scan"]

FOLDERS = ("aws", "qdrant", "open-webui")
"""What lies as files, below the platform's data."""


def raw_scan(platform: Platform, text: str) -> dict[str, int]:
    """Return how many places hold a text: files with it in name or content, rows of tables, Redis' dump."""
    context = platform.context
    found: dict[str, int] = {}
    for folder in FOLDERS:
        paths = sorted(context.folder("data", folder).rglob("*"))
        found[folder] = sum(_times(path, text) for path in paths if path.is_file())
    found["redis"] = sum(_in_redis(platform, text))
    postgres = Postgres(context)
    listed = "select datname from pg_database where not datistemplate"
    for database in postgres.run(listed).split():
        rows = rows_with(postgres, database, text)
        found |= {f"{database}.{table}": count for table, count in rows.items()}
    return {place: count for place, count in found.items() if count}


def _times(path: Path, text: str) -> int:
    if path.suffix == ".sqlite":
        return _in_tables(path, text)
    if path.name.endswith((".sqlite-wal", ".sqlite-shm")):
        return 0  # what of them counts is in the tables; the rest is bytes of deleted rows
    return path.read_bytes().count(text.encode()) + (text in path.name)


def _in_tables(path: Path, text: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = (row for table in tables for row in database.execute(f'select * from "{table}"'))
        return sum(
            text.encode() in value if isinstance(value, bytes) else text in str(value)
            for row in rows
            for value in row
        )


def _in_redis(platform: Platform, text: str) -> Iterator[int]:
    """Yield the text's occurrences in what Redis would write to disk, key by key."""
    with redis.Redis.from_url(Redis(platform.context).url_with_password) as client:
        client.config_set("rdbcompression", "no")  # a compressed text would not be found
        for key in client.scan_iter(count=1000):
            yield key.count(text.encode()) + (client.dump(key) or b"").count(text.encode())
