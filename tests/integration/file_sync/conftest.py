"""Fixtures: two tenants with workspaces and people, a fake Open WebUI, a gateway and a file-sync replica."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from file_sync.sync.tenant_sync import SyncResult
from qdrant_client import AsyncQdrantClient
from tenancy.names import (
    build_deletions_key,
    build_held_deletions_key,
    build_released_deletions_key,
    build_trash_end_key,
    derive_file_document_id,
)
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.services import build_file_sync_env
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import People, open_people
from tests.support.backends.qdrant import count_points, delete_points, make_collection, open_qdrant
from tests.support.file_sync.replica import FakeN8nWebhook, FileSyncReplica, open_replica, serve_fake_n8n
from tests.support.open_webui.database import OpenWebUIWriter, create_fake_open_webui
from tests.support.programs.gateway import RunningGateway, run_gateway, set_environment
from tests.support.tenants.manifests import PLENTY, UNCACHED, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

A, B = "fs-alpha", "fs-beta"
PERSONAS = [{"id": "finance"}, {"id": "hr"}]


@dataclass
class FileSyncHarness:
    """Everything that file-sync reads and writes, for tests to inspect and change."""

    platform: Platform
    gateway: RunningGateway
    n8n: FakeN8nWebhook
    replica: FileSyncReplica
    owui: OpenWebUIWriter
    tenants: Tenants
    people: People
    qdrant: AsyncQdrantClient
    users: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)

    @cached_property
    def s3(self) -> Any:
        return Aws(self.platform.context).s3

    @property
    def program_env(self) -> dict[str, str]:
        """Return the environment of file-sync as a program, without its ports."""
        return {
            **build_file_sync_env(self.platform.context),
            "FILE_SYNC_DATABASE_URL": self.owui.url,
            "FILE_SYNC_GATEWAY_URL": self.gateway.url,
            "FILE_SYNC_UPLOAD_URL": self.n8n.url,
            "FILE_SYNC_DOCUMENT_BYTES": "1000000",
        }

    async def ensure_person(self, email: str, **account: Any) -> str:
        """Create a person in Keycloak with an account in Open WebUI; return the account's id.

        A verified person of an earlier test is used again, because a new person costs six calls of Keycloak.
        """
        if account or not await self._is_unchanged(email):
            await self._create_in_keycloak(email, **account)
        self.users[email] = self.owui.create_account(self.subjects[email])
        return self.users[email]

    async def _is_unchanged(self, email: str) -> bool:
        """Return True if a person exists and no test has changed address, verification or status."""
        if email not in self.subjects:
            return False
        user = await self.people._call_admin_api("GET", f"users/{self.subjects[email]}", ok=(404,))
        return (user.get("email"), user.get("emailVerified"), user.get("enabled")) == (email, True, True)

    async def _create_in_keycloak(self, email: str, **account: Any) -> None:
        for known in await self.people._call_admin_api(
            "GET", "users", params={"username": email, "exact": "true"}
        ):
            # A person who moved has another address.
            await self.people._call_admin_api("DELETE", f"users/{known['id']}")
        await self.people.add(email, **account)
        self.subjects[email] = await self.people.fetch_subject(email)
        self.tokens[email] = await self.people.fetch_token(email)

    def get_knowledge_id(self, tenant_id: str, persona_id: str = "finance") -> str:
        return f"kb-{tenant_id}-{persona_id}"

    def give(self, owner: str, filename: str, text: str, tenant_id: str, persona_id: str = "finance") -> str:
        """Upload a file and add it to a persona's knowledge base; return the file's id."""
        file_id = self.owui.upload(owner, filename, text.encode())
        self.owui.add_to_knowledge(file_id, self.get_knowledge_id(tenant_id, persona_id))
        return file_id

    async def sync_until_stable(self, tenant_id: str) -> SyncResult:
        return await self.replica.sync_until_stable(tenant_id)

    def list_keys(self, tenant_id: str) -> list[str]:
        """Return the names of the tenant's objects outside the trash: persona, document and file."""
        listed = self.s3.list_objects_v2(
            Bucket=BUCKET, Prefix=f"tenant-{tenant_id}/", StartAfter=build_trash_end_key(tenant_id)
        )
        return [each["Key"].partition("/")[2] for each in listed.get("Contents", [])]

    def build_key(self, file_id: str, filename: str, persona_id: str = "finance") -> str:
        return f"{persona_id}/documents/{derive_file_document_id(file_id)}/{filename}"

    async def get_states(self, tenant_id: str) -> dict[str, str]:
        """Return the state of each document by its file name."""
        tenant = self.replica.registry.get(tenant_id)
        assert tenant
        listed = await self.replica.gateway.list_documents(tenant)
        assert len({each.id for each in listed}) == len(listed), "each document is returned once"
        return {each.filename: each.state for each in listed}

    async def count_points(self, tenant_id: str) -> int:
        return await count_points(self.qdrant, f"tenant-{tenant_id}")

    async def search(self, email: str, query: str, persona_id: str | None = None) -> list[dict[str, Any]]:
        body = {"query": query, "topK": 20} | ({"personaId": persona_id} if persona_id else {})
        headers = {"Authorization": f"Bearer {self.tokens[email]}"}
        response = await self.gateway.http.post("/v1/search", json=body, headers=headers)
        assert response.status_code == 200, response.text
        passages: list[dict[str, Any]] = response.json()["passages"]
        return passages

    async def post(self, email: str, path: str) -> None:
        """Call the gateway as a person, and check that the call succeeds."""
        headers = {"Authorization": f"Bearer {self.tokens[email]}"}
        response = await self.gateway.http.post(path, headers=headers)
        assert response.is_success, response.text

    async def decide(self, tenant_id: str, decision: str) -> None:
        """Release or reject the tenant's held deletions, as its administrator."""
        email = f"boss@{tenant_id}.example"
        if email not in self.tokens:
            await self.ensure_person(email)
        await self.post(email, f"/v1/deletions/{decision}")

    async def patch(self, tenant_id: str, spec: dict[str, Any]) -> None:
        """Change a Tenant, and wait until the registry has the change."""
        generation = self.tenants.patch(tenant_id, {"spec": spec})["metadata"]["generation"]

        def is_observed() -> bool:
            tenant = self.replica.registry.get(tenant_id)
            return tenant is not None and tenant.metadata.generation >= generation

        await wait_until(is_observed)

    async def delete_all(self) -> None:
        """Delete all files, accounts, objects and points."""
        self.n8n.response, self.n8n.lose_next = None, 0
        self.replica.tenant_sync.close()
        self.owui.execute('truncate "file", chat, knowledge_file, chat_file, chat_message, "user"')
        for bucket, prefix in ((BUCKET, f"tenant-{A}/"), (BUCKET, f"tenant-{B}/")):
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
            for each in listed:
                self.s3.delete_object(Bucket=bucket, Key=each["Key"])
        for tenant_id in (A, B):
            await delete_points(self.qdrant, f"tenant-{tenant_id}")
            await self.reset_deletions(tenant_id)

    async def reset_deletions(self, tenant_id: str) -> None:
        """Reset the counters of a tenant's deletions."""
        if tenant := self.gateway.context.registry.get(tenant_id):
            redis = self.gateway.context.deletions._redis
            counted = (build_deletions_key, build_held_deletions_key, build_released_deletions_key)
            await redis.execute(tenant, "test", *(("UNLINK", key(tenant.id, tenant.uid)) for key in counted))


