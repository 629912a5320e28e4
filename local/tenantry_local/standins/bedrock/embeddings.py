"""Embeddings that carry meaning without a download: wordllama's weights come inside its package.

wordllama gives 256 numbers. A fixed orthonormal map carries them into the first 768 of 1,024, in three blocks
that are each a rotation of all 256. So every cosine of wordllama's survives a cut at 256, 512, 768 or 1,024,
as Titan V2's (Matryoshka) embeddings survive one approximately; and vectors that were cut at different places
do not match, so that such a mistake shows.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wordllama
from numpy.typing import NDArray

__all__ = ["count_tokens", "embed", "load", "widen"]

SOURCE_DIMENSIONS = 256
"""What wordllama gives."""

CARRIED_DIMENSIONS = 3 * SOURCE_DIMENSIONS
"""All meaning lies in this many first numbers; the others are zero."""


def embed(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return wordllama's embeddings, one row of 256 numbers a text, each of length 1."""
    rows = np.asarray(load().embed(list(texts)), dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def widen(rows: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """Carry embeddings into ``dimensions`` numbers (256 at least), each row of length 1 again."""
    front = rows @ _map()[:, :dimensions]
    wide = np.zeros((len(rows), dimensions))
    wide[:, : front.shape[1]] = front
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    np.divide(wide, lengths, out=wide, where=lengths > 0)
    return wide


def count_tokens(text: str) -> int:
    """Return how many tokens wordllama's tokenizer (Llama 2's) makes of a text."""
    return len(load().tokenizer.encode(text, add_special_tokens=False).ids)


@cache
def load() -> Any:
    """Return the model; the first call reads 16 MB from disk, so a server makes it before it serves."""
    folder = Path(wordllama.__file__).parent
    # With its own folder as cache it finds the files it ships, and asks no hub for them.
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


@cache
def _map() -> NDArray[np.float64]:
    """Return the map, 256 x 768, with orthonormal rows.

    Its blocks are the orthonormal DCT-II with its rows moved on by none, a third and two thirds: three
    rotations whose results do not resemble each other and, made without random numbers, are the same on every
    machine.
    """
    frequency = np.arange(SOURCE_DIMENSIONS)[:, None]
    position = np.arange(SOURCE_DIMENSIONS)[None, :] + 0.5
    rotation = np.sqrt(2 / SOURCE_DIMENSIONS) * np.cos(np.pi * frequency * position / SOURCE_DIMENSIONS)
    rotation[0] /= np.sqrt(2)
    blocks = np.hstack([np.roll(rotation, shift, axis=0) for shift in (0, 85, 170)])
    return np.asarray(blocks / np.sqrt(3), dtype=np.float64)
