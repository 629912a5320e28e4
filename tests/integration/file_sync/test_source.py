"""Open WebUI's database: what its role may do, what the start makes sure of, who leads, and hints."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import psycopg
import pytest
from file_sync.adapters.leader import Leadership
from file_sync.adapters.queries import READ
from file_sync.adapters.source import Source
from file_sync.models import Kind, Link
from file_sync.problems import SourceUnfit
from servicekit.errors import RemoteUnavailable
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.open_webui_database import OpenWebUi, open_webui
from tests.support.waiting import until


@pytest.fixture
def owui(platform: Platform) -> Iterator[OpenWebUi]:
    """Return a database that a test may break."""
    with open_webui(platform) as database:
        yield database


@pytest.fixture
async def source(owui: OpenWebUi) -> AsyncIterator[Source]:
    opened = Source(owui.url)
    await opened.open()
    yield opened
    await opened.close()


async def test_the_role_of_grants_sql_is_fit(source: Source) -> None:
    await source.check()


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
def test_the_role_reads_no_other_columns(owui: OpenWebUi, statement: str) -> None:
    with psycopg.connect(owui.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("table", READ)
@pytest.mark.parametrize("statement", ["delete from {}", "insert into {} default values", "truncate {}"])
def test_the_role_writes_nothing_even_when_it_tries(owui: OpenWebUi, table: str, statement: str) -> None:
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
async def test_what_does_not_fit_stops_the_start_and_is_named(
    owui: OpenWebUi, source: Source, damage: str, words: str
) -> None:
    owui.execute(damage)
    with pytest.raises(SourceUnfit, match=words):
        await source.check()


async def test_a_superuser_is_too_much(platform: Platform, owui: OpenWebUi) -> None:
    database = owui.url.rpartition("/")[2]
    source = Source(Postgres(platform.context).dsn(database, "postgres", "postgres"))
    await source.open()
    with pytest.raises(SourceUnfit, match="may write"):
        await source.check()
    await source.close()


async def test_a_database_that_is_away_is_unavailable() -> None:
    source = Source("postgresql://nobody@127.0.0.1:9/none?connect_timeout=1")
    source._pool.timeout = 0.2
    await source.open()
    with pytest.raises(RemoteUnavailable):
        await source.fingerprints()
    await source.close()


async def test_each_change_changes_one_fingerprint(owui: OpenWebUi, source: Source) -> None:
    anna = owui.account("anna")
    for each in ("k1", "k2"):
        owui.knowledge(each)
    one, two = (owui.upload(anna, f"{n}.txt", b"Tide.") for n in range(2))
    owui.put_in(one, "k1")
    owui.put_in(two, "k2")
    seen = await source.fingerprints()
    assert set(seen) == {Link(0, Kind.KNOWLEDGE, "k1"), Link(0, Kind.KNOWLEDGE, "k2")}

    async def changed() -> set[str]:
        nonlocal seen
        before, seen = seen, await source.fingerprints()
        return {link.target for link in before.keys() | seen.keys() if before.get(link) != seen.get(link)}

    assert await changed() == set()
    owui.rename(one, "new.txt")
    assert await changed() == {"k1"}
    chat = owui.send(anna, two, "tenant-a.hr")
    assert await changed() == {"tenant-a.hr"}
    owui.execute("delete from chat where id = %s", chat)
    assert await changed() == {"tenant-a.hr"}
    owui.upload(anna, "x.txt", b"Tide.", knowledge_id="k2")
    assert await changed() == {"k2"}
    owui.delete(one)
    assert await changed() == {"k1"}


async def test_the_guards_note_counts_and_not_what_an_uploader_wrote(owui: OpenWebUi, source: Source) -> None:
    anna, dora = owui.account("anna"), owui.account("dora")
    forged = {"tenantry_removed_by": anna, "tenantry_added_to": "k9"}
    file_id = owui.upload(anna, "plan.txt", b"Tide.", data=forged)

    async def noted() -> tuple[str, str]:
        (file,) = await source.files_by_id([file_id])
        return file.knowledge, file.remover

    assert await noted() == ("k9", "anna")
    owui.knowledge("k1")
    owui.put_in(file_id, "k1")
    assert await noted() == ("k1", "")
    owui.take_out(file_id, "k1", by=dora)
    assert await noted() == ("k1", "dora")


async def test_only_one_leads_and_another_follows_when_it_is_gone(
    owui: OpenWebUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("file_sync.adapters.leader.CHECK_SECONDS", 0.2)
    leading: list[str] = []
    hints: list[str] = []

    def replica(name: str, source: Source) -> Leadership:
        async def lead() -> None:
            leading.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                leading.remove(name)

        return Leadership(source, lead, lambda: hints.append(name))

    sources = [Source(owui.url) for _ in range(2)]
    for each in sources:
        await each.open()
    first, second = (replica(name, each) for name, each in zip("ab", sources, strict=True))
    tasks = [asyncio.create_task(first.run())]
    await until(lambda: leading == ["a"])
    tasks.append(asyncio.create_task(second.run()))
    await asyncio.sleep(0.5)
    assert leading == ["a"]

    second.pass_on()
    await until(lambda: hints == ["a"])
    first.pass_on()
    assert hints == ["a", "a"]

    owui.execute(
        "select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database "
        "where l.locktype = 'advisory' and d.datname = current_database()"
    )
    await until(lambda: len(leading) == 1 and len(hints) == 2)
    tasks[0].cancel()
    await until(lambda: leading == ["b"])
    tasks[1].cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    for leader in (first, second):
        await leader.close()
    for each in sources:
        await each.close()
