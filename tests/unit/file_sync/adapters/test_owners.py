"""Tests of the resolver of file owners, with a fake Keycloak. Integration tests use the real Keycloak."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from file_sync.adapters.owners import OwnerResolver
from file_sync.models import Owner
from servicekit.keycloak import KeycloakAdmin
from tenancy.directory import Directory
from tenancy.model import Tenant

from tests.support.tenants.manifests import make_tenant

TENANTS = Directory(
    [
        make_tenant("tenanta", identity={"emails": ["*@a.example"], "admins": ["dora@a.example"]}),
        make_tenant("tenantb"),
    ]
)
GROUP_A, GROUP_B = "/tenants/tenant-tenanta", "/tenants/tenant-tenantb"


class FakeKeycloak:
    """A Keycloak with people and groups; Keycloak does not answer while ``down`` is True."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}
        self.uids = {GROUP_A: "uid-tenanta", GROUP_B: "uid-tenantb", f"{GROUP_B}/admins": "uid-tenantb"}
        self.down = False
        self.requested_paths: list[str] = []

    def add(self, subject: str, *groups: str, **account: Any) -> None:
        usual = {"id": subject, "enabled": True, "email": f"{subject}@a.example", "emailVerified": True}
        self.people[subject] = usual | account
        self.groups[subject] = list(groups)

    def get_group(self, path: str) -> dict[str, Any]:
        return {"path": path, "attributes": {"tenant-uid": [self.uids[path]]} if path in self.uids else {}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": 60})
        path = request.url.path.partition("/users/")[2]
        self.requested_paths.append(path)
        subject, _, rest = path.partition("/")
        if subject not in self.people:
            return httpx.Response(404)
        if rest == "groups":
            return httpx.Response(200, json=[self.get_group(path) for path in self.groups[subject]])
        return httpx.Response(200, json=self.people[subject])


@pytest.fixture
def keycloak() -> FakeKeycloak:
    return FakeKeycloak()


@pytest.fixture
async def http(keycloak: FakeKeycloak) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(keycloak)) as client:
        yield client


def make_resolver(http: httpx.AsyncClient, seconds: float = 60) -> OwnerResolver:
    return OwnerResolver(
        KeycloakAdmin("http://k", "tenantry", "c", "s", http), lambda: TENANTS, seconds=seconds
    )


@pytest.mark.parametrize(
    ("groups", "account", "tenant_id"),
    [
        ((), {}, "tenanta"),
        ((GROUP_B,), {"email": "x@tenantb.example"}, "tenantb"),
        ((f"{GROUP_B}/admins", "/staff"), {"email": "x@tenantb.example"}, "tenantb"),
        ((GROUP_B,), {"email": "x@elsewhere.example"}, None),
        ((GROUP_B,), {"email": ""}, None),
        ((), {"emailVerified": False}, None),
        ((), {"email": "x@elsewhere.example"}, None),
        (("/tenants/tenant-tenantb",), {}, None),
        (("/tenants/tenant-tenanta", "/tenants/tenant-tenantb"), {}, None),
        (("/tenants/tenant-gone",), {}, None),
        (("/tenants/tenant-tenantb/guests",), {"email": "x@elsewhere.example"}, None),
        ((), {"enabled": False}, None),
        ((), {"id": "another person"}, None),
    ],
    ids=[
        "a verified address",
        "a group",
        "administrators",
        "a group without a matching address",
        "a group without an address",
        "an address that is not verified",
        "an address without a matching Tenant",
        "a group against an address",
        "two groups",
        "the group of a tenant that is gone",
        "another sub-group",
        "a disabled account",
        "an answer about another person",
    ],
)
async def test_an_owner_belongs_to_the_tenant_that_a_token_would_name(
    keycloak: FakeKeycloak,
    http: httpx.AsyncClient,
    groups: tuple[str, ...],
    account: Any,
    tenant_id: str | None,
) -> None:
    keycloak.add("anna", *groups, **account)
    assert await make_resolver(http).resolve(["anna"]) == {"anna": Owner(tenant_id)}


