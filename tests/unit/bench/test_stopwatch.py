"""The stopwatch: what of a request's time was n8n's."""

import asyncio

import pytest

from tests.bench.stopwatch import open_stopwatch, share_of

TIMING = "embed;dur=1.0, model;dur=2000.5, total;dur=2010.25"
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer-Timing: {TIMING}\r\n\r\n"


def test_the_share_is_what_the_gateway_does_not_account_for() -> None:
    assert share_of(HEAD.encode() + b"{}", 2.05) == pytest.approx(39.75)


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
def test_an_answer_that_is_not_the_gateways_has_no_share(answer: bytes) -> None:
    with pytest.raises(ValueError, match="not the gateway's"):
        share_of(answer, 1.0)


async def test_it_hands_everything_on_and_notes_each_request() -> None:
    asked = []

    async def n8n(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head + await reader.readexactly(3))
            writer.write(HEAD.encode() + b"{}")
        writer.close()

    server = await asyncio.start_server(n8n, "127.0.0.1", 0)
    async with server, open_stopwatch(server.sockets[0].getsockname()[1]) as (stopwatch, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        request = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        for _ in range(2):
            writer.write(request)
            assert await reader.readexactly(len(HEAD) + 2) == HEAD.encode() + b"{}"
        writer.close()
        assert asked == [request, request]
        assert len(stopwatch.take()) == 2
        assert stopwatch.take() == []
