"""Lookup of a tenant's personas, which its Tenant resource defines."""

from tenancy.model import Persona, Tenant

from .problems import PersonaMissing

__all__ = ["require_persona"]


def require_persona(tenant: Tenant, persona_id: str) -> Persona:
    """Return a tenant's persona.

    Raises
    ------
    PersonaMissing
        The tenant has no persona with that id; the problem lists the existing ids.
    """
    persona = tenant.get_persona(persona_id)
    if persona is None:
        raise PersonaMissing(
            "The tenant has no such persona. Choose one of `personas`.",
            personas=[persona.id for persona in tenant.spec.personas],
        )
    return persona
