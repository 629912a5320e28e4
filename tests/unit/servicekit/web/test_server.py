"""Bounds on connections that prove nobody, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from servicekit.web import server
from starlette.types import Receive, Scope, Send

from tests.support.gateway import serving
from tests.support.waiting import until

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Connection]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Admit who names a token."""
    if scope["path"] == "/token":
        scope["state"]["connection"].admit()
    headers = [(b"content-length", b"0")]
    if scope["path"] == "/refused":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(app, lifespan="off") as url:
        yield url


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    opened: list[Connection] = []

    async def connect(*sent: bytes, source: str = "127.0.0.1") -> Connection:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", httpx.URL(url).port, local_addr=(source, 0)
        )
        opened.append((reader, writer))
        for each in sent:
            writer.write(each)
        return reader, writer

    yield connect
    for _, writer in opened:
        writer.close()


async def test_a_request_that_meets_the_end_of_the_server_is_answered() -> None:
    async with asyncio.timeout(20):
        server = serving(app, lifespan="off")
        port = httpx.URL(await server.__aenter__()).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        ending = asyncio.create_task(server.__aexit__(None, None, None))
        await asyncio.sleep(0.3)  # uvicorn asks ten times a second whether it is to end
        writer.write(request)
        assert (await reader.read()).startswith(b"HTTP/1.1 200"), "and then the connection ends"
        await ending
        writer.close()


async def test_an_idle_connection_does_not_hold_up_the_end_of_the_server() -> None:
    async with asyncio.timeout(20):
        async with serving(app, lifespan="off") as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        assert await reader.read() == b""
        writer.close()


async def test_a_caller_who_still_sends_reads_the_answer_before_the_connection_ends(url: str) -> None:
    """The server answers at the head; the body comes after it."""
    for _ in range(10):
        async with httpx.AsyncClient() as http:
            response = await http.post(f"{url}/refused", files={"file": ("a.md", b"x" * 100_000)})
        assert response.headers["connection"] == "close"


async def test_a_caller_who_never_ends_is_cut_off_after_the_answer(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.2)
    head = b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    reader, writer = await connect(head)
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200"), "and nothing more is sent"
    await until(lambda: is_reset(writer), seconds=5)


async def test_a_caller_who_sends_much_more_reads_the_answer_too(url: str) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{url}/refused", content=b"x" * 20_000_000)
    assert response.status_code == 200


async def test_nothing_waits_for_a_caller_who_has_sent_all(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_SECONDS", 60.0)
    reader, writer = await connect(b"GET /refused HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200")
    await until(lambda: is_reset(writer), seconds=5)


async def is_reset(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"x")
    try:
        await writer.drain()
    except ConnectionError:
        return True
    return False


async def is_closed(connection: Connection) -> bool:
    try:
        return await asyncio.wait_for(connection[0].read(), 5) == b""
    except ConnectionError:
        return True


async def answers(connection: Connection, path: str = "/") -> bool:
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [(), (b"GET /",), (b"GET / HTTP/1.1\r\nHost: a\r\n",)], ids=["nothing", "a line", "no end"]
)
async def test_a_head_that_does_not_end_is_not_waited_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, sent: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    assert await is_closed(await connect(*sent))


async def test_a_head_byte_by_byte_has_no_longer(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    reader, writer = await connect(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await is_closed((reader, writer))
    dripping.cancel()


async def test_the_next_head_of_a_connection_is_bounded_too(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    connection = await connect()
    assert await answers(connection, "/token")
    await asyncio.sleep(0.5)  # it may be idle for longer than a head may take
    assert await answers(connection, "/token")
    connection[1].write(b"GET /")
    assert await is_closed(connection)


async def open_one_too_many(connect: Connect) -> list[Connection]:
    """Open four connections where three are kept; return those that stay when the oldest is closed."""
    oldest, *others = [await connect() for _ in range(3)]
    for connection in (oldest, *others):
        assert await answers(connection)
    newest = await connect()
    assert await answers(newest)
    assert await is_closed(oldest)
    return [*others, newest]


async def test_of_those_that_prove_nobody_the_oldest_makes_room(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_PER_SOURCE", 3)
    monkeypatch.setattr(server, "MIN_SECONDS", 0.0)
    proven = await connect()
    assert await answers(proven, "/token")
    for connection in (proven, *await open_one_too_many(connect)):
        assert await answers(connection)


async def test_many_that_come_together_have_time_to_prove_themselves(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_PER_SOURCE", 3)
    monkeypatch.setattr(server, "MIN_SECONDS", 60.0)
    for connection in [await connect() for _ in range(10)]:
        assert await answers(connection, "/token")


async def test_there_is_a_bound_for_all_sources(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_TOTAL", 3)
    connections = [await connect() for _ in range(4)]
    assert await answers(connections[3])
    assert await is_closed(connections[0])
    for connection in connections[1:]:
        assert await answers(connection)


async def test_those_who_left_or_were_proven_are_not_counted(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_TOTAL", 3)
    for _ in range(3):
        left = [await connect(), await connect()]
        for reader, writer in left:
            assert await answers((reader, writer))
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)  # until the server has closed it, too
        assert await answers(await connect(), "/token")
    for connection in await open_one_too_many(connect):
        assert await answers(connection)


async def test_many_of_one_source_do_not_crowd_out_another(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_TOTAL", 3)
    other = await connect(source="127.0.0.2")
    assert await answers(other)
    many = [await connect() for _ in range(4)]
    assert await answers(many[3])
    assert await is_closed(many[0])
    assert await answers(other)


async def test_the_bound_holds_for_those_who_come_in_one_moment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_TOTAL", 3)
    burst = await asyncio.gather(*(connect() for _ in range(10)))
    await until(lambda: sum(reader.at_eof() for reader, _ in burst) == 7, seconds=5)
    newest = await connect()
    assert await answers(newest)
