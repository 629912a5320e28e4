"""Selection of the earlier messages that a model receives."""

from collections.abc import Sequence

from ..bedrock import Turn
from ..token_estimate import estimate_tokens

__all__ = ["select_recent"]


def select_recent(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """Return the latest turns within a number of tokens, in the form that Bedrock requires.

    The first turn is the user's, the last the assistant's, and the roles alternate. Consecutive turns of one
    role are joined.
    """
    selected: list[Turn] = []
    remaining = tokens
    for turn in reversed(turns):
        remaining -= estimate_tokens(turn.text)
        if remaining < 0:
            break
        if not turn.text.strip():
            continue
        if selected and selected[0].role == turn.role:
            selected[0] = Turn(turn.role, f"{turn.text}\n\n{selected[0].text}")
        else:
            selected.insert(0, turn)
    while selected and selected[0].role != "user":
        selected.pop(0)
    while selected and selected[-1].role != "assistant":
        selected.pop()
    return selected
