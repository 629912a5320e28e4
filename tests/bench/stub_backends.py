"""Stubs of Qdrant and Bedrock with minimal cost: ``python -m tests.bench.stub_backends``.

They answer the calls of a search, an answer and an ingest with constant bytes, after a configurable delay.
They store nothing and serve only benchmarks; tests use the stand-ins of the local platform.
"""

import argparse
import asyncio
import json
import random
import re
import time
from importlib.metadata import version
from typing import Any

from tenancy.names import DENSE_VECTOR
from tenancy.qdrant_server import PROBE_COLLECTION
from tenantry_local.standins.bedrock.eventstream import encode_event

TITAN, DENSE = 1024, 768
PASSAGES = 3
WORDS = 250
"""Words per passage: as many as in a chunk."""

TENANT = re.compile(rb"tenant-[a-z0-9-]+")
UID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class StubBackends:
    """Responses of both backends, built once.

    Parameters
    ----------
    embedding_seconds
        Pause before an embedding.
    model_seconds
        Pause before an answer begins.
    stream_events, stream_seconds
        Number of words of an answer, and the pause before each word.
    """

    def __init__(
        self, embedding_seconds: float, model_seconds: float, stream_events: int, stream_seconds: float
    ) -> None:
        self._embedding_seconds = embedding_seconds
        self._model_seconds = model_seconds
        self._stream_events = stream_events
        self._stream_seconds = stream_seconds
        draw = random.Random(1)
        numbers = [round(draw.gauss(0, 1), 6) for _ in range(TITAN)]
        self._embedding = _make_json({"embedding": numbers, "inputTextTokenCount": 12})
        self._found = [_make_point(number, numbers[:DENSE]) for number in range(PASSAGES)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection sequentially."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                path = head.split(b" ", 2)[1].decode()
                if path.endswith("/converse-stream"):
                    await self._stream(writer)
                else:
                    writer.write(_make_response(*await self._answer(path, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        if path.endswith("/invoke"):
            await asyncio.sleep(self._embedding_seconds)
            return 200, self._embedding
        if path == "/":
            return 200, _make_json({"version": version("qdrant-client")})
        if path.endswith("/points/query") and PROBE_COLLECTION not in path:
            tenant, uid = TENANT.search(body), UID.search(body)
            assert tenant
            assert uid
            points = json.dumps(self._found).replace("tenant-x", tenant[0].decode())
            points = points.replace("uid-x", uid[0].decode())
            return 200, f'{{"result":{{"points":{points}}},"status":"ok","time":0.0001}}'.encode()
        if path.partition("?")[0].endswith("/points/delete") or "/points?" in path:
            return 200, _make_json(
                {"result": {"operation_id": 1, "status": "completed"}, "status": "ok", "time": 0}
            )
        if path.partition("?")[0].endswith("/points"):
            return 200, _make_json({"result": [], "status": "ok", "time": 0})
        return 404, _make_json({"status": {"error": "Not found"}, "time": 0})

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        _write_chunk(writer, encode_event("messageStart", {"role": "assistant"}))
        await asyncio.sleep(self._model_seconds)
        for _ in range(self._stream_events):
            await asyncio.sleep(self._stream_seconds)
            # The text has the sending time, for the client to compute the delay. It begins with a letter:
            # the sanitizer holds back digits at the start of a line, because a list could start there.
            text = f"t{time.time_ns()} "
            _write_chunk(
                writer, encode_event("contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": 0})
            )
            await writer.drain()
        _write_chunk(writer, encode_event("messageStop", {"stopReason": "end_turn"}))
        usage = {"inputTokens": 900, "outputTokens": self._stream_events, "totalTokens": 1000}
        _write_chunk(writer, encode_event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
        writer.write(b"0\r\n\r\n")


def _make_point(number: int, vector: list[float]) -> dict[str, Any]:
    words = " ".join(f"word{place}" for place in range(WORDS))
    payload = {
        "tenantId": "tenant-x",
        "tenantUid": "uid-x",
        "personaId": "finance",
        "documentId": f"document-{number}",
        "chunk": 0,
        "text": words,
        "heading": "",
        "filename": f"document-{number}.pdf",
        "page": 1,
        "sha256": "0" * 64,
        "createdAt": "2026-11-23T00:00:00+00:00",
        "etag": '"0"',
        "version": "0",
        "chunks": 1,
    }
    return {
        "id": number,
        "version": 1,
        "score": 0.9 - number / 10,
        "payload": payload,
        "vector": {DENSE_VECTOR: vector},
    }


def _make_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _make_response(status: int, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n".encode()
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def main() -> None:
    """Serve on a free port of 127.0.0.1 and print the port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--embedding-seconds", type=float, default=0.0)
    parser.add_argument("--model-seconds", type=float, default=0.0)
    parser.add_argument("--stream-events", type=int, default=5)
    parser.add_argument("--stream-seconds", type=float, default=0.0)
    options = parser.parse_args()
    stubs = StubBackends(**vars(options))
    server = await asyncio.start_server(stubs.serve, "127.0.0.1", 0, limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
