"""What was said before, as far as a model is told of it."""

from collections.abc import Sequence

from ..bedrock import Turn
from ..limits.budget import estimate_tokens

__all__ = ["select_recent"]


def select_recent(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """Return the latest turns that fit into so many tokens, as Bedrock wants them.

    They begin with the user and end with the assistant, and the sides take turns: what one side said twice
    in a row is joined.
    """
    kept: list[Turn] = []
    left = tokens
    for turn in reversed(turns):
        left -= estimate_tokens(turn.text)
        if left < 0:
            break
        if not turn.text.strip():
            continue
        if kept and kept[0].role == turn.role:
            kept[0] = Turn(turn.role, f"{turn.text}\n\n{kept[0].text}")
        else:
            kept.insert(0, turn)
    while kept and kept[0].role != "user":
        kept.pop(0)
    while kept and kept[-1].role != "assistant":
        kept.pop()
    return kept
