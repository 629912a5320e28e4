"""Tests of the running stand-in through boto3: wire format, statuses, streams, faults and limits."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from botocore.exceptions import ClientError, EventStreamError
from tenantry_local.standins.bedrock.app import SLOW_STREAM_DELAY_SECONDS
from tenantry_local.standins.bedrock.embeddings import embed, project

from tests.support.programs.standins import Standin, make_bedrock_client

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CHAT = "us.anthropic.claude-sonnet-4-6"
TITAN = "amazon.titan-embed-text-v2:0"
PROMPT = (
    '<passage id="1" document="Budget.md">The budget is $5,000,000 for 2025.</passage>'
    "<question>What is the budget?</question>"
)


def converse(client: "BedrockRuntimeClient", text: str = PROMPT, model: str = CHAT, **more: Any) -> Any:
    return client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": text}]}], **more)


def stream(client: "BedrockRuntimeClient") -> Iterator[Any]:
    messages: Any = [{"role": "user", "content": [{"text": PROMPT}]}]
    with closing(client.converse_stream(modelId=CHAT, messages=messages)["stream"]) as events:
        yield from events


def get_embedding(client: "BedrockRuntimeClient", text: str = "a budget") -> Any:
    return client.invoke_model(modelId=TITAN, body=json.dumps({"inputText": text}))


def configure(standin: Standin, what: str, **body: Any) -> None:
    httpx.put(f"{standin.url}/standin/{what}", json=body).raise_for_status()


def get_failure(call: Any, *arguments: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments)
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


def test_an_embedding_is_the_same_in_every_process(bedrock: "BedrockRuntimeClient") -> None:
    response = get_embedding(bedrock)
    vector = json.loads(response["body"].read())["embedding"]
    np.testing.assert_allclose(vector, project(embed(["a budget"]), 1024)[0], atol=1e-7)
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == "2"
    assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0
    assert response["contentType"] == "application/json"


def test_an_answer_is_grounded_and_counted(bedrock: "BedrockRuntimeClient") -> None:
    said = converse(bedrock)
    assert said["output"]["message"] == {
        "role": "assistant",
        "content": [{"text": "The budget is $5,000,000 for 2025. [cite:1]"}],
    }
    assert said["stopReason"] == "end_turn"
    assert said["usage"]["totalTokens"] == said["usage"]["inputTokens"] + said["usage"]["outputTokens"]
    assert said["metrics"]["latencyMs"] >= 0
    assert said["ResponseMetadata"]["RequestId"]


def test_a_stream_has_the_same_text_as_converse(bedrock: "BedrockRuntimeClient") -> None:
    events: list[Any] = list(stream(bedrock))
    text = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event
    )
    said = converse(bedrock)
    assert text == said["output"]["message"]["content"][0]["text"]
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert events[-1]["metadata"]["usage"] == said["usage"]


def test_an_arn_is_accepted_as_a_model_id(bedrock: "BedrockRuntimeClient") -> None:
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CHAT}"
    assert converse(bedrock, model=arn)["stopReason"] == "end_turn"


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("anthropic.claude-sonnet-4-6", "ValidationException", 400),
        ("nonsense", "ValidationException", 400),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "ResourceNotFoundException", 404),
    ],
)
def test_a_model_that_does_not_serve_is_refused(
    bedrock: "BedrockRuntimeClient", model: str, code: str, status: int
) -> None:
    assert get_failure(converse, bedrock, PROMPT, model)[:2] == (code, status)


def test_an_error_has_its_type_in_the_header(standin: Standin) -> None:
    answer = httpx.post(
        f"{standin.url}/model/nonsense/converse", json={}, headers={"authorization": "AWS4-HMAC-SHA256 x"}
    )
    assert answer.headers["x-amzn-errortype"].startswith("ValidationException:")
    assert answer.json() == {"message": "The provided model identifier is invalid."}


@pytest.mark.parametrize(
    "path", [f"model/{CHAT}/converse", f"model/{TITAN}/invoke", "guardrail/g/version/1/apply"]
)
def test_an_unsigned_request_is_refused(standin: Standin, path: str) -> None:
    answer = httpx.post(f"{standin.url}/{path}", json={})
    assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.headers["x-amzn-errortype"].startswith("MissingAuthenticationTokenException")


@pytest.mark.parametrize("raw", [b"{", b"[]"])
def test_a_body_that_is_no_object_is_refused(standin: Standin, raw: bytes) -> None:
    url = f"{standin.url}/model/{CHAT}/converse"
    answer = httpx.post(url, content=raw, headers={"authorization": "AWS4-HMAC-SHA256 x"})
    assert answer.status_code == 400
    assert answer.headers["x-amzn-errortype"].startswith("SerializationException")


def test_an_operation_that_is_not_served_is_named(standin: Standin) -> None:
    answer = httpx.get(f"{standin.url}/async-invoke")
    assert (answer.status_code, answer.json()["message"]) == (
        404,
        "This stand-in does not serve GET /async-invoke",
    )


def test_a_guardrail_reports_the_blocked_words(bedrock: "BedrockRuntimeClient") -> None:
    def apply(text: str) -> Any:
        return bedrock.apply_guardrail(
            guardrailIdentifier="gr1",
            guardrailVersion="DRAFT",
            source="INPUT",
            content=[{"text": {"text": text}}],
        )

    passed, stopped = apply("What is the budget?"), apply("What is the Launch Code?")
    assert (passed["action"], passed["outputs"]) == ("NONE", [])
    assert stopped["action"] == "GUARDRAIL_INTERVENED"
    assert stopped["outputs"][0]["text"]
    assert stopped["assessments"][0]["wordPolicy"]["customWords"][0]["match"] == "launch code"
    assert stopped["usage"]["wordPolicyUnits"] == 1


def test_converse_applies_its_guardrail(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    guardrail = {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}
    said = converse(bedrock, "Where is the zebra?", guardrailConfig=guardrail)
    assert said["stopReason"] == "guardrail_intervened"
    configure(standin, "guardrails", words=["tiger"])
    said = converse(bedrock, "Where is the zebra?", guardrailConfig=guardrail)
    assert said["stopReason"] == "end_turn"
    configure(standin, "guardrails", words=["launch code", "zebra"])


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttle", "ThrottlingException", 429),
        ("unavailable", "ServiceUnavailableException", 503),
        ("timeout", "ModelTimeoutException", 408),
        ("modelerror", "ModelErrorException", 424),
        ("internal", "InternalServerException", 500),
    ],
)
def test_faults_occur_as_often_as_configured(
    standin: Standin, bedrock: "BedrockRuntimeClient", fault: str, code: str, status: int
) -> None:
    configure(standin, "faults", operation="Converse", fault=fault, times=2)
    get_embedding(bedrock)
    assert [get_failure(converse, bedrock)[:2] for _ in range(2)] == [(code, status)] * 2
    assert converse(bedrock)["stopReason"] == "end_turn"


def test_a_fault_header_affects_only_its_request(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    faulty = make_bedrock_client(standin, x_standin_fault="throttle:0.2")
    started = time.monotonic()
    assert get_failure(get_embedding, faulty)[0] == "ThrottlingException"
    assert time.monotonic() - started >= 0.2
    faulty.close()
    get_embedding(bedrock)
    wrong = make_bedrock_client(standin, x_standin_fault="flood")
    assert "flood is none of throttle" in get_failure(get_embedding, wrong)[2]
    wrong.close()


def test_a_delay_causes_no_error(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    configure(standin, "faults", fault="delay", delay=0.3)
    started = time.monotonic()
    assert converse(bedrock)["stopReason"] == "end_turn"
    assert time.monotonic() - started >= 0.3


def test_a_stream_can_be_slow(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    configure(standin, "faults", operation="ConverseStream", fault="streamslow")
    started = time.monotonic()
    events = list(stream(bedrock))
    assert time.monotonic() - started >= SLOW_STREAM_DELAY_SECONDS * len(events)


def test_a_stream_can_break_in_the_middle(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    configure(standin, "faults", operation="ConverseStream", fault="streamerror")
    seen: list[Any] = []
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        seen.extend(stream(bedrock))
    configure(standin, "faults", operation="ConverseStream", fault="streamcut")
    cut: list[Any] = []
    with pytest.raises(Exception, match=r"Connection broken|ended prematurely|IncompleteRead"):
        cut.extend(stream(bedrock))
    assert [list(event) for event in cut] == [["messageStart"], ["contentBlockDelta"]]


def test_requests_above_a_limit_are_throttled(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    configure(standin, "limits", operation="InvokeModel", requestsPerMinute=2)
    get_embedding(bedrock)
    get_embedding(bedrock)
    assert get_failure(get_embedding, bedrock)[:2] == ("ThrottlingException", 429)
    assert converse(bedrock)["stopReason"] == "end_turn"
    httpx.delete(f"{standin.url}/standin/faults")
    get_embedding(bedrock)


def test_calls_are_recorded_with_their_metadata(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    converse(bedrock, requestMetadata={"tenant": "tenant-tenantb"})
    get_embedding(bedrock)
    calls = httpx.get(f"{standin.url}/standin/calls").json()
    assert [(call["operation"], call["model"], call["requestMetadata"]) for call in calls] == [
        ("Converse", CHAT, {"tenant": "tenant-tenantb"}),
        ("InvokeModel", TITAN, {}),
    ]


def test_no_prompt_is_logged(standin: Standin, bedrock: "BedrockRuntimeClient") -> None:
    converse(bedrock)
    assert "5,000,000" not in standin.log.read_text()
