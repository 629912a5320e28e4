"""Record of calls to external systems."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from servicekit.remote import Remote

__all__ = ["record_calls"]


@contextmanager
def record_calls(*systems: str) -> Iterator[list[str]]:
    """Record the operations of all calls to the given systems, by default to every system."""
    made: list[str] = []
    original = Remote.call

    async def call(self: Remote, operation: str, function: Any, **arguments: Any) -> Any:
        if not systems or self.system in systems:
            made.append(operation)
        return await original(self, operation, function, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        yield made
