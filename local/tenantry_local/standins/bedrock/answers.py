"""Extractive answers: sentences quoted from the passages of the prompt, so that answers are grounded.

The best sentence covers the question's keywords and has a similar embedding. If no passage covers the
question, the answer says so and has no citation marker. Instructions inside passages have no effect.
"""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .embeddings import embed
from .keywords import extract_keywords

__all__ = ["NO_ANSWER", "NO_PASSAGES", "extract_answer"]

NO_ANSWER = "The passages do not contain the answer to this question."
NO_PASSAGES = "There is no passage that I could answer from."

MAX_MISSING_SHARE = 0.3
"""Share of the question's keywords that may be missing from the passages: one of four, but none of three."""

MIN_COVERED_SHARE = 0.5
"""Share of the question's keywords that the best sentence with its passage must cover."""

MIN_SYNONYM_COSINE = 0.6
"""Lowest cosine of synonyms: the cosine of staff and employees is 0.62, of marketing and sales 0.33."""

AROUND_WEIGHT = 0.25
"""Weight of a keyword that is in the sentence's passage but not in the sentence."""

NEARNESS_WEIGHT = 0.5

STATEMENT_WEIGHT = 0.5
"""Bonus of statements, so that the text below a heading wins over the heading."""

_PASSAGE = re.compile(r'<passage id="(\d+)"[^>]*>(.*?)</passage>', re.DOTALL)
_QUESTION = re.compile(r"<question>(.*?)</question>", re.DOTALL)
_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!\b\d\.)(?<!\b\d\d\.)[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]?[A-Z0-9$€£])"
    r"|\n\s*\n"  # a blank line
    r"|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # a list, a heading, a row begins
    r"|(?<=\|)\n"  # a table ends
)
_SINGLE_LINE = re.compile(
    r"^(\s*#.*"  # a heading
    r"|.*\|.*"  # a row of a table
    r"|.{1,60}(?<![.!?,;]))"  # a heading without a mark: too short for a wrapped line
    r"\n(?=\s*[A-Z0-9\"'(])",
    re.MULTILINE,
)
_FIGURE = re.compile(r"\d")
_STATEMENT = re.compile(r"[.!?:|%$€£]")


@dataclass(frozen=True)
class _Sentence:
    passage: str
    text: str
    words: frozenset[str]
    context: frozenset[str]


def extract_answer(prompt: str) -> str:
    """Return the best sentence of the prompt's passages with its citation marker, or a refusal."""
    passages = _PASSAGE.findall(prompt)
    if not passages:
        return NO_PASSAGES
    asked = _QUESTION.findall(prompt)
    question = html.unescape(asked[-1]) if asked else _PASSAGE.sub("", prompt)
    sentences = [
        sentence for number, text in passages for sentence in _split_sentences(number, html.unescape(text))
    ]
    known = {
        stem: word for _, text in passages for stem, word in extract_keywords(html.unescape(text)).items()
    }
    wanted = extract_keywords(question)
    matched = _match_keywords(wanted, known)
    if matched is None or not sentences:
        return NO_ANSWER
    weights = _calculate_weights(matched, sentences)
    whole = sum(weights.values()) + (len(wanted) - len(weights)) * max(weights.values(), default=1)
    coverage = [_calculate_coverage(weights, sentence) / whole for sentence in sentences]
    scores = [
        covered + extra
        for covered, extra in zip(coverage, _calculate_bonuses(question, sentences), strict=True)
    ]
    best = scores.index(max(scores))
    if coverage[best] < MIN_COVERED_SHARE:
        return NO_ANSWER
    return f"{sentences[best].text} [cite:{sentences[best].passage}]"


def _match_keywords(wanted: dict[str, str], known: dict[str, str]) -> frozenset[str] | None:
    """Return the stems in the passages that match the question's stems; None if too many are missing.

    A number must match exactly: the budget of 2025 does not answer a question about 2026.
    """
    missing = {stem: word for stem, word in wanted.items() if stem not in known}
    if not wanted or any(_FIGURE.search(word) for word in missing):
        return None
    synonyms = _find_synonyms(list(missing.values()), known)
    if len(missing) - len(synonyms) > MAX_MISSING_SHARE * len(wanted):
        return None
    return frozenset(wanted.keys() - missing.keys() | synonyms)


def _find_synonyms(words: Sequence[str], known: dict[str, str]) -> set[str]:
    """Return the stem of the nearest synonym for each word with a synonym in the passages."""
    if not words or not known:
        return set()
    cosines = embed(words) @ embed(list(known.values())).T
    stems = list(known)
    return {stems[row.argmax()] for row in cosines if row.max() >= MIN_SYNONYM_COSINE}


def _calculate_weights(matched: frozenset[str], sentences: Sequence[_Sentence]) -> dict[str, float]:
    """Return the weight of each keyword: its inverse sentence frequency."""
    having = {word: sum(word in sentence.words for sentence in sentences) for word in matched}
    return {word: math.log(1 + len(sentences) / count) for word, count in having.items()}


def _calculate_coverage(weights: Mapping[str, float], sentence: _Sentence) -> float:
    """Return the weight of the question's keywords in a sentence and, reduced, in its passage."""
    return sum(
        weight * (1 if word in sentence.words else AROUND_WEIGHT)
        for word, weight in weights.items()
        if word in sentence.context
    )


def _calculate_bonuses(question: str, sentences: Sequence[_Sentence]) -> Iterator[float]:
    """Yield the bonus of each sentence for its similarity and its form."""
    meanings = embed([question, *(sentence.text for sentence in sentences)])
    for sentence, nearness in zip(sentences, meanings[1:] @ meanings[0], strict=True):
        yield NEARNESS_WEIGHT * float(nearness) + STATEMENT_WEIGHT * bool(_STATEMENT.search(sentence.text))


def _split_sentences(number: str, text: str) -> Iterator[_Sentence]:
    context = frozenset(extract_keywords(text))
    for part in _SENTENCE_END.split(_SINGLE_LINE.sub(r"\1\n\n", text)):
        sentence = " ".join(part.split()).strip("#*-•| ")
        if sentence:
            yield _Sentence(number, sentence, frozenset(extract_keywords(sentence)), context)
