"""Sparse vectors for BM25: saturated and length-normalised term frequencies of a text.

At query time Qdrant multiplies the vectors by the inverse document frequency, computed from the tenant's
points only. This module computes the other factor of the formula, which depends on the chunk alone.

The formula is Okapi BM25's (Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009, eq. 3.15).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["SparseVector", "build_document_vector", "build_query_vector"]

K1 = 1.2
"""Term frequency saturation: a smaller value saturates sooner."""

B = 0.75
"""Strength of the length normalisation, 0 to 1."""

AVERAGE_WORDS = 200
"""Average length of a chunk in words. Chunks have one target size, so a constant suffices, and no vector
depends on other documents."""

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    # Han, kana, Thai, Lao, Myanmar, Khmer: scripts without spaces between words.
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003134f]+"
)


@dataclass(frozen=True)
class SparseVector:
    """Weights by term index; the indices are unique and ascending."""

    indices: list[int]
    values: list[float]


def build_document_vector(text: str) -> SparseVector:
    """Return the sparse vector of a chunk: a weight per term."""
    counts = Counter(map(_hash_term, _split_words(text)))
    norm = K1 * (1 - B + B * counts.total() / AVERAGE_WORDS)
    return _to_vector({number: count * (K1 + 1) / (count + norm) for number, count in counts.items()})


def build_query_vector(text: str) -> SparseVector:
    """Return the sparse vector of a question: weight 1 per term."""
    return _to_vector(dict.fromkeys(map(_hash_term, _split_words(text)), 1.0))


def _split_words(text: str) -> Iterator[str]:
    """Yield a text's normalised words; for scripts without spaces, yield character bigrams."""
    if text.isascii():  # fast path: normalisation changes nothing in ASCII
        yield from _WORD.findall(text.lower())
        return
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    for word in _WORD.findall(unicodedata.normalize("NFC", plain)):
        end = 0
        for run in _UNSPACED.finditer(word):
            yield from filter(None, [word[end : run.start()]])
            yield from _split_bigrams(run[0])
            end = run.end()
        yield from filter(None, [word[end:]])


def _split_bigrams(run: str) -> Iterator[str]:
    yield from (run[at : at + 2] for at in range(max(len(run) - 1, 1)))


def _hash_term(word: str) -> int:
    """Return the term index of a word: a 32-bit hash, as wide as Qdrant's indices; collisions are rare."""
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest())


def _to_vector(weights: dict[int, float]) -> SparseVector:
    numbers = sorted(weights)
    return SparseVector(numbers, [weights[number] for number in numbers])
