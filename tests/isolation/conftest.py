"""Two tenants with a marker planted in each, people of every kind, and a gateway on the real backends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey
from qdrant_client import AsyncQdrantClient
from tenancy.names import document_id_for
from tenancy.tickets import Action, Ticket, TicketIssuer
from tenantry_local.platform import Platform
from tenantry_local.tickets import ensure_private_key

from tests.support.forgery import alg_none, claims_of, signed_by_stranger, signed_with_public_key, tampered
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.people import People, open_people
from tests.support.qdrant import make_collection, open_qdrant
from tests.support.tenants import PLENTY, applied, tenant_manifest
from tests.support.waiting import until

A, B, DEDICATED, ASLEEP = "iso-a", "iso-b", "iso-dedicated", "iso-asleep"
MARKERS = {A: "ALPHA-7Q41", B: "BRAVO-9X52", DEDICATED: "DELTA-3K63"}
QUESTION = "What is the secret code word of the company?"
FILENAME = "secret.md"
LEEWAY_SECONDS = 5


def secret_of(tenant_id: str) -> bytes:
    """Return a document that differs between tenants in nothing but its marker."""
    return f"# Secret\n\nThe secret code word of the company is {MARKERS[tenant_id]}.".encode()


@dataclass
class World:
    """The gateway, everything behind it, and a header for each kind of caller."""

    platform: Platform
    gateway: RunningGateway
    people: People
    qdrant: AsyncQdrantClient
    tickets: TicketIssuer
    headers: dict[str, str] = field(default_factory=dict)
    expired_at: float = 0.0

    def uid(self, tenant_id: str) -> str:
        """Return the uid of a Tenant."""
        tenant = self.gateway.context.registry.get(tenant_id)
        assert tenant
        return tenant.uid

    async def request(self, method: str, path: str, caller: str, **arguments: Any) -> httpx.Response:
        authorization = {"Authorization": self.headers[caller]} if self.headers[caller] else {}
        headers = {**authorization, **arguments.pop("headers", {})}
        return await self.gateway.http.request(method, path, headers=headers, **arguments)

    async def post(self, path: str, caller: str, **arguments: Any) -> httpx.Response:
        return await self.request("POST", path, caller, **arguments)

    async def plant(self, tenant_id: str) -> str:
        """Upload a tenant's secret as one of its people; return its document id."""
        files, data = {"file": (FILENAME, secret_of(tenant_id))}, {"personaId": "finance"}
        response = await self.post("/v1/documents", f"person of {tenant_id}", files=files, data=data)
        assert response.status_code == 201, response.text
        return str(response.json()["documentId"])

    async def secrets_seen_by(self, tenant_id: str) -> set[str]:
        """Return the markers that a search as that tenant brings up."""
        body = {"query": QUESTION, "topK": 50}
        response = await self.post("/v1/search", f"person of {tenant_id}", json=body)
        assert response.status_code == 200, response.text
        return {marker for marker in MARKERS.values() if marker in response.text}


def _manifests() -> list[dict[str, Any]]:
    def manifest(tenant_id: str, **spec: Any) -> dict[str, Any]:
        people = {"emails": [f"*@{tenant_id}.example"], "admins": [f"anna@{tenant_id}.example"]}
        return tenant_manifest(tenant_id, identity=people, quota=PLENTY, **spec)

    return [
        manifest(A),
        manifest(B, personas=[{"id": "finance"}, {"id": "only-in-b"}]),
        manifest(DEDICATED, tier="dedicated"),
        manifest(ASLEEP, suspended=True),
    ]


@pytest.fixture(scope="session")
async def world(platform: Platform) -> AsyncIterator[World]:
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        await make_collection(qdrant, dedicated_to=DEDICATED)
        with applied(platform, *_manifests()):
            async with running_gateway(platform) as gateway:
                await until(lambda: all(gateway.context.registry.get(t) for t in (*MARKERS, ASLEEP)))
                tickets = TicketIssuer(json.loads(ensure_private_key(platform.context.state).read_text()))
                world = World(platform, gateway, people, qdrant, tickets)
                await _add_people(world)
                await _forge_tokens(world)
                await _forge_tickets(world)
                for tenant_id in MARKERS:
                    await world.plant(tenant_id)
                yield world


