"""Fixtures: tenants with a secret marker each, callers of every kind, and a gateway on real backends."""

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
from tenancy.names import derive_document_id
from tenancy.tickets import Ticket, TicketAction, TicketIssuer
from tenantry_local.platform import Platform
from tenantry_local.tickets import ensure_private_key

from tests.support.backends.keycloak_users import People, open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.security.forgery import (
    change_claims,
    read_claims,
    remove_signature,
    sign_with_other_key,
    sign_with_public_key,
)
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

A, B, DEDICATED, SUSPENDED = "iso-a", "iso-b", "iso-dedicated", "iso-suspended"
MARKERS = {A: "ALPHA-7Q41", B: "BRAVO-9X52", DEDICATED: "DELTA-3K63"}
QUESTION = "What is the secret code word of the company?"
FILENAME = "secret.md"
LEEWAY_SECONDS = 5


def make_secret_document(tenant_id: str) -> bytes:
    """Return a document that differs between tenants only in its marker."""
    return f"# Secret\n\nThe secret code word of the company is {MARKERS[tenant_id]}.".encode()


@dataclass
class IsolationHarness:
    """The gateway with its backends, and an ``Authorization`` header for each kind of caller."""

    platform: Platform
    gateway: RunningGateway
    people: People
    qdrant: AsyncQdrantClient
    tickets: TicketIssuer
    headers: dict[str, str] = field(default_factory=dict)
    expired_at: float = 0.0

    def get_uid(self, tenant_id: str) -> str:
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

    async def upload_secret(self, tenant_id: str) -> str:
        """Upload a tenant's secret as one of its members; return the document id."""
        files, data = {"file": (FILENAME, make_secret_document(tenant_id))}, {"personaId": "finance"}
        response = await self.post("/v1/documents", f"person of {tenant_id}", files=files, data=data)
        assert response.status_code == 201, response.text
        return str(response.json()["documentId"])

    async def list_secrets_found(self, tenant_id: str) -> set[str]:
        """Return the markers that a search as that tenant finds."""
        body = {"query": QUESTION, "topK": 50}
        response = await self.post("/v1/search", f"person of {tenant_id}", json=body)
        assert response.status_code == 200, response.text
        return {marker for marker in MARKERS.values() if marker in response.text}


def _make_manifests() -> list[dict[str, Any]]:
    def make_manifest(tenant_id: str, **spec: Any) -> dict[str, Any]:
        people = {"emails": [f"*@{tenant_id}.example"], "admins": [f"anna@{tenant_id}.example"]}
        return make_tenant_manifest(tenant_id, identity=people, quota=PLENTY, **spec)

    return [
        make_manifest(A),
        make_manifest(B, personas=[{"id": "finance"}, {"id": "only-in-b"}]),
        make_manifest(DEDICATED, tier="dedicated"),
        make_manifest(SUSPENDED, suspended=True),
    ]


@pytest.fixture(scope="session")
async def harness(platform: Platform) -> AsyncIterator[IsolationHarness]:
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        await make_collection(qdrant, dedicated_to=DEDICATED)
        with apply_tenants(platform, *_make_manifests()):
            async with run_gateway(platform) as gateway:
                await wait_until(lambda: all(gateway.context.registry.get(t) for t in (*MARKERS, SUSPENDED)))
                tickets = TicketIssuer(json.loads(ensure_private_key(platform.context.state).read_text()))
                harness = IsolationHarness(platform, gateway, people, qdrant, tickets)
                await _add_people(harness)
                await _forge_tokens(harness)
                await _forge_tickets(harness)
                for tenant_id in MARKERS:
                    await harness.upload_secret(tenant_id)
                yield harness


async def _add_people(harness: IsolationHarness) -> None:
    """Create callers of every kind and log them in."""
    people = harness.people
    registry = harness.gateway.context.registry
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
        "person of a suspended tenant": (f"emil@{SUSPENDED}.example", []),
        "in A's group": (f"gina@{A}.example", [f"/tenants/tenant-{A}"]),
        "in A's group without an address of A's": ("paul@iso-elsewhere.example", [f"/tenants/tenant-{A}"]),
        "in no group, address of no tenant": ("nemo@iso-elsewhere.example", []),
        "address that only ends like B's": (f"eve@x{B}.example", []),
        "address that only begins like B's": (f"eve@{B}.example.evil.example", []),
        "in two tenants' groups": (
            "twofold@iso-elsewhere.example",
            [f"/tenants/tenant-{A}", f"/tenants/tenant-{B}"],
        ),
        "in A's group with B's address": (f"double@{B}.example", [f"/tenants/tenant-{A}"]),
        "in the group of a deleted tenant": (
            "ghost@iso-elsewhere.example",
            ["/tenants/tenant-iso-gone"],
        ),
        "in a group of B's name elsewhere": ("luke@iso-elsewhere.example", [f"/tenant-{B}"]),
        "in a sub-group of B's": ("temp@iso-elsewhere.example", [f"/tenants/tenant-{B}/contractors"]),
    }
    lookalikes = {
        "in a top-level group named like B's path": "lois@iso-elsewhere.example",
        "with B's address, in a top-level group named like B's path": f"lena@{B}.example",
    }
    for caller, (email, groups) in (
        emails | {name: (email, []) for name, email in lookalikes.items()}
    ).items():
        await people.add(email, groups=groups)
        if caller in lookalikes:
            await people.add_namesake_group(email, f"tenants/tenant-{B}")
        harness.headers[caller] = f"Bearer {await people.fetch_token(email)}"


