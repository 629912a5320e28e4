"""Tests of outdated access tokens: of an earlier Tenant of the same name, and of removed members.

They use tokens of a real Keycloak and a running gateway that watches a real API server.
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

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import People
from tests.support.security.forgery import read_claims
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import IsolationHarness
from .test_operations import OPERATIONS

REVOCATION_SECONDS = 5
"""Maximum time until a removed member is refused everywhere."""


@dataclass
class TenantAccounts:
    """A Tenant of one test, with a member and an administrator."""

    id: str
    harness: IsolationHarness
    tenants: Tenants

    @property
    def member(self) -> str:
        return f"mia@{self.id}.example"

    @property
    def admin(self) -> str:
        return f"ada@{self.id}.example"

    @property
    def people(self) -> People:
        return self.harness.people

    async def wait_until_known(self) -> None:
        """Wait until the gateway has the newest Tenant, and set the uid on its groups."""
        body = self.tenants.get(self.id)
        assert body
        metadata = body["metadata"]
        await wait_until(lambda: self._get_observed("resource_version") == metadata["resourceVersion"])
        for path in (f"tenants/tenant-{self.id}", f"tenants/tenant-{self.id}/admins"):
            await self.people.add_group(path, uid=metadata["uid"])

    async def recreate(self) -> None:
        """Delete the Tenant and create a new Tenant of the same name in a later second."""
        before = self.tenants.get(self.id)
        assert before
        self.tenants.delete(self.id)
        await asyncio.sleep(1.1)
        again = self.tenants.create(make_manifest(self.id))
        assert _get_creation_time(again) > _get_creation_time(before)
        await wait_until(lambda: self._get_observed("uid") == again["metadata"]["uid"])

    async def call_operation(self, operation: str, token: str) -> httpx.Response:
        """Call an operation with valid arguments."""
        method, path = operation.split()
        arguments: dict[str, Any] = dict(OPERATIONS[operation][1])
        self.harness.headers["caller"] = f"Bearer {token}"
        return await self.harness.request(method, path.format(documentId="none"), "caller", **arguments)

    def _get_observed(self, name: str) -> str:
        tenant = self.harness.gateway.context.registry.get(self.id)
        return str(getattr(tenant.metadata, name)) if tenant else ""


def make_manifest(tenant_id: str) -> dict[str, Any]:
    identity = {"emails": [f"*@{tenant_id}.example"], "admins": [f"ada@{tenant_id}.example"]}
    return make_tenant_manifest(tenant_id, identity=identity, quota=PLENTY)


def _get_creation_time(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"])


@pytest.fixture
async def accounts(harness: IsolationHarness) -> AsyncIterator[TenantAccounts]:
    tenant_id = f"iso-{uuid.uuid4().hex[:8]}"
    with apply_tenants(harness.platform, make_manifest(tenant_id)) as tenants:
        made = TenantAccounts(tenant_id, harness, tenants)
        await made.wait_until_known()
        group = f"/tenants/tenant-{tenant_id}"
        await harness.people.add(made.member, groups=[group])
        await harness.people.add(made.admin, groups=[group, f"{group}/admins"])
        yield made


async def test_a_token_has_the_uid_of_the_tenant_of_its_group(accounts: TenantAccounts) -> None:
    body = accounts.tenants.get(accounts.id)
    assert body
    for email in (accounts.member, accounts.admin):
        claims = read_claims(await accounts.people.fetch_token(email))
        assert claims[TENANT_UIDS_CLAIM] == [body["metadata"]["uid"]]
    assert TENANT_UIDS_CLAIM not in read_claims(
        accounts.harness.headers["in no group, address of no tenant"][7:]
    )


async def test_a_token_of_an_earlier_tenant_is_refused_by_a_recreated_tenant(
    accounts: TenantAccounts,
) -> None:
    """Neither its group nor its address gives access; after a new login the person has access again."""
    await accounts.people.add(f"max@{accounts.id}.example")
    emails = (accounts.member, accounts.admin, f"max@{accounts.id}.example")
    old = [await accounts.people.fetch_token(email) for email in emails]
    for token in old:
        assert (await accounts.call_operation("GET /v1/me", token)).status_code == 200
    await accounts.recreate()
    for token in old:
        for operation in OPERATIONS:
            refused = await accounts.call_operation(operation, token)
            assert refused.status_code == 401, (operation, refused.text)
            assert "Log in again" in refused.text
    await accounts.wait_until_known()
    for email in emails:
        assert (
            await accounts.call_operation("GET /v1/me", await accounts.people.fetch_token(email))
        ).status_code == 200


async def test_a_removed_member_is_refused_within_five_seconds(accounts: TenantAccounts) -> None:
    """The token is valid for hours and names the group, but the Tenant decides."""
    member, admin = (
        await accounts.people.fetch_token(accounts.member),
        await accounts.people.fetch_token(accounts.admin),
    )
    assert (await accounts.call_operation("GET /v1/me", member)).status_code == 200
    assert (await accounts.call_operation("GET /v1/usage", admin)).status_code == 200
    accounts.tenants.patch(accounts.id, {"spec": {"identity": {"emails": [accounts.admin], "admins": []}}})
    await wait_until(
        lambda: _is_refused(accounts, "GET /v1/me", member, "no-tenant"), seconds=REVOCATION_SECONDS
    )
    for operation in OPERATIONS:
        assert (await accounts.call_operation(operation, member)).status_code == 403, operation
    assert (await accounts.call_operation("GET /v1/usage", admin)).status_code == 403, (
        "no longer an administrator"
    )
    assert (await accounts.call_operation("GET /v1/me", admin)).json()["admin"] is False


async def test_a_person_cannot_set_a_tenants_uid_on_their_account(accounts: TenantAccounts) -> None:
    """An account's attribute would be in tokens like a group's; the realm does not let people set it."""
    body = accounts.tenants.get(accounts.id)
    assert body
    email = "own-attribute@iso-elsewhere.example"
    await accounts.people.add(email)
    await accounts.people.add_namesake_group(email, f"tenants/tenant-{accounts.id}")
    refused = await accounts.people.set_own_attribute(email, TENANT_UID_ATTRIBUTE, body["metadata"]["uid"])
    claims = read_claims(await accounts.people.fetch_token(email))
    assert TENANT_UIDS_CLAIM not in claims, refused.text
    assert f"/tenants/tenant-{accounts.id}" in claims["groups"]


async def _is_refused(accounts: TenantAccounts, operation: str, token: str, slug: str) -> bool:
    response = await accounts.call_operation(operation, token)
    return response.status_code == 403 and response.json()["type"].endswith(f"/{slug}")
