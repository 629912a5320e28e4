"""The application over fakes: HTTP in, HTTP out, no program behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from fastapi import FastAPI
from gateway.answers.service import AnswerService
from gateway.app import make_app
from gateway.context import ProcessContext, Readiness
from gateway.documents.catalog import Catalog
from gateway.documents.reader import DocumentReader
from gateway.documents.service import DocumentService
from gateway.retrieval.service import RetrievalService
from gateway.settings import Settings
from joserfc.jwk import OKPKey
from tenancy.errors import TokenRefused
from tenancy.identity import Claims, TokenVerifier
from tenancy.model import Tenant
from tenancy.tickets import TicketIssuer, TicketVerifier

from tests.support.backends import FakeBedrock, FakeObjects, FakeVectors
from tests.support.tenants import make_tenant

if TYPE_CHECKING:
    from tenancy.registry import TenantRegistry

DOCUMENT_BYTES = 100_000


@dataclass
class FakeTokens:
    """Takes ``person-x`` for a token of x, who is in the group of tenant x."""

    async def verify(self, token: str) -> Claims:
        if not token.startswith("person-"):
            raise TokenRefused("The access token does not hold.")
        tenant_id = token.removeprefix("person-")
        return Claims(subject=f"subject-{tenant_id}", groups=frozenset({f"/tenants/tenant-{tenant_id}"}))


@dataclass
class FakeRegistry:
    """Knows some Tenants."""

    tenants: list[Tenant]
    synced: bool = True

    def all(self) -> tuple[Tenant, ...]:
        return tuple(self.tenants)

    def get(self, tenant_id: str) -> Tenant | None:
        return next((tenant for tenant in self.tenants if tenant.id == tenant_id), None)


@dataclass
class FakeReadiness:
    """As ready as the test says."""

    waits_for: list[str] = field(default_factory=list)
    alive: bool = True

    async def missing(self) -> list[str]:
        return self.waits_for


@dataclass
class World:
    """The application, a client of it, and what is behind it."""

    app: FastAPI
    http: httpx.AsyncClient
    registry: FakeRegistry
    readiness: FakeReadiness
    issuer: TicketIssuer
    bedrock: FakeBedrock
    objects: FakeObjects
    vectors: FakeVectors

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
    reader = DocumentReader(processes=1, seconds=20, tokens=360, overlap=54, max_chunks=100)
    yield reader
    await reader.close()


@pytest.fixture
async def world(reader: DocumentReader) -> AsyncIterator[World]:
    settings = Settings(
        bucket="documents",
        tenant_role_arn="arn:aws:iam::0:role/x",
        qdrant_url="http://qdrant.test",
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
    retrieval = RetrievalService(bedrock.as_adapter(), vectors.as_adapter())
    app = make_app(settings)
    app.state.context = ProcessContext(
        settings=settings,
        registry=cast("TenantRegistry", registry),
        tokens=cast("TokenVerifier", FakeTokens()),
        tickets=TicketVerifier({"keys": [key.as_dict(private=False)]}),
        documents=DocumentService(
            reader, bedrock.as_adapter(), objects.as_adapter(), vectors.as_adapter(), max_bytes=DOCUMENT_BYTES
        ),
        catalog=Catalog(objects.as_adapter(), vectors.as_adapter()),
        retrieval=retrieval,
        answers=AnswerService(retrieval, bedrock.as_adapter(), default_model="the-model", max_tokens=100),
        readiness=cast("Readiness", readiness),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        issuer = TicketIssuer(key.as_dict(private=True))
        yield World(app, http, registry, readiness, issuer, bedrock, objects, vectors)
