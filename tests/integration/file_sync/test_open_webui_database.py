"""Tests of Open WebUI's database: rights of the role, checks at the start, leader election and hints."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import psycopg
import pytest
from file_sync.adapters.leader import LeaderElector
from file_sync.adapters.open_webui_database import OpenWebUIDatabase
from file_sync.adapters.queries import READ_COLUMNS
from file_sync.models import Link, LinkKind
from file_sync.problems import UnsupportedSchema
from servicekit.errors import BackendUnavailable
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.open_webui.database import OpenWebUIWriter, create_fake_open_webui
from tests.support.timing.waiting import wait_until


@pytest.fixture
def owui(platform: Platform) -> Iterator[OpenWebUIWriter]:
    """Copy of Open WebUI's database that a test may damage."""
    with create_fake_open_webui(platform) as database:
        yield database


@pytest.fixture
async def database(owui: OpenWebUIWriter) -> AsyncIterator[OpenWebUIDatabase]:
    database = OpenWebUIDatabase(owui.url)
    await database.open()
    yield database
    await database.close()


async def test_the_role_of_grants_sql_is_supported(database: OpenWebUIDatabase) -> None:
    await database.check()


@pytest.mark.parametrize(
    "statement",
    [
        "select content from chat_message",
        "select chat from chat",
        "select title from chat",
        "select password from auth",
        'select email from "user"',
        "select name from knowledge",
        'select hash from "file"',
        'select * from "file"',
    ],
)
def test_the_role_reads_no_other_columns(owui: OpenWebUIWriter, statement: str) -> None:
    with psycopg.connect(owui.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("table", READ_COLUMNS)
@pytest.mark.parametrize("statement", ["delete from {}", "insert into {} default values", "truncate {}"])
def test_the_role_cannot_write(owui: OpenWebUIWriter, table: str, statement: str) -> None:
    with psycopg.connect(owui.url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.format(f'"{table}"').encode())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ('alter table "file" rename column path to place', 'has no column "file"."path"'),
        ("drop table chat_file", 'has no column "chat_file"."chat_id"'),
        ('revoke select (oauth) on "user" from tenantry_file_sync', 'may not read "user"."oauth"'),
        ('grant update (filename) on "file" to tenantry_file_sync', 'may write to "file"'),
        ("grant delete on knowledge_file to tenantry_file_sync", 'may write to "knowledge_file"'),
        (
            "grant select on chat_message to tenantry_file_sync",
            'may read "chat_message"."content", and must not',
        ),
        ("grant select on auth to tenantry_file_sync", 'may read "auth"."password", and must not'),
    ],
    ids=["column", "table", "right", "write one", "write", "chats", "passwords"],
)
async def test_an_unsupported_schema_or_role_is_named(
    owui: OpenWebUIWriter, database: OpenWebUIDatabase, damage: str, words: str
) -> None:
    owui.execute(damage)
    with pytest.raises(UnsupportedSchema, match=words):
        await database.check()


async def test_a_superuser_is_refused(platform: Platform, owui: OpenWebUIWriter) -> None:
    name = owui.url.rpartition("/")[2]
    database = OpenWebUIDatabase(Postgres(platform.context).build_dsn(name, "postgres", "postgres"))
    await database.open()
    with pytest.raises(UnsupportedSchema, match="may write"):
        await database.check()
    await database.close()


async def test_a_database_that_is_down_is_unavailable() -> None:
    database = OpenWebUIDatabase("postgresql://none@127.0.0.1:9/none?connect_timeout=1")
    database._pool.timeout = 0.2
    await database.open()
    with pytest.raises(BackendUnavailable):
        await database.read_fingerprints()
    await database.close()


async def test_each_change_changes_one_fingerprint(
    owui: OpenWebUIWriter, database: OpenWebUIDatabase
) -> None:
    anna = owui.create_account("anna")
    for each in ("k1", "k2"):
        owui.create_knowledge(each)
    one, two = (owui.upload(anna, f"{n}.txt", b"Tide.") for n in range(2))
    owui.add_to_knowledge(one, "k1")
    owui.add_to_knowledge(two, "k2")
    seen = await database.read_fingerprints()
    assert set(seen) == {Link(0, LinkKind.KNOWLEDGE, "k1"), Link(0, LinkKind.KNOWLEDGE, "k2")}

    async def list_changed() -> set[str]:
        nonlocal seen
        before, seen = seen, await database.read_fingerprints()
        return {link.target for link in before.keys() | seen.keys() if before.get(link) != seen.get(link)}

    assert await list_changed() == set()
    owui.rename(one, "new.txt")
    assert await list_changed() == {"k1"}
    chat = owui.send_in_chat(anna, two, "tenant-a.hr")
    assert await list_changed() == {"tenant-a.hr"}
    owui.execute("delete from chat where id = %s", chat)
    assert await list_changed() == {"tenant-a.hr"}
    owui.upload(anna, "x.txt", b"Tide.", knowledge_id="k2")
    assert await list_changed() == {"k2"}
    owui.delete_file(one)
    assert await list_changed() == {"k1"}


async def test_the_guards_note_overrides_an_uploaders_text(
    owui: OpenWebUIWriter, database: OpenWebUIDatabase
) -> None:
    anna, dora = owui.create_account("anna"), owui.create_account("dora")
    forged = {"tenantry_removed_by": anna, "tenantry_added_to": "k9"}
    file_id = owui.upload(anna, "plan.txt", b"Tide.", data=forged)

    async def read_metadata() -> tuple[str, str]:
        (file,) = await database.list_files_by_id([file_id])
        return file.knowledge, file.remover

    assert await read_metadata() == ("k9", "anna")
    owui.create_knowledge("k1")
    owui.add_to_knowledge(file_id, "k1")
    assert await read_metadata() == ("k1", "")
    owui.remove_from_knowledge(file_id, "k1", by=dora)
    assert await read_metadata() == ("k1", "dora")


async def test_one_replica_leads_and_another_takes_over(
    owui: OpenWebUIWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("file_sync.adapters.leader.CHECK_INTERVAL_SECONDS", 0.2)
    leading: list[str] = []
    hints: list[str] = []

    def make_replica(name: str, database: OpenWebUIDatabase) -> LeaderElector:
        async def lead() -> None:
            leading.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                leading.remove(name)

        return LeaderElector(database, lead, lambda: hints.append(name))

    sources = [OpenWebUIDatabase(owui.url) for _ in range(2)]
    for each in sources:
        await each.open()
    first, second = (make_replica(name, each) for name, each in zip("ab", sources, strict=True))
    tasks = [asyncio.create_task(first.run())]
    await wait_until(lambda: leading == ["a"])
    tasks.append(asyncio.create_task(second.run()))
    await asyncio.sleep(0.5)
    assert leading == ["a"]

    second.broadcast_hint()
    await wait_until(lambda: hints == ["a"])
    first.broadcast_hint()
    assert hints == ["a", "a"]

    owui.execute(
        "select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database "
        "where l.locktype = 'advisory' and d.datname = current_database()"
    )
    await wait_until(lambda: len(leading) == 1 and len(hints) == 2)
    tasks[0].cancel()
    await wait_until(lambda: leading == ["b"])
    tasks[1].cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    for leader in (first, second):
        await leader.close()
    for each in sources:
        await each.close()
