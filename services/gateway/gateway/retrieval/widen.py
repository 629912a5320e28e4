"""Extension of passages by their neighbouring chunks, which often hold the explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..models import Passage
from ..token_estimate import estimate_tokens

__all__ = ["join_chunks", "widen"]


def widen(
    passages: Sequence[Passage], neighbours: Mapping[tuple[str, int], Passage], tokens: int
) -> list[Passage]:
    """Return passages extended by their neighbours' text, best first, within a number of tokens.

    Parameters
    ----------
    neighbours
        The neighbours by document and chunk. Neighbours on another page are skipped, because a citation names
        one page. Neighbours that are also results are skipped as well.
    tokens
        Maximum number of tokens of all passages, by estimate. Results are never shortened.
    """
    remaining = tokens - estimate_tokens(*(passage.text for passage in passages))
    used = {(passage.document_id, passage.chunk) for passage in passages}
    widened = []
    for passage in passages:
        text = passage.text
        for step in (-1, 1):
            position = (passage.document_id, passage.chunk + step)
            neighbour = neighbours.get(position)
            if neighbour is None or position in used or neighbour.page != passage.page:
                continue
            wider = join_chunks(neighbour.text, text) if step < 0 else join_chunks(text, neighbour.text)
            growth = estimate_tokens(wider) - estimate_tokens(text)
            if growth <= remaining:
                text, remaining = wider, remaining - growth
                used.add(position)
        widened.append(replace(passage, text=text))
    return widened


def join_chunks(first: str, second: str) -> str:
    """Return two consecutive chunks as one text without their overlap."""
    for length in range(min(len(first), len(second)), 0, -1):
        if first.endswith(second[:length]):
            return first + second[length:]
    return f"{first}\n{second}"
