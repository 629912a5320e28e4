"""Temporary Tenants on the whole platform, with their people."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tenancy.model import Tenant
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import People
from tests.support.tenants.manifests import UNCACHED, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

__all__ = ["TemporaryTenant", "TemporaryTenants"]

READY_SECONDS = 60


@dataclass
class TemporaryTenant:
    """A Tenant of one test.

    Parameters
    ----------
    id
        Tenant id, unique in every test.
    """

    id: str
    tenants: Tenants
    people: People

    @property
    def resource(self) -> Tenant:
        """Current state of the Tenant."""
        return Tenant.from_object(self.tenants.get(self.id))

    @property
    def knowledge(self) -> str:
        """Id of the knowledge base of its persona ``finance``."""
        workspace = self.resource.status.workspace
        assert workspace
        return workspace.knowledge[0].id

    def make_address(self, name: str) -> str:
        """Return an address that the Tenant's identity patterns match."""
        return f"{name}@{self.id}.example"

    def change(self, **spec: Any) -> None:
        """Patch the Tenant's spec."""
        self.tenants.patch(self.id, {"spec": spec})


@dataclass
class TemporaryTenants:
    """Factory of temporary Tenants.

    Parameters
    ----------
    platform
        Platform with all parts.
    """

    platform: Platform
    people: People

    @property
    def url(self) -> str:
        """Address of Open WebUI."""
        return self.platform.context.build_url("open-webui")

    @asynccontextmanager
    async def create_tenant(self, name: str) -> AsyncIterator[TemporaryTenant]:
        """Create a Tenant; delete the Tenant with all its data at the end of the block."""
        tenant_id = f"{name}-{uuid.uuid4().hex[:6]}"
        manifest = make_tenant_manifest(
            tenant_id,
            displayName=name.capitalize(),
            identity={"emails": [f"*@{tenant_id}.example"]},
            deletionPolicy="Delete",
            model=UNCACHED,
        )
        with apply_tenants(self.platform, manifest) as tenants:
            tenant = TemporaryTenant(tenant_id, tenants, self.people)

            def is_ready() -> bool:
                ready = tenant.resource.status.get_condition("Ready")
                return bool(ready and ready.status == "True" and tenant.resource.status.workspace)

            await wait_until(is_ready, seconds=READY_SECONDS)
            yield tenant
