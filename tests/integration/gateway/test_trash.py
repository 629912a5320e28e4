"""Tests of the trash on real backends, with S3 versions, the index and the expiry."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from tenancy.names import build_embeddings_prefix, build_removals_prefix, derive_document_id
from tenancy.tickets import Ticket, TicketAction
from tenantry_local.parts.aws import BUCKET
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import count_points
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import IntegrationHarness, make_ticket_issuer

TEXT = "\n\n".join(f"Ledger {number} says that the tide is high at noon. " * 15 for number in range(20))
SHORT_DAYS = 20 / 86_400
"""A retention of twenty seconds."""


@dataclass
class TrashUsers:
    """Users of a tenant of one gateway."""

    gateway: RunningGateway
    tenant_id: str
    tokens: dict[str, str]

    async def call(self, method: str, path: str, who: str = "anna", **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return await self.gateway.http.request(method, path, headers=headers, **arguments)

    @property
    def uid(self) -> str:
        tenant = self.gateway.context.registry.get(self.tenant_id)
        assert tenant
        return tenant.uid

    async def upload(self, name: str, text: str = TEXT, who: str = "anna") -> str:
        arguments: Any = {"files": {"file": (name, text.encode())}, "data": {"personaId": "finance"}}
        response = await self.call("POST", "/v1/documents", who, **arguments)
        assert response.status_code == 201, response.text
        return str(response.json()["documentId"])

    async def list_trash(self, who: str = "anna") -> list[dict[str, Any]]:
        response = await self.call("GET", "/v1/trash", who)
        assert response.status_code == 200, response.text
        removed: list[dict[str, Any]] = response.json()["documents"]
        return removed

    async def list_found(self, who: str = "anna") -> set[str]:
        """Return the documents that a search finds."""
        response = await self.call("POST", "/v1/search", who, json={"query": "tide at noon", "topK": 50})
        return {passage["documentId"] for passage in response.json()["passages"]}


@pytest.fixture
async def users(platform: Platform, harness: IntegrationHarness) -> AsyncIterator[TrashUsers]:
    tenant_id = f"trash-{uuid.uuid4().hex[:8]}"
    domain = f"{tenant_id}.example"
    identity = {"emails": [f"*@{domain}"], "admins": [f"boss@{domain}"]}
    with apply_tenants(platform, make_tenant_manifest(tenant_id, identity=identity, quota=PLENTY)):
        async with open_people(platform) as people:
            for who in ("anna", "ben", "boss"):
                await people.add(f"{who}@{domain}")
            tokens = {who: await people.fetch_token(f"{who}@{domain}") for who in ("anna", "ben", "boss")}
            await wait_until(lambda: harness.gateway.context.registry.get(tenant_id) is not None)
            yield TrashUsers(harness.gateway, tenant_id, tokens)


async def test_a_removed_document_is_restored_by_its_owner_without_a_new_embedding(
    users: TrashUsers, harness: IntegrationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = await users.upload("ledger.txt")
    kept = await users.upload("other.txt", "The tide is low at noon.")
    points = await count_points(harness.qdrant, f"tenant-{users.tenant_id}")
    assert (await users.call("DELETE", f"/v1/documents/{document_id}")).status_code == 204
    assert await users.list_found() == {kept}
    assert await count_points(harness.qdrant, f"tenant-{users.tenant_id}") == 1, (
        "no point of the document remains"
    )
    (removed,) = await users.list_trash()
    assert removed["documentId"] == document_id
    assert removed["removedBy"] == f"anna@{users.tenant_id}.example"
    until_when, when = (datetime.fromisoformat(removed[name]) for name in ("restorableUntil", "removedAt"))
    assert (until_when - when).days == 30

    async def embed(*_: Any, **__: Any) -> None:
        raise AssertionError("a restore must not embed anything")

    with monkeypatch.context() as patched:
        patched.setattr(users.gateway.context.documents._bedrock, "embed", embed)
        response = await users.call("POST", f"/v1/documents/{document_id}/restore")
    assert response.status_code == 201, response.text
    assert response.json()["documentId"] == document_id
    assert await users.list_found() == {kept, document_id}
    assert await count_points(harness.qdrant, f"tenant-{users.tenant_id}") == points
    assert not await users.list_trash()


async def test_a_removed_document_is_hidden_from_colleagues_and_restored_by_administrators(
    users: TrashUsers,
) -> None:
    document_id = await users.upload("ledger.txt")
    assert (await users.call("DELETE", f"/v1/documents/{document_id}", "boss")).status_code == 204
    assert not await users.list_trash("ben")
    refused = await users.call("POST", f"/v1/documents/{document_id}/restore", "ben")
    assert refused.status_code == 403, refused.text
    assert [removal["removedBy"] for removal in await users.list_trash("anna")] == [
        f"boss@{users.tenant_id}.example"
    ]
    assert (await users.call("POST", f"/v1/documents/{document_id}/restore", "boss")).status_code == 201
    assert (await users.call("DELETE", f"/v1/documents/{document_id}", "anna")).status_code == 204


async def test_a_restore_is_refused_while_another_document_has_the_name(
    users: TrashUsers,
) -> None:
    document_id = await users.upload("ledger.txt", "The tide is high at noon, says the first.")
    await users.call("DELETE", f"/v1/documents/{document_id}")
    (first,) = await users.list_trash()
    await users.upload("ledger.txt", "The tide is low at noon, says the second.")
    path = f"/v1/documents/{document_id}/restore"
    refused = await users.call("POST", path)
    assert refused.status_code == 409, refused.text
    assert refused.json()["type"].endswith("/document-exists")
    assert "ledger.txt" in refused.json()["detail"]
    await users.call("DELETE", f"/v1/documents/{document_id}")
    assert len(await users.list_trash()) == 2
    assert (await users.call("POST", f"{path}?removalId={first['removalId']}")).status_code == 201
    response = await users.call("POST", "/v1/search", json={"query": "tide at noon"})
    assert "says the first" in response.text
    assert "says the second" not in response.text


async def test_a_document_deleted_by_file_sync_is_restored_under_its_name(
    users: TrashUsers, platform: Platform, harness: IntegrationHarness
) -> None:
    s3 = platform.parts["aws"].s3  # type: ignore[attr-defined]
    ticket = Ticket(users.tenant_id, users.uid, "finance", "owui-5cfc3ab1", "plan.txt")
    anna = (await users.gateway.context.tokens.verify(users.tokens["anna"])).subject
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=TEXT.encode(), Metadata={"owner": anna})
    assert (await harness.redeem(ticket)).status_code == 201
    delete = Ticket(users.tenant_id, users.uid, "finance", "owui-5cfc3ab1", "plan.txt", TicketAction.DELETE)
    headers = {"Authorization": f"Ticket {make_ticket_issuer(platform).issue(delete)}"}
    response = await users.gateway.http.delete("/v1/documents/owui-5cfc3ab1", headers=headers)
    assert response.status_code == 204, response.text
    assert [removal["removedBy"] for removal in await users.list_trash()] == ["open-webui"]
    restored = await users.call("POST", "/v1/documents/owui-5cfc3ab1/restore")
    assert restored.status_code == 201, restored.text
    by_name = derive_document_id(users.tenant_id, "finance", "plan.txt")
    assert await users.list_found() == {by_name}
    assert (await users.call("GET", "/v1/documents/owui-5cfc3ab1")).status_code == 404


async def test_pages_of_the_trash_and_of_the_documents_are_disjoint(users: TrashUsers) -> None:
    ids = [await users.upload(f"ledger-{number}.txt", f"Tide {number}.") for number in range(4)]
    for document_id in ids[:3]:
        await users.call("DELETE", f"/v1/documents/{document_id}")
    listed = (await users.call("GET", "/v1/documents?limit=1")).json()
    assert [document["documentId"] for document in listed["documents"]] == ids[3:]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await users.call("GET", f"/v1/trash?limit=1{cursor}")).json()
        seen += [document["documentId"] for document in page["documents"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert sorted(seen) == sorted(ids[:3])


async def test_the_running_gateway_deletes_expired_documents_from_the_trash(
    platform: Platform, users: TrashUsers
) -> None:
    s3 = platform.parts["aws"].s3  # type: ignore[attr-defined]
    async with run_gateway(platform, trash_days=SHORT_DAYS) as gateway:
        short = TrashUsers(gateway, users.tenant_id, users.tokens)
        await wait_until(lambda: gateway.context.registry.get(users.tenant_id) is not None)
        document_id = await short.upload("ledger.txt")
        assert (await short.call("DELETE", f"/v1/documents/{document_id}")).status_code == 204
        assert len(await short.list_trash()) == 1

        def count_remaining() -> int:
            prefixes = (
                build_removals_prefix(short.tenant_id, short.uid),
                build_embeddings_prefix(short.tenant_id, short.uid),
            )
            return sum(s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] for prefix in prefixes)

        assert count_remaining() == 2
        await wait_until(lambda: count_remaining() == 0, seconds=60)
        assert not await short.list_trash()
        response = await short.call("POST", f"/v1/documents/{document_id}/restore")
        assert response.status_code == 404, response.text


async def test_concurrent_restores_create_one_document(
    users: TrashUsers, harness: IntegrationHarness
) -> None:
    document_id = await users.upload("ledger.txt")
    points = await count_points(harness.qdrant, f"tenant-{users.tenant_id}")
    await users.call("DELETE", f"/v1/documents/{document_id}")
    path = f"/v1/documents/{document_id}/restore"
    answers = await asyncio.gather(*(users.call("POST", path, who) for who in ("anna", "boss")))
    assert sorted(response.status_code for response in answers) == [201, 404], [
        response.text for response in answers
    ]
    assert await count_points(harness.qdrant, f"tenant-{users.tenant_id}") == points


async def test_mass_deletions_are_held_until_an_administrator_decides(users: TrashUsers) -> None:
    ids = [await users.upload(f"ledger-{number}.txt", f"Tide {number} at noon.") for number in range(23)]
    statuses = [
        (await users.call("DELETE", f"/v1/documents/{document_id}")).status_code for document_id in ids
    ]
    assert statuses == [204] * 20 + [409] * 3
    assert await users.list_found() == set(ids[20:]), "held documents are unchanged"
    assert (await users.call("GET", "/v1/deletions")).status_code == 403
    held = (await users.call("GET", "/v1/deletions", "boss")).json()["deletions"]
    assert {deletion["documentId"] for deletion in held} == set(ids[20:])
    assert (await users.call("DELETE", f"/v1/documents/{ids[20]}", "boss")).status_code == 409, (
        "a second step"
    )
    rejected = (await users.call("POST", "/v1/deletions/reject", "boss")).json()
    assert len(rejected["kept"]) == 3
    assert await users.list_found() == set(ids[20:])
    assert (await users.call("POST", "/v1/deletions/release", "boss")).status_code == 200
    for document_id in ids[20:]:
        assert (await users.call("DELETE", f"/v1/documents/{document_id}")).status_code == 204
    assert len(await users.list_trash("boss")) == 23


async def test_a_batch_of_file_sync_is_held_whole_and_its_rejection_keeps_the_documents(
    users: TrashUsers, platform: Platform, harness: IntegrationHarness
) -> None:
    s3 = platform.parts["aws"].s3  # type: ignore[attr-defined]
    ticket = Ticket(users.tenant_id, users.uid, "finance", "owui-5cfc3ab1", "plan.txt")
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=TEXT.encode())
    assert (await harness.redeem(ticket)).status_code == 201
    delete = Ticket(users.tenant_id, users.uid, "finance", "owui-5cfc3ab1", "plan.txt", TicketAction.DELETE)
    headers = {"Authorization": f"Ticket {make_ticket_issuer(platform).issue(delete)}"}
    path = "/v1/documents/owui-5cfc3ab1?batch=21"
    assert (await users.gateway.http.delete(path, headers=headers)).status_code == 409
    assert await users.list_found() == {"owui-5cfc3ab1"}
    rejected = (await users.call("POST", "/v1/deletions/reject", "boss")).json()
    assert [deletion["requestedBy"] for deletion in rejected["kept"]] == ["open-webui"]
    assert await users.list_found() == {derive_document_id(users.tenant_id, "finance", "plan.txt")}
    assert (await users.gateway.http.delete(path, headers=headers)).status_code == 404
