"""Tests of unauthenticated callers that send incomplete requests to the program."""

import asyncio
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.programs.gateway_process import GatewayProcess, run_gateway_process

from .conftest import IntegrationHarness

HALF_A_BODY = (
    b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s"
    b'Content-Length: 1000\r\n\r\n{"query": "'
)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[bytes, int], Awaitable[list[Connection]]]


@pytest.fixture(scope="module")
async def process(harness: IntegrationHarness) -> AsyncIterator[GatewayProcess]:
    async with run_gateway_process(
        harness.platform,
        keep_alive=False,  # the program may close an idle connection
        log=DEVNULL,
        GATEWAY_REQUEST_CONCURRENCY="4",
        GATEWAY_REQUEST_QUEUE="4",
    ) as process:
        yield process


@pytest.fixture
async def open_connections(process: GatewayProcess) -> AsyncIterator[Open]:
    connections: list[Connection] = []

    async def open_connections(sent: bytes, count: int) -> list[Connection]:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", process.http.base_url.port)
            connections.append((reader, writer))
            writer.write(sent)
        return connections[-count:]

    yield open_connections
    for _, writer in connections:
        writer.close()


async def search(harness: IntegrationHarness, process: GatewayProcess) -> int:
    headers = {"Authorization": f"Bearer {harness.token}"}
    return (await process.http.post("/v1/search", json={"query": "x"}, headers=headers)).status_code


async def read_response(connection: Connection) -> bytes:
    try:
        return await asyncio.wait_for(connection[0].read(), 30)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("token", [b"", b"Authorization: Bearer x.y.z\r\n"], ids=["no token", "a wrong one"])
async def test_half_a_body_without_a_token_is_refused_and_holds_no_slot(
    harness: IntegrationHarness, process: GatewayProcess, open_connections: Open, token: bytes
) -> None:
    connections = await open_connections(HALF_A_BODY % token, 30)
    assert await search(harness, process) == 200
    for connection in connections:
        response = await read_response(connection)
        assert not response or response.startswith(b"HTTP/1.1 401"), (
            "the request is refused and the connection closed"
        )


async def test_endless_heads_hold_no_slot_and_are_closed(
    harness: IntegrationHarness, process: GatewayProcess, open_connections: Open
) -> None:
    connections = await open_connections(b"POST /v1/search HTTP/1.1\r\nHost: a\r\n", 200)
    assert await search(harness, process) == 200
    # All connections are closed: some at the timeout of a head, those above the limit of an address earlier.
    assert [await read_response(connection) for connection in connections] == [b""] * 200
    assert await search(harness, process) == 200


async def test_half_a_body_with_a_token_leaves_slots_and_times_out(
    harness: IntegrationHarness, process: GatewayProcess, open_connections: Open
) -> None:
    token = f"Authorization: Bearer {harness.token}\r\n".encode()
    connections = await open_connections(HALF_A_BODY % token, 2)  # the maximum of one tenant
    await asyncio.sleep(1)  # a request waits for a slot as long as for a body, so it must start later
    async with asyncio.timeout(25):
        assert await search(harness, process) == 200, "the body timed out after ten seconds"
    for connection in connections:
        response = await read_response(connection)
        assert not response or response.startswith(b"HTTP/1.1 408")
