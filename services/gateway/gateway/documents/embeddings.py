"""Serialisation of a removed document's embeddings, so that a restore need not compute them again.

An embedding is stored under the digest of its text. So a restore computes only missing embeddings, even if
the document is chunked differently by then.
"""

import json
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256

__all__ = ["hash_text", "pack", "unpack"]

FORMAT_VERSION = 1

_DIGEST_BYTES = 32


def hash_text(text: str) -> bytes:
    """Return the key of a text's embedding."""
    return sha256(text.encode()).digest()


async def pack(
    model: str, dimension: int, batches: AsyncIterator[Sequence[tuple[str, Sequence[float]]]]
) -> bytes:
    """Return the embeddings of texts as bytes; empty without texts.

    Parameters
    ----------
    model, dimension
        Model and dimension of the embeddings.
    batches
        Texts with their embeddings.
    """
    digests, numbers = bytearray(), array("f")
    async for batch in batches:
        for text, vector in batch:
            digests += hash_text(text)
            numbers.extend(vector)
    if not digests:
        return b""
    header = {
        "format": FORMAT_VERSION,
        "model": model,
        "dimension": dimension,
        "count": len(digests) // _DIGEST_BYTES,
    }
    return b"".join((json.dumps(header).encode(), b"\n", digests, numbers.tobytes()))


def unpack(model: str, dimension: int, content: bytes) -> Mapping[bytes, Sequence[float]]:
    """Parse the output of :func:`pack`: embeddings by digest; empty if model or dimension differ."""
    header, _, body = content.partition(b"\n")
    if not content or json.loads(header) | {"count": 0} != {
        "format": FORMAT_VERSION,
        "model": model,
        "dimension": dimension,
        "count": 0,
    }:
        return {}
    count = json.loads(header)["count"]
    numbers = array("f")
    numbers.frombytes(body[count * _DIGEST_BYTES :])
    return {
        body[position * _DIGEST_BYTES : (position + 1) * _DIGEST_BYTES]: numbers[
            position * dimension : (position + 1) * dimension
        ]
        for position in range(count)
    }
