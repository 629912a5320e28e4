"""Converse and ConverseStream: requests checked as Bedrock checks them, answers and their events."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx

from .answers import answer
from .embeddings import count_tokens
from .errors import ValidationException

__all__ = ["Reply", "reply", "stream_events"]

MAX_METADATA = 16
FORWARD_SECONDS = 120


@dataclass(frozen=True)
class Reply:
    """What the model said, and what it cost."""

    text: str
    stop_reason: str
    input_tokens: int
    latency_ms: int

    def usage(self) -> dict[str, int]:
        """Return the usage block."""
        out = count_tokens(self.text)
        return {"inputTokens": self.input_tokens, "outputTokens": out, "totalTokens": self.input_tokens + out}

    def to_response(self) -> dict[str, Any]:
        """Return the body of Converse's response."""
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": self.text}]}},
            "stopReason": self.stop_reason,
            "usage": self.usage(),
            "metrics": {"latencyMs": self.latency_ms},
        }


def reply(body: dict[str, Any], *, blocked_words: frozenset[str]) -> Reply:
    """Answer a Converse request.

    Raises
    ------
    ValidationException
        The request is not one that Bedrock takes.
    """
    _check(body)
    started = time.monotonic()
    prompt = _text(body["messages"][-1])
    spoken = [*(block.get("text", "") for block in body.get("system", [])), *map(_text, body["messages"])]
    tokens = sum(count_tokens(text) for text in spoken if text)
    if "guardrailConfig" in body and any(word in prompt.casefold() for word in blocked_words):
        return Reply("Sorry, the model cannot answer this question.", "guardrail_intervened", tokens, 1)
    forward = os.environ.get("BEDROCK_FORWARD_URL")
    text = _forward(forward, body) if forward else answer(prompt)
    return Reply(text, "end_turn", tokens, int((time.monotonic() - started) * 1000))


def stream_events(said: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of ConverseStream: name and payload, the text in pieces of a few words."""
    yield "messageStart", {"role": "assistant"}
    words = said.text.split(" ")
    for start in range(0, len(words), 3):
        piece = " ".join(words[start : start + 3]) + (" " if start + 3 < len(words) else "")
        yield "contentBlockDelta", {"delta": {"text": piece}, "contentBlockIndex": 0}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": said.stop_reason}
    yield "metadata", {"usage": said.usage(), "metrics": {"latencyMs": said.latency_ms}}


def _check(body: dict[str, Any]) -> None:
    messages = body.get("messages") or []
    roles = [message.get("role") for message in messages]
    if not roles or roles[0] != "user":
        raise ValidationException(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        )
    if any(first == second for first, second in pairwise(roles)):
        raise ValidationException(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again."
        )
    if any(block.get("text", "x").strip() == "" for message in messages for block in message["content"]):
        raise ValidationException(
            "The text field in the ContentBlock object is blank. Add text to the text field, and try again."
        )
    if len(body.get("requestMetadata", {})) > MAX_METADATA:
        raise ValidationException("The number of requestMetadata entries must be at most 16.")


def _text(message: dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in message["content"] if "text" in block)


def _forward(url: str, body: dict[str, Any]) -> str:
    """Let an OpenAI-compatible server write the answer."""
    system = [{"role": "system", "content": block["text"]} for block in body.get("system", [])]
    messages = [{"role": each["role"], "content": _text(each)} for each in body["messages"]]
    request = {"model": os.environ.get("BEDROCK_FORWARD_MODEL", "default"), "messages": [*system, *messages]}
    answered = httpx.post(f"{url.rstrip('/')}/chat/completions", json=request, timeout=FORWARD_SECONDS)
    answered.raise_for_status()
    return str(answered.json()["choices"][0]["message"]["content"])
