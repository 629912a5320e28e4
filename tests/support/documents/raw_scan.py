"""Search for a text in the files and tables of every store, without the programs that own them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import redis
from tenantry_local.parts.postgres import Postgres
from tenantry_local.parts.redis import Redis
from tenantry_local.platform import Platform

from tests.support.open_webui.observed import count_rows

__all__ = ["scan_stores"]

FOLDERS = ("aws", "qdrant", "open-webui")
"""Stores that consist of files, below the platform's data folder."""


def scan_stores(platform: Platform, text: str) -> dict[str, int]:
    """Return the number of occurrences of a text by store: in files, file names, rows and Redis' dump."""
    context = platform.context
    counts: dict[str, int] = {}
    for folder in FOLDERS:
        paths = sorted(context.create_folder("data", folder).rglob("*"))
        counts[folder] = sum(_count_in_file(path, text) for path in paths if path.is_file())
    counts["redis"] = sum(_count_in_redis(platform, text))
    postgres = Postgres(context)
    listed = "select datname from pg_database where not datistemplate"
    for database in postgres.run(listed).split():
        rows = count_rows(postgres, database, text)
        counts |= {f"{database}.{table}": count for table, count in rows.items()}
    return {location: count for location, count in counts.items() if count}


def _count_in_file(path: Path, text: str) -> int:
    if path.suffix == ".sqlite":
        return _count_in_tables(path, text)
    if path.name.endswith((".sqlite-wal", ".sqlite-shm")):
        return 0  # committed rows are in the tables; the rest is bytes of deleted rows
    return path.read_bytes().count(text.encode()) + (text in path.name)


def _count_in_tables(path: Path, text: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = (row for table in tables for row in database.execute(f'select * from "{table}"'))
        return sum(
            text.encode() in value if isinstance(value, bytes) else text in str(value)
            for row in rows
            for value in row
        )


def _count_in_redis(platform: Platform, text: str) -> Iterator[int]:
    """Yield the number of occurrences in the name and the dump of each key."""
    with redis.Redis.from_url(Redis(platform.context).url_with_password) as client:
        client.config_set("rdbcompression", "no")  # a compressed text would not be found
        for key in client.scan_iter(count=1000):
            yield key.count(text.encode()) + (client.dump(key) or b"").count(text.encode())
