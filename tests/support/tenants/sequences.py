"""Harness for Tenants that are recreated under one name, with a gateway and an operator."""

import asyncio
import functools
import json
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from qdrant_client import AsyncQdrantClient, models
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from tenancy.tickets import Ticket, TicketAction, TicketIssuer
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.redis import Redis as RedisPart
from tenantry_local.platform import Platform
from tenantry_local.tickets import ensure_private_key

from tests.support.backends.api_server import Tenants, open_admin_client
from tests.support.backends.keycloak_users import People, open_people
from tests.support.backends.qdrant import open_qdrant
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.programs.operator_program import run_operator
from tests.support.tenants.manifests import PLENTY, make_tenant_manifest
from tests.support.timing.waiting import wait_until

__all__ = ["SLOTS", "TENANTS_PER_SEQUENCE", "RecreatedTenant", "SequenceHarness", "open_sequence_harness"]

SLOTS = 8
"""Number of concurrent sequences, each with a separate name and separate people."""

TENANTS_PER_SEQUENCE = 4
TIMEOUT_SECONDS = 90
"""Time until a Tenant must be Ready or deleted: a deletion waits up to 30 s for the lease of a write."""

LOG_LINES = 40
"""Lines of the operator's log in the message of a failure."""

MAX_ATTEMPTS = 5
"""Attempts of a request after a 503 or a lost connection."""

FILENAME = "secret.md"
QUESTION = "What is the secret code word of the company?"
LABEL = ("tenantry-tests", "sequences")
KEY = {"Idempotency-Key": '"the-same-for-every-tenant"'}


@dataclass
class RecreatedTenant:
    """One of several Tenants of the same name."""

    tier: str
    end: str
    emails: list[str]
    marker: str
    uid: str = ""
    tickets: list[str] = field(default_factory=list)
    clients: "dict[str, SequenceClient]" = field(default_factory=dict)
    answer_kept: bool = False

    @classmethod
    def make_random(cls, chance: random.Random, people: Sequence[str], number: int) -> "RecreatedTenant":
        ann, ben = people
        emails = chance.choice([[ann], [ben], [ann, ben]])
        return cls(
            tier=chance.choice(["pooled", "dedicated"]),
            # abandoned: the test removes the Tenant's finalizers during the deletion
            end=chance.choice(["Retain", "Delete", "abandoned"]),
            emails=emails,
            marker=f"LIFE-{number}-{chance.getrandbits(48):012X}",
        )


