"""Fixtures for tests of the HTTP API: the application on fakes."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from fastapi import FastAPI
from gateway.answers.cached_service import CachedAnswerService
from gateway.answers.service import AnswerService
from gateway.app import make_app
from gateway.concurrency import ConcurrencyLimiter
from gateway.context import GatewayContext
from gateway.documents.catalog import Catalog
from gateway.documents.reader import DocumentReader
from gateway.documents.rejection import DeletionRejection
from gateway.documents.service import DocumentService
from gateway.idempotency_store import IdempotencyStore
from gateway.retrieval.service import RetrievalService
from gateway.settings import GatewaySettings
from joserfc.jwk import OKPKey
from pydantic import SecretStr
from tenancy.call_limiter import CallLimiter
from tenancy.directory import Directory
from tenancy.errors import TokenRefused
from tenancy.identity import Claims, TokenVerifier
from tenancy.model import Tenant
from tenancy.tickets import TicketIssuer, TicketVerifier

from tests.support.fakes.answer_cache import FakeAnswerCache
from tests.support.fakes.backends import FakeBedrock, FakeObjects, FakeVectors
from tests.support.fakes.deletions import FakeDeletionLimit
from tests.support.fakes.idempotency_redis import FakeIdempotencyRedis
from tests.support.fakes.journal import FakeJournal
from tests.support.fakes.limits import (
    FakeBudget,
    FakeRateLimiter,
    FakeStorageQuota,
    FakeUsage,
    make_token_meter,
)
from tests.support.fakes.trash import make_trash
from tests.support.tenants.manifests import make_tenant, make_uid

if TYPE_CHECKING:
    from servicekit.web.readiness import Readiness
    from tenancy.registry import TenantRegistry

DOCUMENT_BYTES = 100_000


@dataclass
class FakeTokenVerifier:
    """Fake verifier: ``person-x``, ``colleague-x`` and ``admin-x`` are tokens of members of tenant x."""

    async def verify(self, token: str) -> Claims:
        kind, _, tenant_id = token.partition("-")
        if kind not in ("person", "admin", "colleague"):
            raise TokenRefused("The access token is not valid.")
        group = f"/tenants/tenant-{tenant_id}" + ("/admins" if kind == "admin" else "")
        subject = "colleague" if kind == "colleague" else "subject"
        return Claims(
            subject=f"{subject}-{tenant_id}",
            email=f"{kind}@{tenant_id}.example",
            email_verified=True,
            groups=frozenset({group}),
            tenant_uids=frozenset({make_uid(tenant_id)}),
        )


@dataclass
class FakeRegistry:
    """Fake registry of some Tenants."""

    tenants: list[Tenant]
    synced: bool = True
    listeners: list[Callable[[], None]] = field(default_factory=list)

    @contextmanager
    def subscribe(self, tenant_id: str, changed: Callable[[], None]) -> Iterator[None]:
        self.listeners.append(changed)
        try:
            yield
        finally:
            self.listeners.remove(changed)

    def replace(self, tenant: Tenant) -> None:
        """Replace a Tenant and notify the listeners, as the watch does."""
        self.tenants = [tenant if listed.id == tenant.id else listed for listed in self.tenants]
        for changed in list(self.listeners):
            changed()

    @property
    def directory(self) -> Directory:
        return Directory(self.tenants)

    def list_tenants(self) -> tuple[Tenant, ...]:
        return tuple(self.tenants)

    def get(self, tenant_id: str) -> Tenant | None:
        return next((tenant for tenant in self.tenants if tenant.id == tenant_id), None)


@dataclass
class FakeReadiness:
    """Fake readiness that the test sets."""

    waits_for: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def list_missing(self) -> list[str]:
        return self.waits_for


@dataclass
class GatewayHarness:
    """The application, a client of it, and its fakes."""

    app: FastAPI
    http: httpx.AsyncClient
    registry: FakeRegistry
    readiness: FakeReadiness
    issuer: TicketIssuer
    bedrock: FakeBedrock
    objects: FakeObjects
    vectors: FakeVectors
    rate: FakeRateLimiter
    budget: FakeBudget
    usage: FakeUsage
    journal: FakeJournal
    keys: FakeIdempotencyRedis

    async def get(self, path: str, *, as_: str, **arguments: Any) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": as_}, **arguments)

    async def post(
        self, path: str, *, as_: str = "Bearer person-tenanta", **arguments: Any
    ) -> httpx.Response:
        return await self.http.post(path, headers={"Authorization": as_} if as_ else {}, **arguments)

    async def upload(
        self, name: str = "a.md", content: bytes = b"The budget is $5.", **form: str
    ) -> httpx.Response:
        return await self.post(
            "/v1/documents", files={"file": (name, content)}, data={"personaId": "finance", **form}
        )


@pytest.fixture(scope="session")
async def reader() -> AsyncIterator[DocumentReader]:
    reader = DocumentReader(processes=1, seconds=20, cpu_seconds=20, tokens=360, overlap=54, max_chunks=100)
    yield reader
    await reader.close()


@pytest.fixture
async def harness(reader: DocumentReader) -> AsyncIterator[GatewayHarness]:
    settings = GatewaySettings(
        bucket="documents",
        tenant_role_arn="arn:aws:iam::0:role/x",
        model_role_arn="arn:aws:iam::0:role/y",
        qdrant_url="http://qdrant.test",
        redis_url=SecretStr("redis://redis.test"),
        oidc_issuer="http://keycloak.test/realms/tenantry",
        ticket_jwks=Path("unused"),
        document_bytes=DOCUMENT_BYTES,
    )
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    bedrock, objects, vectors = FakeBedrock(), FakeObjects(), FakeVectors()
    registry = FakeRegistry(
        [
            make_tenant("tenanta"),
            make_tenant("tenantb"),
            make_tenant("sleeping", suspended=True),
            make_tenant("leaving", deleting=True),
        ]
    )
    readiness = FakeReadiness()
    rate, budget, usage, journal = FakeRateLimiter(), FakeBudget(), FakeUsage(), FakeJournal()
    retrieval = RetrievalService(
        bedrock.cast_to_real_class(), vectors.cast_to_real_class(), usage.cast_to_real_class()
    )
    token_meter, keys = make_token_meter(budget, usage), FakeIdempotencyRedis()
    cache = FakeAnswerCache()
    answers = AnswerService(
        retrieval,
        bedrock.cast_to_real_class(),
        token_meter,
        models=["the-model"],
        max_tokens=100,
        history_tokens=200,
        context_tokens=1000,
    )
    documents = DocumentService(
        reader,
        bedrock.cast_to_real_class(),
        objects.cast_to_real_class(),
        vectors.cast_to_real_class(),
        FakeStorageQuota().cast_to_real_class(),
        usage.cast_to_real_class(),
        journal.cast_to_real_class(),
        max_bytes=DOCUMENT_BYTES,
    )
    trash = make_trash(objects, vectors, documents)
    deletions = FakeDeletionLimit().cast_to_real_class()
    catalog = Catalog(
        objects.cast_to_real_class(),
        vectors.cast_to_real_class(),
        FakeStorageQuota().cast_to_real_class(),
        journal.cast_to_real_class(),
        trash,
        deletions,
    )
    app = make_app(settings)
    app.state.context = GatewayContext(
        settings=settings,
        registry=cast("TenantRegistry", registry),
        tokens=cast("TokenVerifier", FakeTokenVerifier()),
        tickets=TicketVerifier({"keys": [key.as_dict(private=False)]}),
        documents=documents,
        catalog=catalog,
        trash=trash,
        deletions=deletions,
        rejection=DeletionRejection(catalog, trash, deletions),
        idempotency=IdempotencyStore(keys.cast_to_real_class()),
        ingests=ConcurrencyLimiter(
            "ingests", max_concurrent=4, max_waiting=0, wait_seconds=1, max_per_tenant=2
        ),
        retrieval=retrieval,
        answers=CachedAnswerService(answers, cache.cast_to_real_class(), usage.cast_to_real_class()),
        rate=rate.cast_to_real_class(),
        calls=CallLimiter(settings.calls_per_minute),
        budget=budget.cast_to_real_class(),
        usage=usage.cast_to_real_class(),
        readiness=cast("Readiness", readiness),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        issuer = TicketIssuer(key.as_dict(private=True))
        yield GatewayHarness(
            app,
            http,
            registry,
            readiness,
            issuer,
            bedrock,
            objects,
            vectors,
            rate,
            budget,
            usage,
            journal,
            keys,
        )
