"""Owners of documents that were uploaded at the gateway, as the metadata of their objects names them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from servicekit.errors import RemoteError
from tenancy.model import Tenant

from ..models import Document
from .store import Store

__all__ = ["DocumentOwners"]

MAX_CACHED = 20_000
"""Owners that are cached; the least recently used goes first."""

CONCURRENCY = 8
"""Objects of which S3 is asked concurrently."""

SETTLED_SECONDS = 60.0
"""Age from which an object's time identifies it. S3 gives times in whole seconds, so an object of this second
may be replaced by another person's of the same time; the rest is for clocks that differ."""


class DocumentOwners:
    """Finds the owners of documents and caches them: another owner means an object of a later time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached: OrderedDict[tuple[str, str, int], str] = OrderedDict()
        self._bound = asyncio.Semaphore(CONCURRENCY)

    async def add(self, tenant: Tenant, documents: Iterable[Document]) -> list[Document]:
        """Return documents with their owners; without one where S3 does not answer or the object is gone."""
        return list(await asyncio.gather(*(self._add(tenant, document) for document in documents)))

    async def _add(self, tenant: Tenant, document: Document) -> Document:
        key = tenant.uid, document.id, document.stored_at
        owner = self._cached.get(key)
        if owner is None:
            try:
                async with self._bound:
                    owner = await self._store.owner(tenant, document)
            except RemoteError:  # counted there; the comparison waits for the owner
                owner = None
        if owner is not None and time.time() - document.stored_at > SETTLED_SECONDS:
            self._cached[key] = owner
            self._cached.move_to_end(key)
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return replace(document, owner=owner)
