"""Citations in an answer: the marker that a model writes, the number that people see, the words it rests on.

The model is asked to write ``[cite:3]``, which no text holds by chance: ``[3]`` may be an index, a range or a
list of ports. While an answer is processed each citation is one character that no text can hold.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..models import Passage
from .sanitizer import MARKERS

__all__ = ["Citation", "CitationParser", "build_citations", "to_numbers"]

_WRITTEN = re.compile(r"([ \t]?)\[cite: ?(\d{1,2}(?: ?, ?\d{1,2}){0,49}) ?\]")
_COULD_BE_WRITTEN = re.compile(r"(?:[ \t]|[ \t]?\[(?:c(?:i(?:t(?:e(?:: ?[\d, ]{0,250})?)?)?)?)?)\Z")
_HELD = 260
"""Most characters at the end of a piece that may be the beginning of a marker."""

_MARKER = re.compile(f"[{MARKERS}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST = 0xD800
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+"  # a full stop and what closes behind it
    r"|\n\s*\n"  # a blank line
    r"|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # a list, a heading, a table begins
)
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Citation:
    """A passage that an answer cites; ``marker`` is its ``[n]`` there, ``snippet`` is in it word for word."""

    marker: int
    document_id: str
    filename: str
    page: int | None
    snippet: str


class CitationParser:
    """Reads the citations of one answer, which comes in pieces.

    Passages are numbered from 1 in the order in which they are cited. A citation of a passage that the model
    was not given is left out.

    Parameters
    ----------
    passages
        The number of passages that the model was given.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self._numbers: dict[int, int] = {}

    @property
    def cited(self) -> list[int]:
        """The positions of the passages that have been cited, from 1, in the order of their numbers."""
        return list(self._numbers)

    def feed(self, text: str) -> str:
        """Return a further piece of the answer with a character for each citation."""
        text = self._held + _SURROGATE.sub("\ufffd", text)
        unclear = _COULD_BE_WRITTEN.search(text, max(0, len(text) - _HELD))
        cut = unclear.start() if unclear else len(text)
        self._held = text[cut:]
        return _WRITTEN.sub(self._to_marker, text[:cut])

    def finish(self) -> str:
        """Return what was held back, when there is no further piece."""
        held, self._held = self._held, ""
        return held

    def _to_marker(self, written: re.Match[str]) -> str:
        cited = [number for number in map(int, written[2].split(",")) if 1 <= number <= self._passages]
        markers = [chr(_FIRST + self._numbers.setdefault(each, len(self._numbers) + 1)) for each in cited]
        return written[1] + "".join(markers) if markers else ""


def to_numbers(text: str) -> str:
    """Return a text in which each citation is ``[n]``, as people and programs read it."""
    return _MARKER.sub(lambda marker: f"[{ord(marker[0]) - _FIRST}]", text)


def build_citations(answer: str, cited: Sequence[int], passages: Sequence[Passage]) -> list[Citation]:
    """Return the citations of an answer that :class:`CitationParser` has read, ordered by number."""
    return [
        _citation(
            number, passages[position - 1], _last_sentence(answer[: answer.index(chr(_FIRST + number))])
        )
        for number, position in enumerate(cited, start=1)
    ]


def find_snippet(text: str, claim: str) -> str:
    """Return the sentence of a text that shares most with a claim, word for word."""
    wanted = _words(claim)
    return max(_sentences(text), key=lambda sentence: _likeness(wanted, _words(sentence)), default=text)


def _citation(marker: int, passage: Passage, claim: str) -> Citation:
    return Citation(
        marker, passage.document_id, passage.filename, passage.page, find_snippet(passage.text, claim)
    )


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
