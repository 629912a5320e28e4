"""Estimate of the number of tokens of a text."""

import math

__all__ = ["BYTES_PER_TOKEN", "estimate_tokens"]

BYTES_PER_TOKEN = 3
"""Bytes per token of an estimate. Most texts have more (English about 4), so estimates are upper bounds."""


def estimate_tokens(*texts: str) -> int:
    """Return an estimate of the number of tokens of texts, usually an upper bound."""
    return sum(math.ceil(len(text.encode()) / BYTES_PER_TOKEN) for text in texts)
