"""Qdrant: the tenants' chunks as points. The only package that builds a filter or talks to Qdrant.

Every function takes the proven :class:`~tenancy.model.Tenant` and makes collection and filter from it; no
caller can hand one in. Twice more the tenants are held apart: the token of each request opens one
collection only, and what comes back is looked at again before it leaves this package.

Qdrant has no transactions over several points, so a document's first chunk, its *head*, decides: it names
the version of the document that counts, is written last and removed first. Chunks of any other version are
not there for readers, whatever a crash has left behind.
"""

from .store import Vectors

__all__ = ["Vectors"]