async def _add_people(world: World) -> None:
    """Make people of every kind, and log them in."""
    people = world.people
    registry = world.gateway.context.registry
    for tenant_id in (A, B):
        tenant = registry.get(tenant_id)
        assert tenant
        await people.add_group(f"tenants/tenant-{tenant_id}", uid=tenant.metadata.uid)
    for path in (f"tenants/tenant-{B}/contractors", "tenants/tenant-iso-gone", f"tenant-{B}"):
        await people.add_group(path)
    emails = {
        f"person of {A}": (f"anna@{A}.example", []),
        f"person of {B}": (f"berta@{B}.example", []),
        f"person of {DEDICATED}": (f"dora@{DEDICATED}.example", []),
        "person of a suspended tenant": (f"emil@{ASLEEP}.example", []),
        "in A's group": (f"gina@{A}.example", [f"/tenants/tenant-{A}"]),
        "in A's group without an address of A's": ("paul@iso-elsewhere.example", [f"/tenants/tenant-{A}"]),
        "in no group, address of nobody": ("nemo@iso-elsewhere.example", []),
        "address that only ends like B's": (f"eve@x{B}.example", []),
        "address that only begins like B's": (f"eve@{B}.example.evil.example", []),
        "in two tenants' groups": (
            "twofold@iso-elsewhere.example",
            [f"/tenants/tenant-{A}", f"/tenants/tenant-{B}"],
        ),
        "in A's group with B's address": (f"double@{B}.example", [f"/tenants/tenant-{A}"]),
        "in the group of a tenant that is gone": (
            "ghost@iso-elsewhere.example",
            ["/tenants/tenant-iso-gone"],
        ),
        "in a group of B's name elsewhere": ("look@iso-elsewhere.example", [f"/tenant-{B}"]),
        "in a sub-group of B's": ("temp@iso-elsewhere.example", [f"/tenants/tenant-{B}/contractors"]),
    }
    lookalikes = {
        "in a top-level group called as the path of B's": "lois@iso-elsewhere.example",
        "with B's address, in a top-level group called as the path of B's": f"lena@{B}.example",
    }
    for caller, (email, groups) in (
        emails | {name: (email, []) for name, email in lookalikes.items()}
    ).items():
        await people.add(email, groups=groups)
        if caller in lookalikes:
            await people.add_lookalike(email, f"tenants/tenant-{B}")
        world.headers[caller] = f"Bearer {await people.token(email)}"


async def _forge_tokens(world: World) -> None:
    """Take a good token of A, and make of it whatever might be taken for one of B."""
    people, headers = world.people, world.headers
    login = await people.login(f"anna@{A}.example")
    good: str = login["access_token"]
    b: dict[str, Any] = {"groups": [f"/tenants/tenant-{B}"], "email": f"berta@{B}.example"}
    (key,) = [RSAKey.import_key(jwk) for jwk in (await people.keys())["keys"] if jwk["use"] == "sig"]
    await people.add_client("iso-short", attributes={"access.token.lifespan": "1"})
    expired = (await people.login(f"anna@{A}.example", client_id="iso-short"))["access_token"]
    world.expired_at = claims_of(expired)["exp"] + LEEWAY_SECONDS
    other_app = (await people.login(f"anna@{A}.example", client_id="other-app"))["access_token"]
    forged = {
        "garbage": "garbage",
        "three dots": "a.b.c",
        "claims changed": tampered(good, **b),
        "alg none": alg_none(good, **b),
        "alg None": alg_none(good, "None", **b),
        "alg empty": alg_none(good, "", **b),
        "HMAC with the public key (PEM)": signed_with_public_key(good, key.as_pem(private=False), **b),
        "HMAC with the public key (DER)": signed_with_public_key(good, key.as_der(private=False), **b),
        "signed by a stranger": signed_by_stranger(good, **b),
        "signed by a stranger who brings the key": signed_by_stranger(good, header={"jwk": ...}, **b),
        "signed by a stranger, unknown key id": signed_by_stranger(good, header={"kid": "unknown"}, **b),
        "of a foreign issuer": signed_by_stranger(good, iss="https://evil.example/realms/tenantry", **b),
        "expired": expired,
        "for another audience": other_app,
        "of another realm": await people.admin_token(),
        "ID token": login["id_token"],
        "refresh token": login["refresh_token"],
        "endless": good + "a" * 20_000,
    }
    headers.update({name: f"Bearer {token}" for name, token in forged.items()})
    headers |= {
        "no token": "",
        "basic": "Basic YW5uYTpwYXNzd29yZA==",
        "token without its scheme": good,
        "access token as a ticket": f"Ticket {good}",
        "address of B that is not verified": f"Bearer {await _unverified(people)}",
    }
    headers["two tokens in one header"] = f"Bearer {good}, Bearer {good}"


