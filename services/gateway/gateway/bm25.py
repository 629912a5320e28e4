"""Texts as sparse vectors for BM25: how often each word stands in a text, dampened and by length.

What a word is worth (its inverse document frequency) is Qdrant's to say, at query time, from the tenant's
own points alone. Here is the other half of the formula, which a chunk knows by itself.

The formula is Okapi BM25's (Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009, eq. 3.15).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["SparseVector", "document_vector", "query_vector"]

K1 = 1.2
"""How soon a word that is repeated adds nothing more."""

B = 0.75
"""How much a long text is held against it."""

AVERAGE_WORDS = 200
"""Length of an average chunk, in words. Chunks are cut to one size, so a constant will do, and no vector
changes because others came or went."""

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    # Han, kana, Thai, Lao, Myanmar, Khmer: written without spaces between words.
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003134f]+"
)


@dataclass(frozen=True)
class SparseVector:
    """Weights by the number of a word; the numbers ascend and none comes twice."""

    indices: list[int]
    values: list[float]


def document_vector(text: str) -> SparseVector:
    """Return the weights of a text's words."""
    counts = Counter(map(_number, _words(text)))
    norm = K1 * (1 - B + B * counts.total() / AVERAGE_WORDS)
    return _vector({number: count * (K1 + 1) / (count + norm) for number, count in counts.items()})


def query_vector(text: str) -> SparseVector:
    """Return the words of a question, each with the weight 1."""
    return _vector(dict.fromkeys(map(_number, _words(text)), 1.0))


def _words(text: str) -> Iterator[str]:
    """Yield a text's words in one spelling; where words are not spaced, every two characters."""
    if text.isascii():  # what follows would change nothing, and most texts are
        yield from _WORD.findall(text.lower())
        return
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    for word in _WORD.findall(unicodedata.normalize("NFC", plain)):
        end = 0
        for run in _UNSPACED.finditer(word):
            yield from filter(None, [word[end : run.start()]])
            yield from _pairs(run[0])
            end = run.end()
        yield from filter(None, [word[end:]])


def _pairs(run: str) -> Iterator[str]:
    yield from (run[at : at + 2] for at in range(max(len(run) - 1, 1)))


def _number(word: str) -> int:
    """Return the dimension of a word. Qdrant's are 32 bits wide; two words of one chunk hardly ever meet."""
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest())


def _vector(weights: dict[int, float]) -> SparseVector:
    numbers = sorted(weights)
    return SparseVector(numbers, [weights[number] for number in numbers])
