"""Keywords of an English text, stemmed and without stop words."""

import re
from pathlib import Path

__all__ = ["extract_keywords"]

_WORD = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")

_STOP_WORDS = frozenset((Path(__file__).parent / "stop_words.txt").read_text().split())
"""English words that occur in questions on any subject."""

_ENDINGS = (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("ly", ""))
_SHORTEST_STEM = 3


def extract_keywords(text: str) -> dict[str, str]:
    """Return the keywords of a text by their stems, in order; ``budgets`` and ``budget`` share one."""
    return {_stem_word(word): word for word in _WORD.findall(text.casefold()) if word not in _STOP_WORDS}


def _stem_word(word: str) -> str:
    """Return a word without common endings. A simple rule is enough: stems are only compared, never shown."""
    for ending, replacement in _ENDINGS:
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= _SHORTEST_STEM:
            word = word.removesuffix(ending) + replacement
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > _SHORTEST_STEM + 1 and word.endswith("e") else word
