"""Tests of Converse: invalid requests, and length, guardrail and token counts of replies."""

from typing import Any

import pytest
from tenantry_local.standins.bedrock.converse import ChatModel, validate
from tenantry_local.standins.bedrock.errors import BedrockError, SerializationException, ValidationException
from tenantry_local.standins.bedrock.guardrails import BLOCKED_ANSWER, BLOCKED_QUESTION, Guardrails
from typing_extensions import override

MODEL = "us.anthropic.claude-sonnet-4-6"
PROMPT = (
    '<passage id="1" document="a">The budget of the zebra project is $5,000,000 for this year.</passage>'
    "<question>What is the budget?</question>"
)
GUARDRAIL = {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}


def make_turn(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": text} for text in texts]}


def make_chat_model(*words: str) -> ChatModel:
    return ChatModel(Guardrails(words), None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": []}, "A conversation must start with a user message."),
        ({"messages": [make_turn("x", role="assistant")]}, "A conversation must start with a user message."),
        ({"messages": [make_turn("x"), make_turn("y")]}, "must alternate between user and assistant roles"),
        ({"messages": [make_turn("x"), make_turn("y", role="assistant")]}, "must end with a user message"),
        ({"messages": [make_turn()]}, "The content field in the Message object at messages.0 is empty."),
        ({"messages": [make_turn("x", " \n")]}, "ContentBlock object at messages.0.content.1 is blank"),
        ({"messages": [make_turn("x", role="robot")]}, "satisfy enum value set: [user, assistant, system]"),
        ({"messages": [{"role": "user"}]}, "Value null at 'messages.1.member.content' failed"),
        (
            {"messages": [{"role": "user", "content": [{"text": "x", "image": {}}]}]},
            "Member must have exactly one field set",
        ),
        (
            {"messages": [make_turn("x")], "requestMetadata": dict.fromkeys(map(str, range(17)), "x")},
            "at 'requestMetadata' failed to satisfy constraint: Member must have length less than",
        ),
        (
            {"messages": [make_turn("x")], "requestMetadata": {"tenant": "ü"}},
            "at 'requestMetadata.tenant.member' failed to satisfy constraint: Member must satisfy regular",
        ),
        (
            {"messages": [make_turn("x")], "inferenceConfig": {"maxTokens": 0, "temperature": 1.5}},
            "greater than or equal to 1; Value '1.5' at 'inferenceConfig.temperature' failed",
        ),
        (
            {"messages": [make_turn("x")], "guardrailConfig": {"guardrailIdentifier": "No!"}},
            "Value 'No!' at 'guardrailConfig.guardrailIdentifier' failed",
        ),
    ],
)
def test_an_invalid_request_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        validate("Converse", MODEL, body)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": "x"},
        {"messages": [make_turn("x")], "inferenceConfig": {"maxTokens": "many"}},
        {"messages": [make_turn("x")], "inferenceConfig": {"maxTokens": True}},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(SerializationException):
        validate("Converse", MODEL, body)


def test_a_complete_request_is_accepted() -> None:
    validate(
        "ConverseStream",
        MODEL,
        {
            "messages": [make_turn("a"), make_turn("b", role="assistant"), make_turn("c")],
            "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            "inferenceConfig": {"maxTokens": 500, "temperature": 0, "stopSequences": ["x"]},
            "guardrailConfig": GUARDRAIL,
            "requestMetadata": {"tenant": "tenant-tenantb", "persona": "finance"},
            "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
        },
    )


def test_an_answer_has_its_token_counts() -> None:
    said = (
        make_chat_model()
        .reply({"system": [{"text": "Be brief."}], "messages": [make_turn(PROMPT)]})
        .to_response()
    )
    usage = said["usage"]
    assert said["output"]["message"]["content"][0]["text"].endswith("$5,000,000 for this year. [cite:1]")
    assert said["stopReason"] == "end_turn"
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 30


def test_an_answer_is_cut_at_the_maximum_of_tokens() -> None:
    said = make_chat_model().reply({"messages": [make_turn(PROMPT)], "inferenceConfig": {"maxTokens": 8}})
    assert said.stop_reason == "max_tokens"
    assert "The budget of the zebra project is".startswith(said.text)


def test_the_events_of_a_stream_make_up_the_answer() -> None:
    said = make_chat_model().reply({"messages": [make_turn(PROMPT)]})
    events = list(said.to_events())
    assert [name for name, _ in events if name != "contentBlockDelta"] == [
        "messageStart",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    pieces = [payload["delta"]["text"] for name, payload in events if name == "contentBlockDelta"]
    assert len(pieces) > 2
    assert "".join(pieces) == said.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("question",), None),
        (("BUDGET",), BLOCKED_QUESTION),
        (("bud",), None),
        ((), None),
    ],
)
def test_a_guardrail_blocks_a_question_by_whole_words(words: tuple[str, ...], said: str | None) -> None:
    prompt = make_turn("What is the budget?")
    reply = make_chat_model(*words).reply({"messages": [prompt], "guardrailConfig": GUARDRAIL})
    assert (reply.stop_reason == "guardrail_intervened") == (said is not None)
    assert said in (None, reply.text)


def test_a_guardrail_blocks_an_answer() -> None:
    class SecretRevealingModel(ChatModel):
        @override
        def _answer(self, *_: object) -> str:
            return "The launch code is 0000."

    reply = SecretRevealingModel(Guardrails(("launch code",)), None).reply(
        {"messages": [make_turn("Hello")], "guardrailConfig": GUARDRAIL}
    )
    assert (reply.stop_reason, reply.text) == ("guardrail_intervened", BLOCKED_ANSWER)


def test_without_a_guardrail_nothing_is_blocked() -> None:
    assert make_chat_model("budget").reply({"messages": [make_turn(PROMPT)]}).stop_reason == "end_turn"


def test_an_empty_guardrail_id_means_no_guardrail() -> None:
    body = {
        "messages": [make_turn(PROMPT)],
        "guardrailConfig": {"guardrailIdentifier": "", "guardrailVersion": ""},
    }
    validate("Converse", MODEL, body)
    assert make_chat_model("budget").reply(body).stop_reason == "end_turn"


def test_every_error_has_a_status() -> None:
    assert all(400 <= kind.status < 600 for kind in BedrockError.__subclasses__())
