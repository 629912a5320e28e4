"""Owners of documents that were uploaded at the gateway, read from the metadata of their objects."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from servicekit.errors import BackendError
from tenancy.model import Tenant

from ..models import ListedDocument
from .document_store import DocumentStore

__all__ = ["DocumentOwnerResolver"]

MAX_CACHED = 20_000
"""Number of owners in the cache; the least recently used owner is evicted first."""

CONCURRENCY = 8
"""Concurrent requests to S3."""

MIN_OBJECT_AGE_SECONDS = 60.0
"""Age from which an object's time identifies its content and owner.

S3 reports times in whole seconds, so another person may replace an object within the same second. One second
would suffice for that; the rest of the time allows for clocks that differ.
"""


class DocumentOwnerResolver:
    """Resolves the owners of documents and caches them by the time of the object."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._cached: OrderedDict[tuple[str, str, int], str] = OrderedDict()
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def resolve(self, tenant: Tenant, documents: Iterable[ListedDocument]) -> list[ListedDocument]:
        """Return the documents with their owners.

        A document keeps no owner (``None``) if S3 does not answer or the object is gone.
        """
        return list(await asyncio.gather(*(self._resolve(tenant, document) for document in documents)))

    async def _resolve(self, tenant: Tenant, document: ListedDocument) -> ListedDocument:
        key = tenant.uid, document.id, document.stored_at
        owner = self._cached.get(key)
        if owner is None:
            try:
                async with self._slots:
                    owner = await self._store.read_owner(tenant, document)
            except BackendError:  # the store counts the error, and the next sync asks again
                owner = None
        if owner is not None and time.time() - document.stored_at > MIN_OBJECT_AGE_SECONDS:
            self._cached[key] = owner
            self._cached.move_to_end(key)
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return replace(document, owner=owner)
