"""Tests of the timing proxy."""

import asyncio

import pytest

from tests.bench.timing_proxy import get_overhead_ms, open_timing_proxy

TIMING = "embed;dur=1.0, model;dur=2000.5, total;dur=2010.25"
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer-Timing: {TIMING}\r\n\r\n"


def test_overhead_is_the_time_beyond_the_gateways_total() -> None:
    assert get_overhead_ms(HEAD.encode() + b"{}", 2.05) == pytest.approx(39.75)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}", id="n8n's own refusal"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nServer-Timing: search;dur=3\r\n\r\nserver-timing: total;dur=1",
            id="without a total, whatever its body says",
        ),
    ],
)
def test_a_response_that_is_not_the_gateways_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match="not the gateway's"):
        get_overhead_ms(answer, 1.0)


async def test_requests_are_forwarded_unchanged_and_measured() -> None:
    asked = []

    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head + await reader.readexactly(3))
            writer.write(HEAD.encode() + b"{}")
        writer.close()

    server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
    async with server, open_timing_proxy(server.sockets[0].getsockname()[1]) as (timing_proxy, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        request = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        for _ in range(2):
            writer.write(request)
            assert await reader.readexactly(len(HEAD) + 2) == HEAD.encode() + b"{}"
        writer.close()
        assert asked == [request, request]
        assert len(timing_proxy.pop_overheads()) == 2
        assert timing_proxy.pop_overheads() == []
