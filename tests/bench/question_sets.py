"""Question sets for measurements of retrieval: documents, and questions with one answering document each.

The sample set in ``samples`` has papers of an invented company, some of them similar, and questions of three
kinds. The larger set is XQuAD's English articles; its licence (CC BY-SA) does not allow shipping the file.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

__all__ = ["XQUAD", "BenchQuestion", "QuestionSet", "read_samples", "read_xquad"]

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).parent / "samples"
QUESTIONS = SAMPLES / "questions.yaml"

XQUAD = Path(os.environ.get("TENANTRY_XQUAD") or ROOT.parent / "shared" / "data" / "xquad-en-16.json")
"""Path of XQuAD, which may be absent."""


@dataclass(frozen=True)
class BenchQuestion:
    """A question, and the document that answers it.

    Parameters
    ----------
    kind
        ``exact``, ``paraphrase`` or ``near``, as ``questions.yaml`` explains; empty if the set has no kinds.
    answer
        Words of the document that answer it; empty if the set has no answers.
    """

    text: str
    document: str
    kind: str = ""
    answer: str = ""


@dataclass(frozen=True)
class QuestionSet:
    """Documents by their filenames, and questions about them."""

    name: str
    documents: dict[str, str]
    questions: list[BenchQuestion]

    @property
    def kinds(self) -> list[str]:
        """Return the sorted kinds of the questions; empty if they have no kinds."""
        return sorted({question.kind for question in self.questions} - {""})


def read_samples() -> QuestionSet:
    """Return the sample set."""
    documents = {file.name: file.read_text() for file in sorted(SAMPLES.iterdir()) if file != QUESTIONS}
    questions = [
        BenchQuestion(text, document, kind, answer)
        for document, kinds in yaml.safe_load(QUESTIONS.read_text()).items()
        for kind, asked in kinds.items()
        for text, answer in asked.items()
    ]
    return QuestionSet("own samples", documents, questions)


def read_xquad() -> QuestionSet | None:
    """Return XQuAD with a document per paragraph; ``None`` if the file is absent."""
    if not XQUAD.exists():
        return None
    articles = json.loads(XQUAD.read_text())["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    documents = {f"{n}.txt": paragraph["context"] for n, paragraph in enumerate(paragraphs)}
    questions = [
        BenchQuestion(asked["question"], f"{n}.txt")
        for n, paragraph in enumerate(paragraphs)
        for asked in paragraph["qas"]
    ]
    return QuestionSet("XQuAD", documents, questions)