@dataclass
class SequenceHarness:
    """The gateway with its backends, and the operator as a separate program."""

    platform: Platform
    gateway: RunningGateway
    tenants: Tenants
    people: People
    qdrant: AsyncQdrantClient
    tickets: TicketIssuer
    operator_log: Path

    @functools.cached_property
    def _aws(self) -> Aws:
        return Aws(self.platform.context)

    async def add_people(self, company: str) -> list[str]:
        """Add two people that no Tenant has claimed, because the group of a deleted Tenant keeps its
        members."""
        emails = [f"{who}@{company}.example" for who in ("ann", "ben")]
        for email in emails:
            await self.people.add(email)
        return emails

    async def clear(self) -> None:
        """Delete every Tenant of these tests, and wait until the gateway's registry has none of them."""
        await asyncio.to_thread(self.tenants.delete_all, "=".join(LABEL))
        await self.gateway.context.registry.wait_synced()
        names = ("sequence-", "race-", "late")
        known = self.gateway.context.registry.list_tenants
        await wait_until(
            lambda: not [tenant for tenant in known() if tenant.id.startswith(names)], seconds=TIMEOUT_SECONDS
        )

    async def begin(self, name: str, tenant: RecreatedTenant) -> None:
        """Create the Tenant and wait until the gateway serves it."""
        policy = "Retain" if tenant.end == "abandoned" else tenant.end
        manifest = make_tenant_manifest(
            name,
            tier=tenant.tier,
            deletionPolicy=policy,
            identity={"emails": tenant.emails, "admins": tenant.emails[:1]},
            quota=PLENTY,
        )
        manifest["metadata"]["labels"] = dict([LABEL])
        tenant.uid = (await asyncio.to_thread(self.tenants.create, manifest))["metadata"]["uid"]

        def is_served() -> bool:
            known = self.gateway.context.registry.get(name)
            ready = known and known.uid == tenant.uid and known.status.get_condition("Ready")
            return bool(ready and ready.status == "True")

        try:
            await wait_until(is_served, seconds=TIMEOUT_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{name} ({tenant.uid}) is not Ready: {self._describe(name)}") from None

    async def finish(self, name: str, tenant: RecreatedTenant) -> None:
        """Delete the Tenant and wait until the gateway's registry does not have it."""
        await self.gateway.context.usage.flush()
        if tenant.end == "abandoned":
            await asyncio.to_thread(self.tenants.patch, name, {"metadata": {"finalizers": None}})
        await asyncio.to_thread(self.tenants.delete, name)
        try:
            await wait_until(lambda: self.gateway.context.registry.get(name) is None, seconds=TIMEOUT_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{name} ({tenant.uid}) is not gone: {self._describe(name)}") from None

    def _describe(self, name: str) -> str:
        """Return the state of a Tenant in the API server and the gateway, and the operator's log about it."""
        stored, known = self.tenants.get(name), self.gateway.context.registry.get(name)
        lines = [line for line in self.operator_log.read_text().splitlines() if f'"{name}"' in line]
        return "\n".join(
            [json.dumps(stored), f"the gateway has uid {known.uid if known else None}", *lines[-LOG_LINES:]]
        )

    async def get_visible_text(self, tenant: RecreatedTenant, earlier: list[RecreatedTenant]) -> str:
        """Return all responses to the members of a new Tenant, by every route, before its first document."""
        shown = []
        for email in tenant.emails:
            token = await self.people.fetch_token(email)
            ask = tenant.clients[email] = SequenceClient(
                self.gateway.http, {"Authorization": f"Bearer {token}"}
            )
            if email == tenant.emails[0]:
                today = f"{datetime.now(UTC):%Y-%m-%d}"
                usage = await ask.get(f"/v1/usage?from={today}&to={today}")
                assert usage.json()["rows"] == [], "the new Tenant has usage"
            replies = [
                await ask.get("/v1/documents"),
                await ask.post("/v1/search", {"query": QUESTION, "topK": 50}),
                await ask.post("/v1/answers", {"question": QUESTION}),
            ]
            for old in earlier:
                document_id = old.tickets[0].partition(" ")[2]
                replies.append(await ask.get(f"/v1/documents/{document_id}"))
                assert replies[-1].status_code == 404
            if email == tenant.emails[0]:
                neutral = await ask.upload("neutral.md", b"# Neutral\n\nThe quay is closed on Sundays.", KEY)
                assert neutral.status_code == 201, neutral.text
                assert "idempotent-replayed" not in neutral.headers, (
                    "the response is that of an earlier Tenant"
                )
                replies.append(neutral)
            shown += replies
        for old in earlier:
            for secret in old.tickets[1:]:
                ask = SequenceClient(self.gateway.http, {"Authorization": secret})
                statuses = ((await ask.get("/v1/documents")).status_code, (await ask.upload()).status_code)
                assert statuses == (401, 401), "a ticket of an earlier Tenant is accepted"
            for ask in old.clients.values():
                refused = await ask.get("/v1/documents")
                assert refused.status_code in (401, 403), "a token of an earlier Tenant is accepted"
        return "\n".join(response.text for response in shown)

    async def store_document(self, name: str, tenant: RecreatedTenant) -> None:
        """Store a document and find it by every route."""
        ask = tenant.clients[tenant.emails[0]]
        text = f"# Secret\n\nThe secret code word of the company is {tenant.marker}."
        stored = await ask.upload(FILENAME, text.encode())
        assert stored.status_code == 201, stored.text
        response = await ask.post("/v1/search", {"query": QUESTION, "topK": 50})
        assert tenant.marker in response.text
        answers = [await ask.post("/v1/answers", {"question": QUESTION}) for _ in range(2)]
        assert all(tenant.marker in answer.text for answer in answers)
        tenant.answer_kept = answers[1].json()["cached"]
        document_id = stored.json()["documentId"]
        named = [
            Ticket(name, tenant.uid, action=TicketAction.LIST),
            Ticket(name, tenant.uid, "finance", document_id, FILENAME),
        ]
        tenant.tickets = [f"id {document_id}", *(f"Ticket {self.tickets.issue(ticket)}" for ticket in named)]

    async def store_remainders(self, name: str, tenant: RecreatedTenant) -> None:
        """Store points and answers of a deleted Tenant, as a failed deletion could leave them."""
        text = f"The secret code word of the company is {tenant.marker}."
        vector = {"dense": [1.0] + [0.0] * 767}
        for bound in ({"tenantUid": tenant.uid}, {}):
            payload: dict[str, Any] = {
                "tenantId": f"tenant-{name}", "personaId": "finance", "documentId": "left", "text": text,
                "filename": FILENAME, "version": "v", "chunk": 0, "chunks": 1, **bound,
            }  # fmt: skip
            point = models.PointStruct(id=str(uuid.uuid4()), vector=vector, payload=payload)
            await self.qdrant.upsert("digital_twin_knowledge", [point], wait=True)
        async with AsyncRedis.from_url(RedisPart(self.platform.context).url_with_password) as client:
            for prefix in (f"tenant-{name}:{tenant.uid}", f"tenant-{name}"):
                await client.hset(f"{prefix}:answers", mapping={"version": "v", "q": text})

    def get_bucket_contents(self, name: str) -> str:
        """Return the contents of all objects of a Tenant's name in the bucket, also of retained ones."""
        s3 = self._aws.s3
        prefixes = (f"tenant-{name}/", f"retained/tenant-{name}/")
        pages = [s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix) for prefix in prefixes]
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        contents = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
        return b"\n".join(contents).decode()

    def list_redis_keys(self, name: str) -> list[str]:
        """Return all Redis keys of a Tenant's name except tombstones, which remain for a month."""
        with Redis.from_url(RedisPart(self.platform.context).url_with_password) as client:
            keys = [key.decode() for key in client.scan_iter(match=f"tenant-{name}:*")]
        return sorted(key for key in keys if not key.endswith(":tombstone"))


@dataclass(frozen=True)
class SequenceClient:
    """Client of the gateway for one person."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str) -> httpx.Response:
        return await self._send("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        response = await self._send("POST", path, json=body)
        assert response.status_code == 200, response.text
        return response

    async def upload(
        self, name: str = FILENAME, content: bytes = b"", extra: dict[str, str] | None = None
    ) -> httpx.Response:
        form = {"files": {"file": (name, content)}, "data": {"personaId": "finance"}}
        return await self._send("POST", "/v1/documents", extra=extra, **form)

    async def _send(
        self, method: str, path: str, *, extra: dict[str, str] | None = None, **arguments: Any
    ) -> httpx.Response:
        """Send a request, with retries after a 503 or a lost connection, as clients do on a busy machine.

        The gateway closes the connection a second after it refuses an upload. So a slow client can lose the
        response.
        """
        headers = {**self.headers, **(extra or {})}
        for left in reversed(range(MAX_ATTEMPTS)):
            try:
                response = await self.http.request(method, path, headers=headers, **arguments)
            except httpx.TransportError:
                if not left:
                    raise
                continue
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(float(response.headers.get("retry-after", "1")))
        return response


@asynccontextmanager
async def open_sequence_harness(platform: Platform) -> AsyncIterator[SequenceHarness]:
    """Run a separate gateway and operator for these tests on the platform."""
    operator_log = platform.context.state / "logs" / "operator-of-sequences.log"
    operator_log.unlink(missing_ok=True)
    with open_admin_client(platform) as api:
        tenants = Tenants(api)
        async with (
            open_people(platform) as people,
            open_qdrant(platform) as qdrant,
            run_operator(platform, "tenant_operator", log=str(operator_log)),
            run_gateway(platform) as gateway,
        ):
            tickets = TicketIssuer(json.loads(ensure_private_key(platform.context.state).read_text()))
            harness = SequenceHarness(platform, gateway, tenants, people, qdrant, tickets, operator_log)
            await harness.clear()  # remainders of an interrupted run
            yield harness
            await harness.clear()
