"""Qdrant client for the tenants' chunks. No other package builds a filter or calls Qdrant.

Every function takes the authenticated :class:`~tenancy.model.Tenant` and derives collection and filter from
it; no caller can pass a filter. Two further checks separate the tenants. The token of each request opens one
collection only, and every returned point is checked before it leaves this package.

Qdrant has no transactions over several points. So a document's first chunk is its *commit marker*: it names
the committed version of the document, is written last and deleted first. Readers ignore chunks of any other
version, including chunks that a crash has left.
"""

from .server import create_monitor
from .store import Vectors

__all__ = ["Vectors", "create_monitor"]
