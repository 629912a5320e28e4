"""Which persona a link leads to: through the Tenants alone, never through what users can edit.

A knowledge base is a persona's when the Tenant's status says so; a model when its id is one of a persona
that the Tenant has.
"""

from collections.abc import Iterable

import structlog
from tenancy.model import Tenant
from tenancy.names import model_id, parse_model_id

from ..models import Kind, Link, Place

__all__ = ["Places"]


class Places:
    """The personas of all Tenants, and their knowledge bases.

    Parameters
    ----------
    tenants
        All there are. A knowledge base that two of them claim is nobody's.
    """

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._tenants = {tenant.id: tenant for tenant in tenants}
        self._knowledge: dict[str, Place] = {}
        disputed: set[str] = set()
        for tenant in self._tenants.values():
            for each in tenant.status.workspace.knowledge if tenant.status.workspace else ():
                if self._knowledge.get(each.id, Place(tenant.id, "")).tenant_id != tenant.id:
                    disputed.add(each.id)
                if tenant.persona(each.persona):
                    self._knowledge.setdefault(each.id, Place(tenant.id, each.persona))
        for knowledge_id in disputed:
            del self._knowledge[knowledge_id]
        if disputed:
            structlog.get_logger("file_sync.planner.persona_index").error(
                "Two Tenants claim one knowledge base; its files are left alone", knowledge=sorted(disputed)
            )
        self._judged = set(self._knowledge.values())

    def of(self, link: Link) -> Place | None:
        """Return where a link leads; ``None`` when it is nowhere of ours."""
        if link.kind is Kind.KNOWLEDGE:
            return self._knowledge.get(link.target)
        names = parse_model_id(link.target)
        tenant = self._tenants.get(names[0]) if names else None
        return Place(*names) if names and tenant and tenant.persona(names[1]) else None

    def knows(self, place: Place) -> bool:
        """Tell whether all links to a persona can be seen.

        While its knowledge base is not known (the Tenant is new, or no longer names the persona), that no
        link leads there means nothing.
        """
        return place in self._judged

    def targets(self, tenant: Tenant) -> tuple[list[str], list[str]]:
        """Return the ids of the knowledge bases and of the models of a tenant."""
        knowledge = [target for target, place in self._knowledge.items() if place.tenant_id == tenant.id]
        return knowledge, [model_id(tenant.id, persona.id) for persona in tenant.spec.personas]
