"""Tests of answers from an OpenAI-compatible server: requests and errors."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from tenantry_local.standins.bedrock.errors import (
    BedrockError,
    ModelErrorException,
    ModelTimeoutException,
    ThrottlingException,
)
from tenantry_local.standins.bedrock.forward import ForwardClient
from typing_extensions import override

from tests.support.programs.standins import make_bedrock_client, run_bedrock


class FakeChatServer(ThreadingHTTPServer):
    """HTTP handler that gives the same response to every request, and records the requests."""

    status = 200
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Five million. [1]"}}]})
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatRequestHandler)
        self.requests: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/"


class ChatRequestHandler(BaseHTTPRequestHandler):
    server: FakeChatServer

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append((self.path, dict(self.headers), question))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    @override
    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def server() -> Iterator[FakeChatServer]:
    with FakeChatServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_conversation_is_forwarded(server: FakeChatServer) -> None:
    forward = ForwardClient(server.url, "small", SecretStr("sesame"))
    said = forward.complete(
        ["Be brief."], [("user", "What is the budget?")], {"maxTokens": 9, "stopSequences": ["x"]}
    )
    assert said == "Five million. [1]"
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sesame"
    assert body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is the budget?"},
        ],
        "max_tokens": 9,
    }


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, "{}", ThrottlingException),
        (500, "broken", ModelErrorException),
        (401, "who?", ModelErrorException),
        (200, "no json", ModelErrorException),
        (200, '{"choices": []}', ModelErrorException),
    ],
)
def test_errors_of_the_server_become_errors_of_bedrock(
    server: FakeChatServer, status: int, body: str, error: type[BedrockError]
) -> None:
    server.status, server.body = status, body
    with pytest.raises(error):
        ForwardClient(server.url, "small", SecretStr("")).complete([], [("user", "x")], {})


def test_an_unreachable_server_is_a_model_error(server: FakeChatServer) -> None:
    with pytest.raises(ModelErrorException, match="cannot be reached"):
        ForwardClient("http://127.0.0.1:9/v1", "small", SecretStr("")).complete([], [("user", "x")], {})


def test_a_server_that_does_not_answer_is_a_timeout(
    server: FakeChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry_local.standins.bedrock.forward.TIMEOUT_SECONDS", 0.05)
    held = threading.Event()
    monkeypatch.setattr(ChatRequestHandler, "do_POST", lambda _: held.wait(5))
    try:
        with pytest.raises(ModelTimeoutException):
            ForwardClient(server.url, "small", SecretStr("")).complete([], [("user", "x")], {})
    finally:
        held.set()


def test_with_a_url_set_the_stand_in_forwards(server: FakeChatServer) -> None:
    with run_bedrock(BEDROCK_FORWARD_URL=server.url, BEDROCK_FORWARD_API_KEY="sesame") as standin:
        client = make_bedrock_client(standin)
        said = client.converse(
            modelId="us.anthropic.claude-sonnet-4-6",
            messages=[{"role": "user", "content": [{"text": "What is the budget?"}]}],
        )
        client.close()
        assert "sesame" not in standin.log.read_text()
    assert said["output"]["message"]["content"] == [{"text": "Five million. [1]"}]
