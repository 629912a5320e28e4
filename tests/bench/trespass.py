"""What somebody of another company can try who knows the ids: of a knowledge base, a file and a model.

Ids are typed into Open WebUI's API by hand. An attempt gives something when its answer holds words that stand
in the other company's document alone. Its own people try the same, to show which attempts are any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.open_webui import Person

__all__ = ["Attempt", "Prey", "attempts", "given"]


@dataclass(frozen=True)
class Prey:
    """A company's document and what leads to it.

    Parameters
    ----------
    filename, words
        They stand nowhere else.
    question
        It is answered by a sentence with ``words``.
    """

    knowledge_id: str
    file_id: str
    model: str
    filename: str
    words: str
    question: str


@dataclass(frozen=True)
class Attempt:
    """A request; it is a GET when there is no body."""

    path: str
    body: Mapping[str, Any] | None = None


def attempts(prey: Prey, own_model: str) -> list[Attempt]:
    """Return all that is tried, by somebody who may use ``own_model``."""
    file, knowledge = prey.file_id, prey.knowledge_id
    items: list[dict[str, Any]] = [
        {"type": "file", "id": file},
        {"type": "file", "id": file, "context": "full"},
        {"type": "file", "id": file, "legacy": True},
        {"type": "collection", "id": knowledge},
        {"type": "collection", "id": knowledge, "context": "full"},
        {"type": "collection", "id": knowledge, "legacy": True, "collection_names": [knowledge]},
        {"type": "text", "collection_name": knowledge},
        {"type": "text", "collection_name": f"file-{file}"},
        {"collection_name": knowledge},
        {"collection_names": [knowledge, f"file-{file}"]},
    ]
    query = {"query": prey.question, "k": 3}
    return [
        *(
            Attempt(f"/api/v1/{path}")
            for path in (
                f"files/{file}",
                f"files/{file}/content",
                f"files/{file}/data/content",
                f"files/search?filename={prey.filename}",
                f"knowledge/{knowledge}",
                f"knowledge/{knowledge}/files",
                f"knowledge/{knowledge}/export",
                f"knowledge/search/files?query={prey.filename}",
                f"models/model?id={prey.model}",
            )
        ),
        Attempt("/api/v1/retrieval/query/collection", {"collection_names": [knowledge], **query}),
        Attempt("/api/v1/retrieval/query/doc", {"collection_name": f"file-{file}", **query}),
        Attempt(f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": file}),
        Attempt("/api/chat/completions", _question(prey, prey.model)),
        *(Attempt("/api/chat/completions", _question(prey, own_model, item)) for item in items),
    ]


async def given(person: Person, prey: Prey, own_model: str) -> list[Attempt]:
    """Try everything as a person; return the attempts that gave something."""
    gave = []
    for attempt in attempts(prey, own_model):
        if attempt.body is None:
            response = await person.http.get(attempt.path)
        else:
            response = await person.http.post(attempt.path, json=attempt.body)
        if response.is_success and (prey.words in response.text or prey.filename in response.text):
            gave.append(attempt)
    return gave


def _question(prey: Prey, model: str, *files: Mapping[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": prey.question}]
    return {"model": model, "messages": messages, "stream": False, "files": [*files]}
