"""Tests of the Bedrock adapter: requests (validated by botocore's API model), errors and fairness."""

import asyncio
import io
import json
import math
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import stamina
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from gateway.bedrock import INGEST_CONCURRENCY, Bedrock, ModelReply, Prompt, truncate_embedding
from gateway.model_sessions import ModelSessions
from gateway.problems import ModelUnavailable
from hypothesis import given
from hypothesis import strategies as st
from servicekit.errors import BackendRefused, BackendUnavailable
from servicekit.token_bucket import BURST_SECONDS, TokenBucket
from tenancy.model import Guardrail

from tests.support.fakes.sts import FakeStsSession
from tests.support.timing.clock import ManualClock

TITAN = "amazon.titan-embed-text-v2:0"
TOKENS_PER_MINUTE = 60_000
EMBEDDING = [3.0, 4.0, *([0.0] * 1022)]


@pytest.fixture
def bedrock() -> Iterator[Bedrock]:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    sessions = ModelSessions(FakeStsSession().open, role_arn="arn:role")
    with stamina.set_testing(True, attempts=2, cap=True):
        bedrock = Bedrock(
            session,
            sessions,
            embedding_model=TITAN,
            dimension=768,
            embeddings_per_minute=60_000,
            embedding_tokens_per_minute=TOKENS_PER_MINUTE,
        )
        yield bedrock
        bedrock.close()


