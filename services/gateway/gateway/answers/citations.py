"""Citations of an answer: the model's markers, the displayed numbers and the cited sentences.

The prompt requests markers like ``[cite:3]``, because ``[3]`` may be an index, a range or a list of ports in
a text. During processing one character, which cannot occur in a text, represents each citation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..models import Passage
from .sanitizer import MARKERS

__all__ = ["Citation", "CitationParser", "build_citations", "to_numbers"]

_WRITTEN = re.compile(r"([ \t]?)\[cite: ?(\d{1,2}(?: ?, ?\d{1,2}){0,49}) ?\]")
_COULD_BE_WRITTEN = re.compile(r"(?:[ \t]|[ \t]?\[(?:c(?:i(?:t(?:e(?:: ?[\d, ]{0,250})?)?)?)?)?)\Z")
_MAX_HELD_CHARACTERS = 260
"""Maximum number of characters at the end of a piece that may be the start of a marker."""

_MARKER = re.compile(f"[{MARKERS}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_MARKER = 0xD800
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+"  # a full stop and closing characters after it
    r"|\n\s*\n"  # a blank line
    r"|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # the start of a list, a heading or a table
)
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Citation:
    """A cited passage; ``marker`` is the number in the answer, ``snippet`` a verbatim part of the passage."""

    marker: int
    document_id: str
    filename: str
    page: int | None
    snippet: str


class CitationParser:
    """Incremental parser of the citations of one answer.

    Passages are numbered from 1 in the order of their first citation. Citations of unknown passages are
    removed.

    Parameters
    ----------
    passages
        Number of passages in the prompt.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self._numbers: dict[int, int] = {}

    @property
    def cited(self) -> list[int]:
        """Positions of the cited passages in the prompt, from 1, ordered by citation number."""
        return list(self._numbers)

    def feed(self, text: str) -> str:
        """Add a piece of the answer; return its text with each citation replaced by one character."""
        text = self._held + _SURROGATE.sub("\ufffd", text)
        unclear = _COULD_BE_WRITTEN.search(text, max(0, len(text) - _MAX_HELD_CHARACTERS))
        cut = unclear.start() if unclear else len(text)
        self._held = text[cut:]
        return _WRITTEN.sub(self._to_marker, text[:cut])

    def finish(self) -> str:
        """Return the text that was held back, after the last piece."""
        held, self._held = self._held, ""
        return held

    def _to_marker(self, written: re.Match[str]) -> str:
        cited = [number for number in map(int, written[2].split(",")) if 1 <= number <= self._passages]
        markers = [
            chr(_FIRST_MARKER + self._numbers.setdefault(number, len(self._numbers) + 1)) for number in cited
        ]
        return written[1] + "".join(markers) if markers else ""


def to_numbers(text: str) -> str:
    """Return a text with each citation as ``[n]``."""
    return _MARKER.sub(lambda marker: f"[{ord(marker[0]) - _FIRST_MARKER}]", text)


def build_citations(answer: str, cited: Sequence[int], passages: Sequence[Passage]) -> list[Citation]:
    """Return the citations of an answer that :class:`CitationParser` has parsed, ordered by number."""
    return [
        _build_citation(
            number,
            passages[position - 1],
            _get_last_sentence(answer[: answer.index(chr(_FIRST_MARKER + number))]),
        )
        for number, position in enumerate(cited, start=1)
    ]


def find_snippet(text: str, claim: str) -> str:
    """Return the sentence of a text that has the most words in common with a claim, verbatim."""
    wanted = _split_words(claim)
    return max(
        _split_sentences(text),
        key=lambda sentence: _calculate_similarity(wanted, _split_words(sentence)),
        default=text,
    )


def _build_citation(marker: int, passage: Passage, claim: str) -> Citation:
    return Citation(
        marker, passage.document_id, passage.filename, passage.page, find_snippet(passage.text, claim)
    )


def _calculate_similarity(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the Dice coefficient of two sets of words, which does not favour long sentences."""
    return 2 * len(first & second) / (len(first) + len(second) or 1)


def _split_sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        # Closing characters after a full stop belong to its sentence; white space belongs to no sentence.
        if sentence := text[start : match.end()].strip():
            yield sentence
        start = match.end()
    if rest := text[start:].strip():
        yield rest


def _get_last_sentence(text: str) -> str:
    return next(iter(reversed(list(_split_sentences(_MARKER.sub("", text))))), "")


def _split_words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