@pytest.fixture(scope="session")
def owui(platform: Platform) -> Iterator[OpenWebUIWriter]:
    with create_fake_open_webui(platform) as database:
        yield database


@pytest.fixture(scope="session")
async def open_harness(platform: Platform, owui: OpenWebUIWriter) -> AsyncIterator[FileSyncHarness]:
    manifests = [
        make_tenant_manifest(
            each,
            identity={"emails": [f"*@{each}.example"], "admins": [f"boss@{each}.example"]},
            personas=PERSONAS,
            quota=PLENTY,
            model=UNCACHED,
        )
        for each in (A, B)
    ]
    env = build_file_sync_env(platform.context)
    aws_files = {name: env[name] for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        with apply_tenants(platform, *manifests) as tenants, set_environment(aws_files):
            async with (
                run_gateway(platform) as gateway,
                serve_fake_n8n(gateway.url) as n8n,
                open_replica(
                    platform,
                    database_url=owui.url,
                    gateway_url=gateway.url,
                    upload_url=n8n.url,
                    registry=gateway.context.registry,
                ) as replica,
            ):
                harness = FileSyncHarness(platform, gateway, n8n, replica, owui, tenants, people, qdrant)
                for tenant_id in (A, B):
                    knowledge = [
                        {"persona": each["id"], "id": harness.get_knowledge_id(tenant_id, each["id"])}
                        for each in PERSONAS
                    ]
                    workspace = {"groupId": f"group-{tenant_id}", "knowledge": knowledge}
                    tenants.patch_status(tenant_id, {"status": {"workspace": workspace}})
                    for each in knowledge:
                        owui.create_knowledge(each["id"])

                def is_known() -> bool:
                    found = [replica.registry.get(each) for each in (A, B)]
                    return all(tenant and tenant.status.workspace for tenant in found)

                await wait_until(is_known)
                yield harness


@pytest.fixture
async def harness(open_harness: FileSyncHarness) -> AsyncIterator[FileSyncHarness]:
    await open_harness.delete_all()
    yield open_harness
    for tenant_id in (A, B):
        await open_harness.patch(tenant_id, {"suspended": False, "quota": {"documents": 10_000}})


@pytest.fixture
async def anna(harness: FileSyncHarness) -> str:
    """Return the account of a person of tenant A."""
    return await harness.ensure_person(f"anna@{A}.example")


@pytest.fixture
async def bob(harness: FileSyncHarness) -> str:
    """Return the account of a person of tenant B."""
    return await harness.ensure_person(f"bob@{B}.example")


@pytest.fixture
def unique_word() -> str:
    """Return a word that no document of another test contains."""
    return f"w{uuid.uuid4().hex[:10]}"