async def _unverified(people: People) -> str:
    """Return a token of someone whose address was verified when they logged in, and is not any more."""
    email = f"mallory@{B}.example"
    await people.add(email)
    login = await people.login(email)
    await people.verify(email, verified=False)
    token: str = (await people.refresh(login["refresh_token"]))["access_token"]
    assert claims_of(token)["email_verified"] is False
    return token


async def _forge_tickets(world: World) -> None:
    """Make tickets for A's document, and what might be taken for one of B's."""
    uid, asleep = world.uid(A), world.uid(ASLEEP)
    mine = Ticket(A, uid, "finance", "doc-1", FILENAME)
    good = world.tickets.issue(mine)
    jwk = json.loads(ensure_private_key(world.platform.context.state).read_text())
    public = OKPKey.import_key(jwk)
    forged = {
        "ticket": good,
        "ticket as a token": good,
        "ticket to list": world.tickets.issue(Ticket(A, uid, action=Action.LIST)),
        "ticket to delete": world.tickets.issue(replace(mine, action=Action.DELETE)),
        "ticket to delete what A has not": world.tickets.issue(
            Ticket(A, uid, "finance", document_id_for(B, "finance", FILENAME), FILENAME, Action.DELETE)
        ),
        "ticket of a suspended tenant to list": world.tickets.issue(
            Ticket(ASLEEP, asleep, action=Action.LIST)
        ),
        "ticket, expired": world.tickets.issue(mine, lifetime=-60),
        "ticket for another service": world.tickets.issue(mine, audience="file-sync"),
        "ticket, tenant changed": tampered(good, tenant_id=B),
        "ticket, alg none": alg_none(good, tenant_id=B),
        "ticket, HMAC with the public key": signed_with_public_key(
            good, public.as_pem(private=False), tenant_id=B
        ),
        "ticket, signed by a stranger": signed_by_stranger(good, tenant_id=B),
        "ticket of a tenant that is gone": world.tickets.issue(
            Ticket("iso-gone", uid, "finance", "doc-1", FILENAME)
        ),
        "ticket of a suspended tenant": world.tickets.issue(
            Ticket(ASLEEP, asleep, "finance", "doc-1", FILENAME)
        ),
        "ticket for a persona of nobody": world.tickets.issue(Ticket(A, uid, "only-in-b", "doc-1", FILENAME)),
        "ticket of an earlier tenant of the name": world.tickets.issue(replace(mine, tenant_uid="0b1f")),
        "ticket for a document that is not there": world.tickets.issue(
            Ticket(A, uid, "finance", "doc-9", FILENAME)
        ),
        "ticket whose claims climb out": tampered_and_signed(
            world.tickets, mine, persona_id=f"../../tenant-{B}"
        ),
    }
    world.headers.update({name: f"Ticket {ticket}" for name, ticket in forged.items()})
    world.headers["ticket as a token"] = f"Bearer {good}"


def tampered_and_signed(issuer: TicketIssuer, ticket: Ticket, **claims: Any) -> str:
    """Return a ticket that a sound issuer would refuse to write, under its good signature."""
    now = int(time.time())
    base = {"iss": "tenantry-tickets", "aud": "gateway", "exp": now + 60, **vars(ticket), **claims}
    header = {"alg": "Ed25519", "kid": issuer._key.kid}
    return jwt.encode(header, base, issuer._key, algorithms=["Ed25519"])


@pytest.fixture(scope="session")
async def expired(world: World) -> None:
    """Wait until the token that was to expire has done so, the clocks' leeway included."""
    await asyncio.sleep(max(0.0, world.expired_at - time.time() + 0.5))
