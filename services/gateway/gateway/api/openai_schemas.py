"""Schemas of the routes that are compatible with OpenAI. Unknown fields are ignored."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from servicekit.errors import InvalidRequest
from tenancy.model import Tenant

from ..answers.sanitizer import AnswerFormat
from ..answers.service import Answer, Question
from ..bedrock import Turn
from .schemas import (
    EXAMPLE_ANSWER,
    EXAMPLE_CITATION,
    MAX_QUESTION_CHARACTERS,
    CitationResponse,
    PersonaId,
    configure_examples,
)

__all__ = [
    "EXAMPLE_HEAD",
    "ChatCompletion",
    "ChatCompletionRequest",
    "ModelList",
    "build_chunk",
    "build_openai_error",
]

MAX_MESSAGES = 200

EXAMPLE_HEAD = {"id": "chatcmpl-4f0c8a0e6d5b4f3c", "created": 1763596800, "model": "finance"}
_EXAMPLE_MODEL = {
    "id": "finance",
    "object": "model",
    "created": 1763596800,
    "owned_by": "tenant-acme",
    "name": "Finance",
}


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(_Shape):
    """Part of a message; only parts of type ``text`` are used."""

    type: str
    text: str = ""


class Message(_Shape):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def plain_text(self) -> str:
        """All text of the message."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text").strip()
        return (self.content or "").strip()


class StreamOptions(_Shape):
    """Optional contents of a stream."""

    include_usage: StrictBool = False


class ChatCompletionRequest(_Shape):
    """A chat whose last message is a question to a persona."""

    model_config = configure_examples(
        {
            "model": "finance",
            "messages": [{"role": "user", "content": "What is the marketing budget for 2026?"}],
        }
    )

    model: PersonaId
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: StrictBool = False
    stream_options: StreamOptions | None = None

    def to_question(self) -> Question:
        """Return the question with its history.

        Raises
        ------
        InvalidRequest
            The last message is not the user's, has no text, or is too long.
        """
        last = self.messages[-1]
        if last.role != "user" or not 0 < len(last.plain_text) <= MAX_QUESTION_CHARACTERS:
            raise InvalidRequest(
                "The last of `messages` must be the user's, with text of at most "
                f"{MAX_QUESTION_CHARACTERS} characters."
            )
        history = [
            Turn("user" if message.role == "user" else "assistant", message.plain_text)
            for message in self.messages[:-1]
            if message.role in ("user", "assistant")
        ]
        return Question(last.plain_text, self.model, history, AnswerFormat.MARKDOWN)


class OpenAIModel(_Shape):
    """A persona in the form of OpenAI's model object."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    name: str


class ModelList(_Shape):
    """All personas of a tenant in the form of OpenAI's list of models."""

    model_config = configure_examples({"object": "list", "data": [_EXAMPLE_MODEL]})

    object: Literal["list"] = "list"
    data: list[OpenAIModel]

    @classmethod
    def from_tenant(cls, tenant: Tenant) -> Self:
        """Return the personas of a tenant."""
        made = tenant.metadata.creation_timestamp
        return cls(
            data=[
                OpenAIModel(
                    id=persona.id,
                    created=int(made.timestamp()) if made else 0,
                    owned_by=tenant.key,
                    name=persona.display_name or persona.id,
                )
                for persona in tenant.spec.personas
            ]
        )


class CompletionUsage(_Shape):
    """Input and output tokens of the model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def from_answer(cls, answer: Answer) -> Self:
        """Return the tokens of an answer."""
        read, wrote = answer.input_tokens, answer.output_tokens
        return cls(prompt_tokens=read, completion_tokens=wrote, total_tokens=read + wrote)


class AssistantMessage(_Shape):
    """Message with the answer; ``citations`` is an extension of OpenAI's schema."""

    role: Literal["assistant"] = "assistant"
    content: str
    citations: list[CitationResponse]


class Choice(_Shape):
    """The only choice of a completion."""

    index: Literal[0] = 0
    message: AssistantMessage
    finish_reason: Literal["stop"] = "stop"


class ChatCompletion(_Shape):
    """An answer in the form of OpenAI's chat completion."""

    model_config = configure_examples(
        {
            **EXAMPLE_HEAD,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": EXAMPLE_ANSWER["answer"],
                        "citations": [EXAMPLE_CITATION],
                    },
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 913, "completion_tokens": 18, "total_tokens": 931},
        }
    )

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage

    @classmethod
    def from_answer(cls, head: dict[str, Any], answer: Answer) -> Self:
        """Return the completion for an answer; ``head`` holds its id, time and model."""
        message = AssistantMessage(content=answer.text, citations=CitationResponse.list_from_answer(answer))
        return cls(**head, choices=[Choice(message=message)], usage=CompletionUsage.from_answer(answer))


def build_chunk(
    head: dict[str, Any], delta: dict[str, Any] | None, *, answer: Answer | None = None
) -> dict[str, Any]:
    """Return one piece of a stream.

    Parameters
    ----------
    head
        Id, time and model.
    delta
        New content; ``None`` for the final piece with the usage.
    answer
        The whole answer, at the end.
    """
    base = {**head, "object": "chat.completion.chunk"}
    if delta is None:
        return {
            **base,
            "choices": [],
            "usage": CompletionUsage.from_answer(answer).model_dump() if answer else None,
        }
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if answer else None}
    if answer is None:
        return {**base, "choices": [choice]}
    citations = [citation.model_dump(by_alias=True) for citation in CitationResponse.list_from_answer(answer)]
    return {**base, "choices": [choice], "citations": citations}


def build_openai_error(problem: dict[str, Any]) -> dict[str, Any]:
    """Return a problem document in OpenAI's shape."""
    slug = str(problem["type"]).rpartition("/")[2]
    by_status = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = by_status.get(
        problem["status"], "invalid_request_error" if problem["status"] < 500 else "server_error"
    )
    return {"error": {"message": problem["detail"], "type": kind, "param": None, "code": slug}}
