"""Answers taken word for word from the passages of the prompt, so that a demo's answers are grounded.

The best sentence is the one that covers the question's words and is near to it in meaning. When the
passages do not speak of what is asked, that is said, without a marker.
"""

import html
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .embeddings import embed

__all__ = ["NOT_THERE", "answer"]

NOT_THERE = "The passages do not hold the answer to this question."

MISSING_ALLOWED = 0.3
"""Share of the question's words that may be missing from all passages together."""

COVERED_NEEDED = 0.5
"""Share of the question's words that the best sentence and its passage must have."""

_PASSAGE = re.compile(r'<passage id="(\d+)"[^>]*>(.*?)</passage>', re.DOTALL)
_QUESTION = re.compile(r"<question>(.*?)</question>", re.DOTALL)
_BLOCK_END = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+[.)] ))|(?<=\|)\n")
"""A line break alone ends no sentence; a blank line, a list's next item or a table's next row does."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9$€£])")
_WORD = re.compile(r"[a-z0-9]+(?:[.,][0-9]+)*")
_STOP = frozenset(
    """
    a about all an and any are as at be been by can could did do does for from get give had has have how
    i if in into is it its list long many may me much my name of on or our please say shall should show
    so some tell than that the their them there these they this those to us was we were what when where
    which who whom whose why will with would you your
    """.split()  # noqa: SIM905 (a list of words is read as one)
)


@dataclass(frozen=True)
class _Sentence:
    passage: str
    text: str
    words: frozenset[str]
    around: frozenset[str]


def answer(prompt: str) -> str:
    """Return the best sentence of the prompt's passages with its marker, or :data:`NOT_THERE`."""
    asked = _QUESTION.findall(prompt)
    question = html.unescape(asked[-1]) if asked else _PASSAGE.sub("", prompt)
    sentences = [each for number, text in _PASSAGE.findall(prompt) for each in _sentences(number, text)]
    wanted = _words(question)
    if not sentences or not wanted:
        return NOT_THERE
    known = frozenset().union(*(sentence.words for sentence in sentences))
    if len(wanted - known) > MISSING_ALLOWED * len(wanted):
        return NOT_THERE
    meaning = embed(question, 256)
    best = max(sentences, key=lambda each: _coverage(wanted, each) + _nearness(meaning, each) / 2)
    if _coverage(wanted, best) < COVERED_NEEDED:
        return NOT_THERE
    return f"{best.text} [{best.passage}]"


def _coverage(wanted: frozenset[str], sentence: _Sentence) -> float:
    """Return the share that is covered: a word elsewhere in the passage counts a quarter."""
    inside = len(wanted & sentence.words)
    around = len((wanted - sentence.words) & sentence.around)
    return (inside + 0.25 * around) / len(wanted)


def _nearness(meaning: NDArray[np.float64], sentence: _Sentence) -> float:
    return float(embed(sentence.text, 256) @ meaning)


def _sentences(number: str, escaped: str) -> list[_Sentence]:
    text = html.unescape(escaped).strip()
    around = _words(text)
    blocks = (" ".join(block.split()) for block in _BLOCK_END.split(text))
    parts = (part.strip(" #*-|") for block in blocks for part in _SENTENCE_END.split(block))
    return [_Sentence(number, part, _words(part), around) for part in parts if part]


def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(text.casefold()) if word not in _STOP)


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
