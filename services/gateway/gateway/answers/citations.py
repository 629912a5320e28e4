"""The markers in an answer, and what in the passages they stand for."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..models import Passage

__all__ = ["Citation", "cite"]

# At most two digits, as passages are at most 50: a year in brackets is no marker.
_MARKER = re.compile(r"\[(\d{1,2})\]")
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+"  # a full stop and what closes behind it
    r"|\n\s*\n"  # a blank line
    r"|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # a list, a heading, a table begins
)
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Citation:
    """Where a passage stands that the answer leans on; ``snippet`` is in it word for word."""

    marker: int
    document_id: str
    filename: str
    page: int | None
    snippet: str


def cite(answer: str, passages: Sequence[Passage]) -> list[Citation]:
    """Return a citation for each marker of an answer that :mod:`.clean` has cleaned, in their order."""
    claims: dict[int, str] = {}
    for match in _MARKER.finditer(answer):
        if 1 <= int(match[1]) <= len(passages):
            claims.setdefault(int(match[1]), _last_sentence(answer[: match.start()]))
    return [_citation(marker, passages[marker - 1], claim) for marker, claim in claims.items()]


def snippet(text: str, claim: str) -> str:
    """Return the sentence of a text that shares most with a claim, word for word."""
    wanted = _words(claim)
    return max(_sentences(text), key=lambda sentence: _likeness(wanted, _words(sentence)), default=text)


def _citation(marker: int, passage: Passage, claim: str) -> Citation:
    return Citation(marker, passage.document_id, passage.filename, passage.page, snippet(passage.text, claim))


def _likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of words in common (Dice): a long sentence must not win by its length."""
    return 2 * len(first & second) / (len(first) + len(second) or 1)


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        # What closes behind a full stop belongs to its sentence, the white space to none.
        if sentence := text[start : match.end()].strip():
            yield sentence
        start = match.end()
    if rest := text[start:].strip():
        yield rest


def _last_sentence(text: str) -> str:
    return next(iter(reversed(list(_sentences(_MARKER.sub("", text))))), "")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
