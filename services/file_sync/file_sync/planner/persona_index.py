"""Index of personas by knowledge base and model, built from the Tenants alone.

A knowledge base belongs to the persona that the Tenant's status names. A model belongs to the persona that
its id names. Users can edit neither the status nor the id.
"""

import time
from collections.abc import Iterable

import structlog
from tenancy.model import Tenant
from tenancy.names import build_model_id, parse_model_id
from tenancy.registry import TenantRegistry

from ..models import Link, LinkKind, PersonaRef

__all__ = ["PersonaIndex", "PersonaIndexCache"]

CACHE_TTL_SECONDS = 5.0
"""Lifetime of a cached index: building an index from ten thousand Tenants takes 30 ms."""


class PersonaIndex:
    """Personas of all Tenants, by knowledge base and model.

    Parameters
    ----------
    tenants
        All Tenants. A knowledge base that two Tenants claim belongs to neither.
    """

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._tenants = {tenant.id: tenant for tenant in tenants}
        self._knowledge: dict[str, PersonaRef] = {}
        disputed: set[str] = set()
        for tenant in self._tenants.values():
            for base in tenant.status.workspace.knowledge if tenant.status.workspace else ():
                if self._knowledge.get(base.id, PersonaRef(tenant.id, "")).tenant_id != tenant.id:
                    disputed.add(base.id)
                if tenant.get_persona(base.persona):
                    self._knowledge.setdefault(base.id, PersonaRef(tenant.id, base.persona))
        for knowledge_id in disputed:
            del self._knowledge[knowledge_id]
        if disputed:
            structlog.get_logger("file_sync.planner.persona_index").error(
                "Two Tenants claim one knowledge base; its files are ignored", knowledge=sorted(disputed)
            )
        self._with_knowledge = set(self._knowledge.values())

    def resolve(self, link: Link) -> PersonaRef | None:
        """Return the persona that a link points to; ``None`` if the link points to no Tenant's persona."""
        if link.kind is LinkKind.KNOWLEDGE:
            return self._knowledge.get(link.target)
        names = parse_model_id(link.target)
        tenant = self._tenants.get(names[0]) if names else None
        return PersonaRef(*names) if names and tenant and tenant.get_persona(names[1]) else None

    def has_knowledge_base(self, persona: PersonaRef) -> bool:
        """Return True if the persona's knowledge base is known, so that all its links can be seen.

        The knowledge base is unknown while the Tenant is new, or if the Tenant no longer has the persona.
        Then a missing link does not mean that a person removed the file.
        """
        return persona in self._with_knowledge

    def list_targets(self, tenant: Tenant) -> tuple[list[str], list[str]]:
        """Return the ids of the knowledge bases and of the models of a tenant."""
        knowledge = [target for target, persona in self._knowledge.items() if persona.tenant_id == tenant.id]
        return knowledge, [build_model_id(tenant.id, persona.id) for persona in tenant.spec.personas]


class PersonaIndexCache:
    """Cache of the persona index, rebuilt from the registry after a few seconds."""

    def __init__(self, registry: TenantRegistry) -> None:
        self._registry = registry
        self._index = PersonaIndex(())
        self._built_at = float("-inf")

    @property
    def current(self) -> PersonaIndex:
        """The index, at most :data:`CACHE_TTL_SECONDS` old."""
        return self._index if time.monotonic() - self._built_at < CACHE_TTL_SECONDS else self.refresh()

    def refresh(self) -> PersonaIndex:
        """Rebuild the index and return it."""
        self._index, self._built_at = PersonaIndex(self._registry.list_tenants()), time.monotonic()
        return self._index
