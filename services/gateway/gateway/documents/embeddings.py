"""Embeddings of a removed document as bytes: restoring it embeds no text for a second time.

An embedding is found by the digest of its text. So a document that is cut into other chunks by then, or one
whose embeddings are incomplete, costs only the embeddings that are missing.
"""

import json
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256

__all__ = ["digest", "pack", "unpack"]

FORMAT = 1

_DIGEST_BYTES = 32


def digest(text: str) -> bytes:
    """Return the key of a text's embedding."""
    return sha256(text.encode()).digest()


async def pack(
    model: str, dimension: int, batches: AsyncIterator[Sequence[tuple[str, Sequence[float]]]]
) -> bytes:
    """Return texts' embeddings as bytes; empty for none.

    Parameters
    ----------
    model, dimension
        The embeddings are valid for these alone.
    batches
        Texts with their embeddings.
    """
    digests, numbers = bytearray(), array("f")
    async for batch in batches:
        for text, vector in batch:
            digests += digest(text)
            numbers.extend(vector)
    if not digests:
        return b""
    head = {"format": FORMAT, "model": model, "dimension": dimension, "count": len(digests) // _DIGEST_BYTES}
    return b"".join((json.dumps(head).encode(), b"\n", digests, numbers.tobytes()))


def unpack(model: str, dimension: int, content: bytes) -> Mapping[bytes, Sequence[float]]:
    """Return the embeddings that :func:`pack` wrote, by digest; none of another model or dimension."""
    head, _, body = content.partition(b"\n")
    if not content or json.loads(head) | {"count": 0} != {
        "format": FORMAT,
        "model": model,
        "dimension": dimension,
        "count": 0,
    }:
        return {}
    count = json.loads(head)["count"]
    numbers = array("f")
    numbers.frombytes(body[count * _DIGEST_BYTES :])
    return {
        body[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES]: numbers[
            place * dimension : (place + 1) * dimension
        ]
        for place in range(count)
    }