async def test_the_tenant_names_its_administrators(keycloak: FakeKeycloak, http: httpx.AsyncClient) -> None:
    for subject in ("anna", "dora"):
        keycloak.add(subject)
    assert await make_resolver(http).resolve(["anna", "dora"]) == {
        "anna": Owner("tenanta"),
        "dora": Owner("tenanta", admin=True),
    }


async def test_cached_claims_older_than_the_tenant_are_fetched_again(
    keycloak: FakeKeycloak, http: httpx.AsyncClient
) -> None:
    """At first the group still has the uid of an earlier Tenant of the name."""
    keycloak.uids[GROUP_A] = "uid-of-an-earlier-tenant"
    keycloak.add("anna", GROUP_A)
    remembering = make_resolver(http)
    assert await remembering.resolve(["anna"]) == {"anna": Owner(known=False)}, (
        "the owner is unknown until the operator has written the uid"
    )
    keycloak.uids[GROUP_A] = "uid-tenanta"
    assert await remembering.resolve(["anna"]) == {"anna": Owner("tenanta")}


async def test_people_of_a_new_tenant_are_resolved_without_delay(
    keycloak: FakeKeycloak, http: httpx.AsyncClient
) -> None:
    keycloak.add("anna")
    tenants = Directory()
    remembering = OwnerResolver(
        KeycloakAdmin("http://k", "tenantry", "c", "s", http), lambda: tenants, seconds=60
    )
    assert await remembering.resolve(["anna"]) == {"anna": Owner()}
    tenants.put(set_age(TENANTS.list_tenants()[0], datetime.now(UTC) + timedelta(minutes=1)))
    assert await remembering.resolve(["anna"]) == {"anna": Owner(known=False)}, (
        "the cached answer is older than the Tenant"
    )
    tenants.put(set_age(TENANTS.list_tenants()[0], datetime.now(UTC)))
    assert await remembering.resolve(["anna"]) == {"anna": Owner("tenanta")}


def set_age(tenant: Tenant, created: datetime) -> Tenant:
    metadata = tenant.metadata.model_copy(update={"creation_timestamp": created})
    return tenant.model_copy(update={"metadata": metadata})


async def test_an_unknown_id_has_no_tenant(http: httpx.AsyncClient) -> None:
    assert await make_resolver(http).resolve(["gone", "../clients"]) == {
        "gone": Owner(),
        "../clients": Owner(),
    }


async def test_while_keycloak_is_down_owners_are_unknown(
    keycloak: FakeKeycloak, http: httpx.AsyncClient
) -> None:
    keycloak.down = True
    asked = make_resolver(http)
    assert await asked.resolve(["anna"]) == {"anna": Owner(known=False)}
    keycloak.down = False
    keycloak.add("anna")
    assert await asked.resolve(["anna"]) == {"anna": Owner("tenanta")}, "the failure is not cached"


async def test_concurrent_lookups_share_one_request_until_it_expires(
    keycloak: FakeKeycloak, http: httpx.AsyncClient
) -> None:
    keycloak.add("anna")
    remembering = make_resolver(http)
    await asyncio.gather(*(remembering.resolve(["anna"]) for _ in range(5)))
    assert keycloak.requested_paths == ["anna", "anna/groups"]
    forgetting = make_resolver(http, seconds=0)
    await forgetting.resolve(["anna"])
    await forgetting.resolve(["anna"])
    assert len(keycloak.requested_paths) == 6


async def test_a_hanging_keycloak_is_not_called_for_each_owner(
    keycloak: FakeKeycloak, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a sync of a tenant with many people would take hours."""
    monkeypatch.setattr("servicekit.keycloak.CALL_TIMEOUT_SECONDS", 0.05)
    asked = 0

    async def hang(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)
        return keycloak(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as hanging:
        found = await make_resolver(hanging).resolve([f"person-{number}" for number in range(100)])
    assert set(found.values()) == {Owner(known=False)}
    assert asked < 20
