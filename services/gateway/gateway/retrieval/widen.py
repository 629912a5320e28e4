"""Passages with what stands beside them: a chunk often ends where its explanation begins."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..limits.budget import estimate_tokens
from ..models import Passage

__all__ = ["join", "widen"]


def widen(
    passages: Sequence[Passage], beside: Mapping[tuple[str, int], Passage], tokens: int
) -> list[Passage]:
    """Return passages with their neighbours' text, the best first, as far as so many tokens go.

    Parameters
    ----------
    beside
        The neighbours by document and chunk. One on another page is left alone, because a citation names
        one page; so is one that was found itself.
    tokens
        Of all passages together, as estimated. What was found is never shortened.
    """
    left = tokens - estimate_tokens(*(passage.text for passage in passages))
    found = {(passage.document_id, passage.chunk) for passage in passages}
    widened = []
    for passage in passages:
        text = passage.text
        for step in (-1, 1):
            place = (passage.document_id, passage.chunk + step)
            neighbour = beside.get(place)
            if neighbour is None or place in found or neighbour.page != passage.page:
                continue
            wider = join(neighbour.text, text) if step < 0 else join(text, neighbour.text)
            growth = estimate_tokens(wider) - estimate_tokens(text)
            if growth <= left:
                text, left = wider, left - growth
                found.add(place)
        widened.append(replace(passage, text=text))
    return widened


def join(first: str, second: str) -> str:
    """Return two chunks that follow each other as one text, with what both of them hold only once."""
    for length in range(min(len(first), len(second)), 0, -1):
        if first.endswith(second[:length]):
            return first + second[length:]
    return f"{first}\n{second}"