@pytest.fixture
def embed_stubber(bedrock: Bedrock) -> Iterator[Stubber]:
    with Stubber(bedrock._embed_client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def converse_stubber(bedrock: Bedrock) -> Iterator[Stubber]:
    words = [{"contentBlockDelta": {"delta": {"text": word}}} for word in ("It is ", "$5 [1].")]
    cost = {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}}}

    def add_stream(parsed: dict[str, Any], **_: Any) -> None:
        # A hook, because the stubber does not support event streams.
        if "Error" not in parsed:
            parsed["stream"] = FakeEventStream([{"messageStart": {"role": "assistant"}}, *words, cost])

    bedrock._converse_client.meta.events.register("after-call.bedrock-runtime.ConverseStream", add_stream)
    with Stubber(bedrock._converse_client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def make_embedding_response() -> dict[str, Any]:
    content = json.dumps({"embedding": EMBEDDING, "inputTextTokenCount": 3}).encode()
    return {"body": StreamingBody(io.BytesIO(content), len(content)), "contentType": "application/json"}


class FakeEventStream(list[Any]):
    """Fake of botocore's event stream."""

    def close(self) -> None:
        pass


def make_request(**more: Any) -> dict[str, Any]:
    return {
        "modelId": "the-model",
        "system": [{"text": "Rules."}],
        "messages": [{"role": "user", "content": [{"text": "Prompt."}]}],
        "inferenceConfig": {"maxTokens": 100},
        "requestMetadata": {"tenant": "tenant-tenanta"},
        **more,
    }


async def converse(bedrock: Bedrock, guardrail: Guardrail | None = None) -> ModelReply:
    return await bedrock.converse(
        Prompt(
            model="the-model",
            system="Rules.",
            text="Prompt.",
            max_tokens=100,
            tenant_key="tenant-tenanta",
            guardrail=guardrail or Guardrail(),
        )
    )


@given(
    st.lists(st.floats(-1, 1), min_size=8, max_size=16).filter(
        lambda numbers: math.hypot(*numbers[:8]) > 1e-6
    )
)
def test_a_truncated_vector_has_length_one_and_keeps_its_direction(embedding: list[float]) -> None:
    truncated = truncate_embedding(embedding, 8)
    assert math.isclose(math.hypot(*truncated), 1.0)
    length = math.hypot(*embedding[:8])
    assert all(
        math.isclose(a, b / length, abs_tol=1e-12) for a, b in zip(truncated, embedding[:8], strict=True)
    )


@pytest.mark.parametrize(
    "embedding", [pytest.param([0.5] * 3, id="too-short"), pytest.param([0.0] * 9, id="zeros")]
)
def test_truncating_a_short_or_zero_vector_fails(embedding: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot be truncated to 8"):
        truncate_embedding(embedding, 8)


async def test_an_embedding_of_1024_is_truncated_to_768(bedrock: Bedrock, embed_stubber: Stubber) -> None:
    body = json.dumps({"inputText": "Text.", "dimensions": 1024, "normalize": True})
    embed_stubber.add_response("invoke_model", make_embedding_response(), {"modelId": TITAN, "body": body})
    tokens: list[int] = []
    (vector,) = await bedrock.embed(["Text."], on_tokens=tokens.append, tenant_key="tenant-a")
    assert tokens == [3]
    assert len(vector) == 768
    assert vector[:2] == [0.6, 0.8]


async def test_vectors_have_the_order_of_the_texts(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(body: str) -> dict[str, Any]:
        number = float(json.loads(body)["inputText"])
        return {"embedding": [number, 1.0, *[0.0] * 1022], "inputTextTokenCount": 1}

    monkeypatch.setattr(bedrock, "_invoke", invoke)
    vectors = await bedrock.embed([str(number) for number in range(50)], tenant_key="tenant-a")
    assert [round(vector[0] / vector[1]) for vector in vectors] == list(range(50))


async def test_embeddings_of_tenants_are_served_round_robin(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def invoke(body: str) -> dict[str, Any]:
        order.append(json.loads(body)["inputText"])
        return {"embedding": EMBEDDING, "inputTextTokenCount": 1}

    monkeypatch.setattr(bedrock, "_invoke", invoke)
    large = asyncio.create_task(bedrock.embed(["large"] * 300, tenant_key="tenant-a"))
    await asyncio.sleep(0)
    await bedrock.embed(["small"], tenant_key="tenant-b")
    assert not large.done()
    await large
    assert order.index("small") <= 2 * INGEST_CONCURRENCY


async def measure_wait(bedrock: Bedrock, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> float:
    """Return the seconds for which the embeddings of texts wait for a quota."""
    waits = [0.0]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("servicekit.token_bucket.asyncio.sleep", sleep)
    await bedrock.embed(texts, tenant_key="tenant-a")
    return max(waits)


def fake_tokens(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    """Answer each embedding with a number of tokens, and stop the clock of their quota."""
    monkeypatch.setattr(bedrock, "_tokens", TokenBucket(TOKENS_PER_MINUTE, ManualClock()))
    reply = {"embedding": EMBEDDING, "inputTextTokenCount": tokens}
    monkeypatch.setattr(bedrock, "_invoke", lambda _: reply)


async def test_documents_wait_for_the_quota_of_tokens(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tokens(bedrock, monkeypatch, 1000)
    burst = int(TOKENS_PER_MINUTE / 60 * BURST_SECONDS / 1000)
    text = "x" * 3000
    assert await measure_wait(bedrock, [text] * burst, monkeypatch) == 0
    assert await measure_wait(bedrock, [text] * 5, monkeypatch) == pytest.approx(5, abs=0.5)


async def test_the_quota_counts_the_tokens_that_the_model_reports(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the estimate, so three times as many texts fit."""
    fake_tokens(bedrock, monkeypatch, 333)
    for _ in range(25):
        assert await measure_wait(bedrock, ["x" * 3000], monkeypatch) == 0


async def test_questions_count_and_do_not_wait(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tokens(bedrock, monkeypatch, 1000)
    text = "x" * 3000
    for _ in range(20):
        await bedrock.embed_query(text, tenant_key="tenant-a", on_tokens=lambda _: None)
    assert await measure_wait(bedrock, [text], monkeypatch) == pytest.approx(11, abs=0.5)


async def test_a_request_has_the_tenant_key(bedrock: Bedrock, converse_stubber: Stubber) -> None:
    converse_stubber.add_response("converse_stream", {}, make_request())
    assert await converse(bedrock) == ModelReply("It is $5 [1].", "the-model", 7, 3)


@pytest.mark.parametrize(("version", "sent"), [("2", "2"), ("", "DRAFT")])
async def test_the_tenants_guardrail_is_applied(
    bedrock: Bedrock, converse_stubber: Stubber, version: str, sent: str
) -> None:
    config = {"guardrailIdentifier": "abc123", "guardrailVersion": sent}
    converse_stubber.add_response("converse_stream", {}, make_request(guardrailConfig=config))
    await converse(bedrock, Guardrail(id="abc123", version=version))


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        pytest.param(
            "ResourceNotFoundException",
            404,
            "This model version has reached the end of its life.",
            id="retired",
        ),
        pytest.param("ValidationException", 400, "The provided model identifier is invalid.", id="unknown"),
        pytest.param(
            "ValidationException",
            400,
            "Invocation of x with on-demand throughput isn't supported.",
            id="profile",
        ),
        pytest.param("AccessDeniedException", 403, "You don't have access to the model.", id="not-granted"),
    ],
)
async def test_an_unavailable_model_is_an_error_with_a_remedy(
    bedrock: Bedrock, converse_stubber: Stubber, code: str, status: int, message: str
) -> None:
    converse_stubber.add_client_error("converse_stream", code, message, status)
    with pytest.raises(ModelUnavailable, match=r"the-model.*spec\.model\.chat") as caught:
        await converse(bedrock)
    assert caught.value.to_problem()["model"] == "the-model"


async def test_a_throttled_call_is_retried(bedrock: Bedrock, embed_stubber: Stubber) -> None:
    embed_stubber.add_client_error("invoke_model", "ThrottlingException", "Too many requests", 429)
    embed_stubber.add_response("invoke_model", make_embedding_response(), {"modelId": TITAN, "body": ANY})
    assert len(await bedrock.embed(["Text."], tenant_key="tenant-a")) == 1


async def test_repeated_throttling_is_unavailable(bedrock: Bedrock, embed_stubber: Stubber) -> None:
    for _ in range(2):
        embed_stubber.add_client_error("invoke_model", "ThrottlingException", "Too many requests", 429)
    with pytest.raises(BackendUnavailable):
        await bedrock.embed(["Text."], tenant_key="tenant-a")


async def test_a_refused_text_is_not_retried(bedrock: Bedrock, embed_stubber: Stubber) -> None:
    embed_stubber.add_client_error("invoke_model", "ValidationException", "Too many input tokens.", 400)
    with pytest.raises(BackendRefused):
        await bedrock.embed(["Text."], tenant_key="tenant-a")