async def _forge_tokens(harness: IsolationHarness) -> None:
    """Create forged tokens for B from a valid token of A."""
    people, headers = harness.people, harness.headers
    login = await people.log_in(f"anna@{A}.example")
    good: str = login["access_token"]
    b: dict[str, Any] = {"groups": [f"/tenants/tenant-{B}"], "email": f"berta@{B}.example"}
    (key,) = [RSAKey.import_key(jwk) for jwk in (await people.fetch_keys())["keys"] if jwk["use"] == "sig"]
    await people.add_client("iso-short", attributes={"access.token.lifespan": "1"})
    expired = (await people.log_in(f"anna@{A}.example", client_id="iso-short"))["access_token"]
    harness.expired_at = read_claims(expired)["exp"] + LEEWAY_SECONDS
    other_app = (await people.log_in(f"anna@{A}.example", client_id="other-app"))["access_token"]
    forged = {
        "garbage": "garbage",
        "three dots": "a.b.c",
        "claims changed": change_claims(good, **b),
        "alg none": remove_signature(good, **b),
        "alg None": remove_signature(good, "None", **b),
        "alg empty": remove_signature(good, "", **b),
        "HMAC with the public key (PEM)": sign_with_public_key(good, key.as_pem(private=False), **b),
        "HMAC with the public key (DER)": sign_with_public_key(good, key.as_der(private=False), **b),
        "signed with another key": sign_with_other_key(good, **b),
        "signed with another key in its header": sign_with_other_key(good, header={"jwk": ...}, **b),
        "signed with another key, unknown key id": sign_with_other_key(good, header={"kid": "unknown"}, **b),
        "of a foreign issuer": sign_with_other_key(good, iss="https://evil.example/realms/tenantry", **b),
        "expired": expired,
        "for another audience": other_app,
        "of another realm": await people.fetch_admin_token(),
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
        "address of B that is not verified": f"Bearer {await _get_unverified_token(people)}",
    }
    headers["two tokens in one header"] = f"Bearer {good}, Bearer {good}"


async def _get_unverified_token(people: People) -> str:
    """Return a token of a person whose address is no longer verified since their login."""
    email = f"mallory@{B}.example"
    await people.add(email)
    login = await people.log_in(email)
    await people.verify(email, verified=False)
    token: str = (await people.refresh(login["refresh_token"]))["access_token"]
    assert read_claims(token)["email_verified"] is False
    return token


async def _forge_tickets(harness: IsolationHarness) -> None:
    """Create tickets for A's document, and forged tickets for B's document."""
    uid, suspended = harness.get_uid(A), harness.get_uid(SUSPENDED)
    mine = Ticket(A, uid, "finance", "doc-1", FILENAME)
    good = harness.tickets.issue(mine)
    jwk = json.loads(ensure_private_key(harness.platform.context.state).read_text())
    public = OKPKey.import_key(jwk)
    forged = {
        "ticket": good,
        "ticket as a token": good,
        "ticket to list": harness.tickets.issue(Ticket(A, uid, action=TicketAction.LIST)),
        "ticket to delete": harness.tickets.issue(replace(mine, action=TicketAction.DELETE)),
        "ticket to delete a document that A does not have": harness.tickets.issue(
            Ticket(
                A, uid, "finance", derive_document_id(B, "finance", FILENAME), FILENAME, TicketAction.DELETE
            )
        ),
        "ticket of a suspended tenant to list": harness.tickets.issue(
            Ticket(SUSPENDED, suspended, action=TicketAction.LIST)
        ),
        "ticket, expired": harness.tickets.issue(mine, lifetime=-60),
        "ticket for another service": harness.tickets.issue(mine, audience="file-sync"),
        "ticket, tenant changed": change_claims(good, tenant_id=B),
        "ticket, alg none": remove_signature(good, tenant_id=B),
        "ticket, HMAC with the public key": sign_with_public_key(
            good, public.as_pem(private=False), tenant_id=B
        ),
        "ticket, signed with another key": sign_with_other_key(good, tenant_id=B),
        "ticket of a deleted tenant": harness.tickets.issue(
            Ticket("iso-gone", uid, "finance", "doc-1", FILENAME)
        ),
        "ticket of a suspended tenant": harness.tickets.issue(
            Ticket(SUSPENDED, suspended, "finance", "doc-1", FILENAME)
        ),
        "ticket for an unknown persona": harness.tickets.issue(
            Ticket(A, uid, "only-in-b", "doc-1", FILENAME)
        ),
        "ticket of an earlier tenant of that name": harness.tickets.issue(replace(mine, tenant_uid="0b1f")),
        "ticket for a missing document": harness.tickets.issue(Ticket(A, uid, "finance", "doc-9", FILENAME)),
        "ticket with a path traversal": sign_invalid_ticket(
            harness.tickets, mine, persona_id=f"../../tenant-{B}"
        ),
    }
    harness.headers.update({name: f"Ticket {ticket}" for name, ticket in forged.items()})
    harness.headers["ticket as a token"] = f"Bearer {good}"


def sign_invalid_ticket(issuer: TicketIssuer, ticket: Ticket, **claims: Any) -> str:
    """Return a ticket that the issuer refuses to create, with the issuer's valid signature."""
    now = int(time.time())
    base = {"iss": "tenantry-tickets", "aud": "gateway", "exp": now + 60, **vars(ticket), **claims}
    header = {"alg": "Ed25519", "kid": issuer._key.kid}
    return jwt.encode(header, base, issuer._key, algorithms=["Ed25519"])


@pytest.fixture(scope="session")
async def wait_for_expiry(harness: IsolationHarness) -> None:
    """Wait until the short-lived token has expired, including the leeway for clocks."""
    await asyncio.sleep(max(0.0, harness.expired_at - time.time() + 0.5))
