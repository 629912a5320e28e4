"""The words of an English text that carry its subject, brought to a common form."""

import re

__all__ = ["extract_keywords"]

_WORD = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")

_STOP_WORD_LIST = """
a about all also an and any are as at be been by can could did do does for from get give had has
have how i if in into is it its list long many may me much my name of on or our please say shall
should show so some tell than that the their them there these they this those to us was we were what
when where which who whom whose why will with would you your
"""
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())
"""Words that say nothing of what a question is about."""

_ENDINGS = (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("ly", ""))
_SHORTEST_STEM = 3


def extract_keywords(text: str) -> dict[str, str]:
    """Return the telling words of a text by their stems, in order; ``budgets`` and ``budget`` have one."""
    return {_stem(word): word for word in _WORD.findall(text.casefold()) if word not in _STOP_WORDS}


def _stem(word: str) -> str:
    """Cut common endings off. Crude on purpose: both sides are cut alike, and nobody sees a stem."""
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= _SHORTEST_STEM:
            word = word.removesuffix(ending) + instead
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > _SHORTEST_STEM + 1 and word.endswith("e") else word
