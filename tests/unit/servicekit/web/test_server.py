"""Tests of limits on unauthenticated connections, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from servicekit.web import server
from starlette.types import Receive, Scope, Send

from tests.support.programs.gateway import serve_app
from tests.support.timing.waiting import wait_until

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Connection]]


async def serve_request(scope: Scope, receive: Receive, send: Send) -> None:
    """Authenticate a request with a token."""
    if scope["path"] == "/token":
        scope["state"]["connection"].admit()
    headers = [(b"content-length", b"0")]
    if scope["path"] == "/refused":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_app(serve_request, lifespan="off") as url:
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


async def test_a_request_at_shutdown_is_answered() -> None:
    async with asyncio.timeout(20):
        server = serve_app(serve_request, lifespan="off")
        port = httpx.URL(await server.__aenter__()).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        ending = asyncio.create_task(server.__aexit__(None, None, None))
        await asyncio.sleep(0.3)  # uvicorn checks for shutdown ten times a second
        writer.write(request)
        assert (await reader.read()).startswith(b"HTTP/1.1 200"), "the connection is closed"
        await ending
        writer.close()


async def test_an_idle_connection_does_not_delay_shutdown() -> None:
    async with asyncio.timeout(20):
        async with serve_app(serve_request, lifespan="off") as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_is_still_sending_gets_the_response(url: str) -> None:
    """The server responds after the head; the body follows later."""
    for _ in range(10):
        async with httpx.AsyncClient() as http:
            response = await http.post(f"{url}/refused", files={"file": ("a.md", b"x" * 100_000)})
        assert response.headers["connection"] == "close"


async def test_a_client_that_never_stops_sending_is_disconnected(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CLOSE_DELAY_SECONDS", 0.2)
    head = b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    reader, writer = await connect(head)
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200"), "nothing else is sent"
    await wait_until(lambda: is_reset(writer), seconds=5)


async def test_a_client_that_sends_a_large_body_gets_the_response(url: str) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{url}/refused", content=b"x" * 20_000_000)
    assert response.status_code == 200


async def test_a_finished_request_is_closed_without_delay(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CLOSE_DELAY_SECONDS", 60.0)
    reader, writer = await connect(b"GET /refused HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200")
    await wait_until(lambda: is_reset(writer), seconds=5)


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


async def is_answered(connection: Connection, path: str = "/") -> bool:
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [(), (b"GET /",), (b"GET / HTTP/1.1\r\nHost: a\r\n",)], ids=["nothing", "a line", "no end"]
)
async def test_an_incomplete_head_times_out(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, sent: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_SECONDS", 0.2)
    assert await is_closed(await connect(*sent))


async def test_a_slow_head_has_the_same_timeout(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_SECONDS", 0.3)
    reader, writer = await connect(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")

    async def send_slowly() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(send_slowly())
    assert await is_closed((reader, writer))
    dripping.cancel()


async def test_the_timeout_applies_to_every_head_of_a_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_SECONDS", 0.3)
    connection = await connect()
    assert await is_answered(connection, "/token")
    await asyncio.sleep(0.5)  # idle time is not limited by the timeout of a head
    assert await is_answered(connection, "/token")
    connection[1].write(b"GET /")
    assert await is_closed(connection)


async def open_one_too_many(connect: Connect) -> list[Connection]:
    """Open four connections with a limit of three; return the connections that remain open."""
    oldest, *others = [await connect() for _ in range(3)]
    for connection in (oldest, *others):
        assert await is_answered(connection)
    newest = await connect()
    assert await is_answered(newest)
    assert await is_closed(oldest)
    return [*others, newest]


async def test_the_oldest_unauthenticated_connection_is_closed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_SOURCE", 3)
    monkeypatch.setattr(server, "MIN_AGE_SECONDS", 0.0)
    proven = await connect()
    assert await is_answered(proven, "/token")
    for connection in (proven, *await open_one_too_many(connect)):
        assert await is_answered(connection)


async def test_concurrent_new_connections_have_time_to_authenticate(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS_PER_SOURCE", 3)
    monkeypatch.setattr(server, "MIN_AGE_SECONDS", 60.0)
    for connection in [await connect() for _ in range(10)]:
        assert await is_answered(connection, "/token")


async def test_the_total_number_of_connections_is_limited(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    connections = [await connect() for _ in range(4)]
    assert await is_answered(connections[3])
    assert await is_closed(connections[0])
    for connection in connections[1:]:
        assert await is_answered(connection)


async def test_closed_and_authenticated_connections_are_not_counted(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    for _ in range(3):
        left = [await connect(), await connect()]
        for reader, writer in left:
            assert await is_answered((reader, writer))
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)  # ends when the server has closed the connection as well
        assert await is_answered(await connect(), "/token")
    for connection in await open_one_too_many(connect):
        assert await is_answered(connection)


async def test_connections_of_one_source_do_not_displace_those_of_another(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    other = await connect(source="127.0.0.2")
    assert await is_answered(other)
    many = [await connect() for _ in range(4)]
    assert await is_answered(many[3])
    assert await is_closed(many[0])
    assert await is_answered(other)


async def test_the_limit_holds_for_simultaneous_connections(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    burst = await asyncio.gather(*(connect() for _ in range(10)))
    await wait_until(lambda: sum(reader.at_eof() for reader, _ in burst) == 7, seconds=5)
    newest = await connect()
    assert await is_answered(newest)
