"""Access tokens that were good once: of an earlier Tenant of the name, of who was taken out meanwhile.

Real tokens of Keycloak, on a running gateway that watches the real API server.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from tenancy.names import TENANT_UID_ATTRIBUTE, TENANT_UIDS_CLAIM

from tests.support.apiserver import Tenants
from tests.support.forgery import claims_of
from tests.support.people import People
from tests.support.tenants import PLENTY, applied, tenant_manifest
from tests.support.waiting import until

from .conftest import World
from .test_doors import OPERATIONS

OUT_SECONDS = 5
"""Longest time until somebody who was taken out of a Tenant is refused everywhere."""


@dataclass
class Company:
    """A Tenant of one test, with a member and an administrator, and their tokens."""

    id: str
    world: World
    tenants: Tenants

    @property
    def member(self) -> str:
        return f"mia@{self.id}.example"

    @property
    def admin(self) -> str:
        return f"ada@{self.id}.example"

    @property
    def people(self) -> People:
        return self.world.people

    async def known(self) -> None:
        """Return when the gateway knows the newest Tenant, and its groups carry its uid."""
        body = self.tenants.get(self.id)
        assert body
        metadata = body["metadata"]
        await until(lambda: self._seen("resource_version") == metadata["resourceVersion"])
        for path in (f"tenants/tenant-{self.id}", f"tenants/tenant-{self.id}/admins"):
            await self.people.add_group(path, uid=metadata["uid"])

    async def made_again(self) -> None:
        """Delete the Tenant and make one of the same name, in a later second."""
        before = self.tenants.get(self.id)
        assert before
        self.tenants.delete(self.id)
        await asyncio.sleep(1.1)
        again = self.tenants.create(manifest(self.id))
        assert _created(again) > _created(before)
        await until(lambda: self._seen("uid") == again["metadata"]["uid"])

    async def status(self, operation: str, token: str) -> httpx.Response:
        """Call an operation as it is meant."""
        method, path = operation.split()
        arguments: dict[str, Any] = dict(OPERATIONS[operation][1])
        self.world.headers["somebody"] = f"Bearer {token}"
        return await self.world.request(method, path.format(documentId="none"), "somebody", **arguments)

    def _seen(self, name: str) -> str:
        tenant = self.world.gateway.context.registry.get(self.id)
        return str(getattr(tenant.metadata, name)) if tenant else ""


def manifest(tenant_id: str) -> dict[str, Any]:
    identity = {"emails": [f"*@{tenant_id}.example"], "admins": [f"ada@{tenant_id}.example"]}
    return tenant_manifest(tenant_id, identity=identity, quota=PLENTY)


def _created(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"])


@pytest.fixture
async def company(world: World) -> AsyncIterator[Company]:
    tenant_id = f"iso-{uuid.uuid4().hex[:8]}"
    with applied(world.platform, manifest(tenant_id)) as tenants:
        made = Company(tenant_id, world, tenants)
        await made.known()
        group = f"/tenants/tenant-{tenant_id}"
        await world.people.add(made.member, groups=[group])
        await world.people.add(made.admin, groups=[group, f"{group}/admins"])
        yield made


async def test_a_token_carries_the_uid_of_the_tenant_in_whose_group_its_person_is(company: Company) -> None:
    body = company.tenants.get(company.id)
    assert body
    for email in (company.member, company.admin):
        claims = claims_of(await company.people.token(email))
        assert claims[TENANT_UIDS_CLAIM] == [body["metadata"]["uid"]]
    assert TENANT_UIDS_CLAIM not in claims_of(company.world.headers["in no group, address of nobody"][7:])


async def test_a_token_of_an_earlier_tenant_opens_none_that_was_made_again(company: Company) -> None:
    """By its group, and by its address alone; after a new login everything goes on."""
    await company.people.add(f"max@{company.id}.example")
    emails = (company.member, company.admin, f"max@{company.id}.example")
    old = [await company.people.token(email) for email in emails]
    for token in old:
        assert (await company.status("GET /v1/me", token)).status_code == 200
    await company.made_again()
    for token in old:
        for operation in OPERATIONS:
            refused = await company.status(operation, token)
            assert refused.status_code == 401, (operation, refused.text)
            assert "Log in again" in refused.text
    await company.known()
    for email in emails:
        assert (await company.status("GET /v1/me", await company.people.token(email))).status_code == 200


async def test_who_is_taken_out_of_the_tenant_is_out_within_five_seconds(company: Company) -> None:
    """The token is good for hours, and names the group: the Tenant decides."""
    member, admin = await company.people.token(company.member), await company.people.token(company.admin)
    assert (await company.status("GET /v1/me", member)).status_code == 200
    assert (await company.status("GET /v1/usage", admin)).status_code == 200
    company.tenants.patch(company.id, {"spec": {"identity": {"emails": [company.admin], "admins": []}}})
    await until(lambda: _is_refused(company, "GET /v1/me", member, "no-tenant"), seconds=OUT_SECONDS)
    for operation in OPERATIONS:
        assert (await company.status(operation, member)).status_code == 403, operation
    assert (await company.status("GET /v1/usage", admin)).status_code == 403, "an administrator no more"
    assert (await company.status("GET /v1/me", admin)).json()["admin"] is False


async def test_nobody_gives_themselves_a_tenants_uid(company: Company) -> None:
    """An attribute of an account is put into tokens as a group's is; the realm lets nobody set that one."""
    body = company.tenants.get(company.id)
    assert body
    email = "own-attribute@iso-elsewhere.example"
    await company.people.add(email)
    await company.people.add_lookalike(email, f"tenants/tenant-{company.id}")
    refused = await company.people.set_own_attribute(email, TENANT_UID_ATTRIBUTE, body["metadata"]["uid"])
    claims = claims_of(await company.people.token(email))
    assert TENANT_UIDS_CLAIM not in claims, refused.text
    assert f"/tenants/tenant-{company.id}" in claims["groups"]


async def _is_refused(company: Company, operation: str, token: str, slug: str) -> bool:
    response = await company.status(operation, token)
    return response.status_code == 403 and response.json()["type"].endswith(f"/{slug}")
