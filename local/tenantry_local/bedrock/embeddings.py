"""Embeddings that carry meaning without a download: wordllama's weights come inside its package."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wordllama
from numpy.typing import NDArray

from .errors import ValidationException
from .models import TITAN_G1, TITAN_V2

__all__ = ["embed", "invoke"]

SOURCE_DIMENSIONS = 256
"""What wordllama gives."""

CARRIED_DIMENSIONS = 768
"""All meaning lies in the first 768 of 1,024 numbers, so that a cut there keeps every cosine."""

TITAN_V2_DIMENSIONS = (256, 512, 1024)
MAX_CHARACTERS = 50_000


def invoke(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """Answer InvokeModel of an embedding model.

    Raises
    ------
    ValidationException
        In the cases in which the model itself refuses a body.
    """
    if model == TITAN_V2:
        return _titan_v2(body)
    if model == TITAN_G1:
        return _titan_g1(body)
    raise ValidationException("Malformed input request: #: required key [texts] not found, please reformat your input and try again.")  # noqa: E501


def embed(text: str, dimensions: int) -> NDArray[np.float64]:
    """Return the embedding of a text: a unit vector of ``dimensions`` numbers."""
    source = _model().embed(text, norm=True)[0].astype(np.float64)
    width = min(dimensions, CARRIED_DIMENSIONS)
    vector = np.zeros(dimensions)
    vector[:width] = source @ _map(width)
    norm = np.linalg.norm(vector)
    return vector / norm if norm else vector


def _titan_v2(body: dict[str, Any]) -> dict[str, Any]:
    unknown = set(body) - {"inputText", "dimensions", "normalize", "embeddingTypes"}
    if unknown:
        raise ValidationException(f"Malformed input request: #: extraneous key [{min(unknown)}] is not permitted, please reformat your input and try again.")  # noqa: E501
    dimensions = body.get("dimensions", 1024)
    if dimensions not in TITAN_V2_DIMENSIONS:
        raise ValidationException(f"Malformed input request: #/dimensions: {dimensions} is not a valid enum value, please reformat your input and try again.")  # noqa: E501
    text = _text(body)
    vector = embed(text, dimensions)
    return {"embedding": vector.tolist(), "inputTextTokenCount": count_tokens(text)}


def _titan_g1(body: dict[str, Any]) -> dict[str, Any]:
    if set(body) - {"inputText"}:
        raise ValidationException("Malformed input request: #: extraneous key [dimensions] is not permitted, please reformat your input and try again.")  # noqa: E501
    text = _text(body)
    return {"embedding": embed(text, 1536).tolist(), "inputTextTokenCount": count_tokens(text)}


def _text(body: dict[str, Any]) -> str:
    text = body.get("inputText")
    if not isinstance(text, str) or not text:
        raise ValidationException("Malformed input request: expected minLength: 1, actual: 0, please reformat your input and try again.")  # noqa: E501
    if len(text) > MAX_CHARACTERS:
        raise ValidationException(f"400 Bad Request: Too many input characters. Max input characters: {MAX_CHARACTERS}, request input character count: {len(text)} ")  # noqa: E501
    return text


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has: four characters of English are one."""
    return max(1, len(text) // 4)


@cache
def _model() -> Any:
    folder = Path(wordllama.__file__).parent
    # With its own folder as cache it finds the files it ships, and asks no hub for them.
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


@cache
def _map(width: int) -> NDArray[np.float64]:
    """Return a fixed matrix with orthonormal rows, 256 x ``width``: a map that keeps every cosine.

    The rows are the first 256 of the orthonormal DCT-II, which needs no random numbers and so is the same
    on every machine.
    """
    frequency = np.arange(SOURCE_DIMENSIONS)[:, None]
    position = np.arange(width)[None, :] + 0.5
    rows = np.sqrt(2 / width) * np.cos(np.pi * frequency * position / width)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, dtype=np.float64)
