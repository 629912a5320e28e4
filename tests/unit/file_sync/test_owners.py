"""Whose a file is, as Keycloak says; the rules of a token decide. The real Keycloak: integration."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from file_sync.models import Owner
from file_sync.owners import Owners
from tenancy.directory import Directory
from tenancy.keycloak import KeycloakAdmin

from tests.support.tenants import make_tenant

TENANTS = Directory([make_tenant("tenanta", identity={"emails": ["*@a.example"]}), make_tenant("tenantb")])


class Keycloak:
    """People and their groups; away while ``down``."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}
        self.down = False
        self.asked: list[str] = []

    def add(self, subject: str, *groups: str, **account: Any) -> None:
        usual = {"id": subject, "enabled": True, "email": f"{subject}@a.example", "emailVerified": True}
        self.people[subject] = usual | account
        self.groups[subject] = list(groups)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": 60})
        path = request.url.path.partition("/users/")[2]
        self.asked.append(path)
        subject, _, rest = path.partition("/")
        if subject not in self.people:
            return httpx.Response(404)
        if rest == "groups":
            return httpx.Response(200, json=[{"path": each} for each in self.groups[subject]])
        return httpx.Response(200, json=self.people[subject])


@pytest.fixture
def keycloak() -> Keycloak:
    return Keycloak()


@pytest.fixture
async def http(keycloak: Keycloak) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(keycloak)) as client:
        yield client


def owners(http: httpx.AsyncClient, seconds: float = 60) -> Owners:
    return Owners(KeycloakAdmin("http://k", "tenantry", "c", "s", http), lambda: TENANTS, seconds=seconds)


@pytest.mark.parametrize(
    ("groups", "account", "tenant_id"),
    [
        ((), {}, "tenanta"),
        (("/tenants/tenant-tenantb",), {"email": "x@elsewhere.example"}, "tenantb"),
        (("/tenants/tenant-tenantb/admins", "/staff"), {"email": ""}, "tenantb"),
        ((), {"emailVerified": False}, None),
        ((), {"email": "x@elsewhere.example"}, None),
        (("/tenants/tenant-tenantb",), {}, None),
        (("/tenants/tenant-tenanta", "/tenants/tenant-tenantb"), {}, None),
        (("/tenants/tenant-gone",), {}, None),
        (("/tenants/tenant-tenantb/guests",), {"email": "x@elsewhere.example"}, None),
        ((), {"enabled": False}, None),
        ((), {"id": "somebody else"}, None),
    ],
    ids=[
        "a verified address",
        "a group",
        "administrators",
        "an address that is not verified",
        "an address that nobody claims",
        "a group against an address",
        "two groups",
        "the group of a tenant that is gone",
        "another sub-group",
        "a disabled account",
        "an answer about somebody else",
    ],
)
async def test_who_belongs_where(
    keycloak: Keycloak, http: httpx.AsyncClient, groups: tuple[str, ...], account: Any, tenant_id: str | None
) -> None:
    keycloak.add("anna", *groups, **account)
    assert await owners(http).of(["anna"]) == {"anna": Owner(tenant_id)}


async def test_nobody_of_that_id_has_no_tenant(http: httpx.AsyncClient) -> None:
    assert await owners(http).of(["gone", "../clients"]) == {"gone": Owner(), "../clients": Owner()}


async def test_while_keycloak_is_away_nothing_is_known(keycloak: Keycloak, http: httpx.AsyncClient) -> None:
    keycloak.down = True
    asked = owners(http)
    assert await asked.of(["anna"]) == {"anna": Owner(known=False)}
    keycloak.down = False
    keycloak.add("anna")
    assert await asked.of(["anna"]) == {"anna": Owner("tenanta")}, "and that is not remembered"


async def test_keycloak_is_asked_once_for_all_who_ask_and_again_after_a_while(
    keycloak: Keycloak, http: httpx.AsyncClient
) -> None:
    keycloak.add("anna")
    remembering = owners(http)
    await asyncio.gather(*(remembering.of(["anna"]) for _ in range(5)))
    assert keycloak.asked == ["anna", "anna/groups"]
    forgetting = owners(http, seconds=0)
    await forgetting.of(["anna"])
    await forgetting.of(["anna"])
    assert len(keycloak.asked) == 6


async def test_a_keycloak_that_hangs_is_not_waited_for_once_an_owner(
    keycloak: Keycloak, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D18: a comparison of a tenant with many people would wait for hours, and the others behind it."""
    monkeypatch.setattr("tenancy.keycloak.CALL_SECONDS", 0.05)
    asked = 0

    async def hang(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)
        return keycloak(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as hanging:
        found = await owners(hanging).of([f"person-{number}" for number in range(100)])
    assert set(found.values()) == {Owner(known=False)}
    assert asked < 20
