"""Semantic embeddings without a download: wordllama's weights are in its package.

wordllama's embeddings have 256 dimensions. A fixed orthonormal matrix projects them to the first 768 of 1,024,
in three blocks that are each a rotation of all 256. So cosines stay the same after a cut at 256, 512, 768 or
1,024 dimensions, as they approximately do for Titan V2 (Matryoshka). Vectors with different numbers of
dimensions do not match, so tests notice code that compares them.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wordllama
from numpy.typing import NDArray

__all__ = ["count_tokens", "embed", "load_model", "project"]

SOURCE_DIMENSIONS = 256
"""Dimensions of wordllama's embeddings."""

MEANINGFUL_DIMENSIONS = 3 * SOURCE_DIMENSIONS
"""Number of leading dimensions with content; the others are zero."""


def embed(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return wordllama's embeddings: one row of 256 numbers and length 1 per text."""
    rows = np.asarray(load_model().embed(list(texts)), dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def project(rows: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """Return embeddings with ``dimensions`` dimensions (at least 256), each row with length 1."""
    front = rows @ _build_projection()[:, :dimensions]
    wide = np.zeros((len(rows), dimensions))
    wide[:, : front.shape[1]] = front
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    np.divide(wide, lengths, out=wide, where=lengths > 0)
    return wide


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text, by wordllama's tokenizer (Llama 2's)."""
    return len(load_model().tokenizer.encode(text, add_special_tokens=False).ids)


@cache
def load_model() -> Any:
    """Return the model. The first call reads 16 MB from disk, so a server calls it before it serves."""
    folder = Path(wordllama.__file__).parent
    # With the package's folder as its cache, wordllama finds the packaged files and downloads nothing.
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


@cache
def _build_projection() -> NDArray[np.float64]:
    """Return the projection matrix, 256 x 768, with orthonormal rows.

    Its blocks are the orthonormal DCT-II with rows shifted by zero, one third and two thirds. These rotations
    give dissimilar results and need no random numbers, so they are the same on every machine.
    """
    frequency = np.arange(SOURCE_DIMENSIONS)[:, None]
    position = np.arange(SOURCE_DIMENSIONS)[None, :] + 0.5
    rotation = np.sqrt(2 / SOURCE_DIMENSIONS) * np.cos(np.pi * frequency * position / SOURCE_DIMENSIONS)
    rotation[0] /= np.sqrt(2)
    blocks = np.hstack([np.roll(rotation, shift, axis=0) for shift in (0, 85, 170)])
    return np.asarray(blocks / np.sqrt(3), dtype=np.float64)
