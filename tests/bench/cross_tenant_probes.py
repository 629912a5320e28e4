"""Probes of the isolation between tenants: requests to Open WebUI with ids of another tenant.

A probe succeeds if its response contains words that only the other tenant's document has. The other tenant's
own users run the same probes, to show that the requests are valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.open_webui.clients import Person

__all__ = ["Probe", "ProbeTarget", "list_probes", "run_probes"]


@dataclass(frozen=True)
class ProbeTarget:
    """A tenant's document and the ids that lead to it.

    Parameters
    ----------
    filename, words
        Name and words of the document, which appear nowhere else.
    question
        A question whose answer contains ``words``.
    """

    knowledge_id: str
    file_id: str
    model: str
    filename: str
    words: str
    question: str


@dataclass(frozen=True)
class Probe:
    """A request: GET without a body, POST with one."""

    path: str
    body: Mapping[str, Any] | None = None


def list_probes(target: ProbeTarget, own_model: str) -> list[Probe]:
    """Return all probes of a user who may use ``own_model``."""
    file, knowledge = target.file_id, target.knowledge_id
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
    query = {"query": target.question, "k": 3}
    return [
        *(
            Probe(f"/api/v1/{path}")
            for path in (
                f"files/{file}",
                f"files/{file}/content",
                f"files/{file}/data/content",
                f"files/search?filename={target.filename}",
                f"knowledge/{knowledge}",
                f"knowledge/{knowledge}/files",
                f"knowledge/{knowledge}/export",
                f"knowledge/search/files?query={target.filename}",
                f"models/model?id={target.model}",
            )
        ),
        Probe("/api/v1/retrieval/query/collection", {"collection_names": [knowledge], **query}),
        Probe("/api/v1/retrieval/query/doc", {"collection_name": f"file-{file}", **query}),
        Probe(f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": file}),
        Probe("/api/chat/completions", _make_question(target, target.model)),
        *(Probe("/api/chat/completions", _make_question(target, own_model, item)) for item in items),
    ]


async def run_probes(person: Person, target: ProbeTarget, own_model: str) -> list[Probe]:
    """Run all probes as a user and return those that succeeded."""
    succeeded = []
    for probe in list_probes(target, own_model):
        if probe.body is None:
            response = await person.http.get(probe.path)
        else:
            response = await person.http.post(probe.path, json=probe.body)
        if response.is_success and (target.words in response.text or target.filename in response.text):
            succeeded.append(probe)
    return succeeded


def _make_question(target: ProbeTarget, model: str, *files: Mapping[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": target.question}]
    return {"model": model, "messages": messages, "stream": False, "files": [*files]}
