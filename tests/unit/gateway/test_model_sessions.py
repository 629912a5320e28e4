"""Tests of Bedrock sessions per tenant: the credentials that sign each request over HTTP."""

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stamina
from gateway.bedrock import Bedrock
from gateway.model_sessions import ModelSessions, open_model_session
from servicekit.errors import BackendRefused, BackendUnavailable
from typing_extensions import override

from tests.support.fakes.sts import FakeStsSession

REPLY = json.dumps({"embedding": [1.0] * 1024, "inputTextTokenCount": 1}).encode()


class ModelServer(ThreadingHTTPServer):
    """HTTP server that answers each call with an embedding and records who signed it."""

    daemon_threads = True
    request_queue_size = 128
    """With the default of 5, the kernel resets some of many concurrent connections."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.signers: list[tuple[str, str, str]] = []
        """For each call: the text, the key id of the signature, and the session token."""
        self.rejected_keys: Counter[str] = Counter()
        """Number of calls to reject, by key id."""


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = re.search(r"Credential=(.*?)/\d{8}/", self.headers["Authorization"])
        assert found
        self.server.signers.append((body["inputText"], found[1], self.headers["X-Amz-Security-Token"]))
        rejected = self.server.rejected_keys[found[1]] > 0
        self.server.rejected_keys[found[1]] -= 1
        reply = b'{"message": "expired"}' if rejected else REPLY
        self.send_response(403 if rejected else 200)
        if rejected:
            self.send_header("x-amzn-ErrorType", "ExpiredTokenException")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sts() -> FakeStsSession:
    return FakeStsSession()


@pytest.fixture
def bedrock(server: ModelServer, sts: FakeStsSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # The gateway's own credentials: no call of a model may use them.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with stamina.set_testing(True, attempts=1, cap=True):
        bedrock = Bedrock(
            open_model_session(),
            ModelSessions(sts.open, role_arn="arn:aws:iam::1:role/models"),
            embedding_model="titan",
            dimension=768,
            embeddings_per_minute=60_000,
            embedding_tokens_per_minute=60_000_000,
        )
        yield bedrock
        bedrock.close()


async def test_each_call_is_signed_with_the_session_of_its_tenant(
    bedrock: Bedrock, server: ModelServer
) -> None:
    keys = [f"tenant-{number}" for number in range(8)]
    documents = [bedrock.embed([key] * 12, tenant_key=key) for key in keys]
    questions = [bedrock.embed_query(key, tenant_key=key, on_tokens=lambda _: None) for key in keys]
    await asyncio.gather(*documents, *questions)
    assert len(server.signers) == 8 * 13
    for text, key, token in server.signers:
        assert (key, token) == (f"key gateway-{text}", f"token gateway-{text}")


async def test_a_session_is_tagged_with_its_tenant(bedrock: Bedrock, sts: FakeStsSession) -> None:
    await bedrock.embed(["Text."] * 3, tenant_key="tenant-a")
    assert sts.assumed == [
        {
            "RoleArn": "arn:aws:iam::1:role/models",
            "RoleSessionName": "gateway-tenant-a",
            "Tags": [{"Key": "tenant", "Value": "tenant-a"}],
        }
    ]


async def test_a_rejected_session_is_replaced_once(
    bedrock: Bedrock, server: ModelServer, sts: FakeStsSession
) -> None:
    await bedrock.embed(["Text."], tenant_key="tenant-a")
    server.rejected_keys["key gateway-tenant-a"] = 1
    await bedrock.embed(["Text."], tenant_key="tenant-a")
    assert len(sts.assumed) == 2
    server.rejected_keys["key gateway-tenant-a"] = 2
    with pytest.raises(BackendRefused):
        await bedrock.embed(["Text."], tenant_key="tenant-a")


async def test_without_a_session_no_model_is_called(
    bedrock: Bedrock, server: ModelServer, sts: FakeStsSession
) -> None:
    sts.sts_fails = True
    with pytest.raises(BackendUnavailable, match="assume-role"):
        await bedrock.embed(["Text."], tenant_key="tenant-a")
    assert not server.signers


def test_a_call_outside_a_session_is_an_error(bedrock: Bedrock, server: ModelServer) -> None:
    with pytest.raises(LookupError):
        bedrock._embed_client.invoke_model(modelId="titan", body="{}")
    assert not server.signers
