"""What retrieval is measured with: documents, and questions whose answer stands in one of them.

Our own set is the files of ``samples``: one invented company's papers, some of which differ in little, and
questions that say of what kind they are. XQuAD's English articles are the larger set; its file is not ours
to ship (CC BY-SA).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

__all__ = ["XQUAD", "Question", "QuestionSet", "read_own", "read_xquad"]

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).parent / "samples"
QUESTIONS = SAMPLES / "questions.yaml"

XQUAD = Path(os.environ.get("TENANTRY_XQUAD") or ROOT.parent / "shared" / "data" / "xquad-en-16.json")
"""Where XQuAD is looked for; it may be absent."""


@dataclass(frozen=True)
class Question:
    """A question, and the document that answers it.

    Parameters
    ----------
    kind
        ``exact``, ``paraphrase`` or ``near``, as ``questions.yaml`` explains; empty where a set has no kinds.
    answer
        Words of the document that answer it; empty where a set does not say.
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
    questions: list[Question]

    @property
    def kinds(self) -> list[str]:
        """The kinds of its questions, sorted; none where it has no kinds."""
        return sorted({question.kind for question in self.questions} - {""})


def read_own() -> QuestionSet:
    """Return our own samples."""
    documents = {file.name: file.read_text() for file in sorted(SAMPLES.iterdir()) if file != QUESTIONS}
    questions = [
        Question(text, document, kind, answer)
        for document, kinds in yaml.safe_load(QUESTIONS.read_text()).items()
        for kind, asked in kinds.items()
        for text, answer in asked.items()
    ]
    return QuestionSet("own samples", documents, questions)


def read_xquad() -> QuestionSet | None:
    """Return XQuAD, every paragraph a document; ``None`` when the file is not there."""
    if not XQUAD.exists():
        return None
    held = [each for article in json.loads(XQUAD.read_text())["data"] for each in article["paragraphs"]]
    documents = {f"{n}.txt": each["context"] for n, each in enumerate(held)}
    questions = [
        Question(asked["question"], f"{n}.txt") for n, each in enumerate(held) for asked in each["qas"]
    ]
    return QuestionSet("XQuAD", documents, questions)
