"""File-like objects over streams of bytes, which hold one piece of the stream in memory."""

import hashlib
from collections.abc import Iterator
from typing import Protocol

__all__ = ["HashingReader", "IteratorReader", "Readable"]


class Readable(Protocol):
    """An object from which bytes can be read, as from a binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""
        ...


class IteratorReader:
    """Makes an iterator of bytes readable."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes, fewer only at the end; all bytes if ``size`` is negative."""
        parts, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            length += len(piece)
        content = b"".join(parts)
        end = len(content) if size < 0 else size
        self._rest = content[end:]
        return content[:end]


class HashingReader:
    """Counts and hashes the bytes that are read from another object."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes that were read."""
        return self._hash.hexdigest()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""
        content = self._source.read(size)
        self._hash.update(content)
        self.size += len(content)
        return content
