"""Converse and ConverseStream: validation of requests, replies and their stream events."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import extract_answer
from .embeddings import count_tokens
from .errors import ValidationException
from .forward import ForwardClient
from .guardrails import BLOCKED_ANSWER, BLOCKED_QUESTION, Guardrails
from .shapes import check_shape

__all__ = ["ChatModel", "Reply", "validate"]

WORDS_PER_EVENT = 3
"""Words per stream event."""


@dataclass(frozen=True)
class Reply:
    """Reply of the model, with its token counts."""

    text: str
    stop_reason: str
    input_tokens: int
    latency_ms: int

    def to_response(self) -> dict[str, Any]:
        """Return the body of Converse's response."""
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": self.text}]}},
            "stopReason": self.stop_reason,
            **self._build_usage(),
        }

    def to_events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ConverseStream's events: name and payload."""
        yield "messageStart", {"role": "assistant"}
        words = self.text.split(" ")
        for start in range(0, len(words), WORDS_PER_EVENT):
            piece = " ".join(words[start : start + WORDS_PER_EVENT])
            space = " " if start + WORDS_PER_EVENT < len(words) else ""
            yield "contentBlockDelta", {"delta": {"text": piece + space}, "contentBlockIndex": 0}
        yield "contentBlockStop", {"contentBlockIndex": 0}
        yield "messageStop", {"stopReason": self.stop_reason}
        yield "metadata", self._build_usage()

    def _build_usage(self) -> dict[str, Any]:
        out = count_tokens(self.text)
        total = self.input_tokens + out
        usage = {"inputTokens": self.input_tokens, "outputTokens": out, "totalTokens": total}
        return {"usage": usage, "metrics": {"latencyMs": self.latency_ms}}


class ChatModel:
    """Chat model that answers with quoted sentences or through another server.

    Parameters
    ----------
    guardrails
        Blocked words; they may change while the server runs.
    forward
        Client of the server that answers instead, or ``None``.
    """

    def __init__(self, guardrails: Guardrails, forward: ForwardClient | None) -> None:
        self._guardrails = guardrails
        self._forward = forward

    def reply(self, body: Mapping[str, Any]) -> Reply:
        """Return the reply to a request that :func:`validate` accepts.

        Raises
        ------
        BedrockError
            The forwarding server failed.
        """
        started = time.monotonic()
        system = [block["text"] for block in body.get("system") or [] if "text" in block]
        messages = [(message["role"], _join_text(message)) for message in body["messages"]]
        tokens = sum(count_tokens(text) for text in (*system, *(text for _, text in messages)))

        def make_reply(text: str, stop_reason: str) -> Reply:
            return Reply(text, stop_reason, tokens, round((time.monotonic() - started) * 1000))

        guarded = bool((body.get("guardrailConfig") or {}).get("guardrailIdentifier"))
        if guarded and self._guardrails.matches(messages[-1][1]):
            return make_reply(BLOCKED_QUESTION, "guardrail_intervened")
        text = self._answer(system, messages, body.get("inferenceConfig") or {})
        if guarded and self._guardrails.matches(text):
            return make_reply(BLOCKED_ANSWER, "guardrail_intervened")
        most = (body.get("inferenceConfig") or {}).get("maxTokens")
        if most and count_tokens(text) > most:
            return make_reply(_cut(text, most), "max_tokens")
        return make_reply(text, "end_turn")

    def _answer(
        self, system: list[str], messages: list[tuple[str, str]], inference: Mapping[str, Any]
    ) -> str:
        if self._forward:
            return self._forward.complete(system, messages, inference)
        return extract_answer(messages[-1][1])


def validate(operation: str, model: str, body: Mapping[str, Any]) -> None:
    """Validate a request of Converse or ConverseStream.

    Raises
    ------
    SerializationException, ValidationException
        Bedrock would reject the request.
    """
    check_shape(operation, {**body, "modelId": model})
    messages = body.get("messages") or []
    _validate_turns([message["role"] for message in messages])
    _validate_blocks(messages)


def _validate_turns(roles: Sequence[str]) -> None:
    if not roles or roles[0] != "user":
        raise ValidationException(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    if any(first == second for first, second in itertools.pairwise(roles)):
        raise ValidationException(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )
    if roles[-1] != "user":
        raise ValidationException(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _validate_blocks(messages: Sequence[Mapping[str, Any]]) -> None:
    for number, message in enumerate(messages):
        if not message["content"]:
            raise ValidationException(
                f"The content field in the Message object at messages.{number} is empty. Add a ContentBlock object to "
                "the content field and try again."
            )
        for index, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                raise ValidationException(
                    f"The text field in the ContentBlock object at messages.{number}.content.{index} is blank. Add "
                    "text to the text field, and try again."
                )


def _join_text(message: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, map(_get_block_text, message["content"])))


def _get_block_text(block: Mapping[str, Any]) -> str:
    guarded: str = block.get("guardContent", {}).get("text", {}).get("text", "")
    plain: str = block.get("text", guarded)
    return plain


def _cut(text: str, tokens: int) -> str:
    """Return the longest prefix of whole words that fits into ``tokens``."""
    words = text.split(" ")
    while len(words) > 1 and count_tokens(" ".join(words)) > tokens:
        words.pop()
    return " ".join(words)
