"""What a page of Open WebUI makes of the events that it hears."""

from typing import Any

import pytest

from tests.bench.page import Said, _hear

SOURCE = {"source": {"id": "d"}, "document": ["x"], "metadata": [{"name": "a.md, page 2"}, {"name": "b.md"}]}


def heard(*events: dict[str, Any]) -> Said:
    said = Said(0.0)
    for at, event in enumerate(events, start=1):
        _hear(said, at, event)
    return said


def completion(**data: Any) -> dict[str, Any]:
    return {"type": "chat:completion", "data": data}


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param({"type": "source", "data": SOURCE}, id="of a pipe"),
        pytest.param(completion(sources=[SOURCE]), id="of its own RAG"),
    ],
)
def test_sources_are_known_by_their_files(sources: dict[str, Any]) -> None:
    assert heard({"type": "status", "data": {"done": True}}, sources).names == ["a.md", "b.md"]


@pytest.mark.parametrize(
    "words",
    [
        {"type": "response:completion", "data": {"delta": "So it"}},
        completion(choices=[{"delta": {"content": "So it"}}]),
        completion(output=[{"type": "message", "content": [{"type": "output_text", "text": "So it"}]}]),
    ],
)
def test_the_first_words_are_noted_once_and_the_end_tells_all(words: dict[str, Any]) -> None:
    said = heard(
        completion(choices=[{"delta": {}}]), words, words, completion(done=True, content="So it is.")
    )
    assert (said.first_at, said.first_words, said.text) == (2, "So it", "So it is.")
    assert said.seconds > 0


def test_an_error_is_no_answer() -> None:
    with pytest.raises(RuntimeError, match="no answer"):
        heard({"type": "chat:message:error", "data": {"error": "x"}})
