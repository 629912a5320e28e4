"""Tests of the chat client's handling of Open WebUI's events."""

from typing import Any

import pytest

from tests.bench.chat_client import ChatAnswer, _apply_event

SOURCE = {"source": {"id": "d"}, "document": ["x"], "metadata": [{"name": "a.md, page 2"}, {"name": "b.md"}]}


def apply_events(*events: dict[str, Any]) -> ChatAnswer:
    answer = ChatAnswer(0.0)
    for at, event in enumerate(events, start=1):
        _apply_event(answer, at, event)
    return answer


def make_completion(**data: Any) -> dict[str, Any]:
    return {"type": "chat:completion", "data": data}


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param({"type": "source", "data": SOURCE}, id="from-pipe"),
        pytest.param(make_completion(sources=[SOURCE]), id="from-built-in-rag"),
    ],
)
def test_sources_are_named_by_their_files(sources: dict[str, Any]) -> None:
    assert apply_events({"type": "status", "data": {"done": True}}, sources).names == ["a.md", "b.md"]


@pytest.mark.parametrize(
    "words",
    [
        {"type": "response:completion", "data": {"delta": "So it"}},
        make_completion(choices=[{"delta": {"content": "So it"}}]),
        make_completion(output=[{"type": "message", "content": [{"type": "output_text", "text": "So it"}]}]),
    ],
)
def test_the_first_words_are_recorded_once_and_the_last_event_has_the_text(words: dict[str, Any]) -> None:
    answer = apply_events(
        make_completion(choices=[{"delta": {}}]),
        words,
        words,
        make_completion(done=True, content="So it is."),
    )
    assert (answer.first_at, answer.first_words, answer.text) == (2, "So it", "So it is.")
    assert answer.seconds > 0


def test_an_error_event_raises() -> None:
    with pytest.raises(RuntimeError, match="no answer"):
        apply_events({"type": "chat:message:error", "data": {"error": "x"}})
