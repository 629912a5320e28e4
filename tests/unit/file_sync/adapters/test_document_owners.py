"""Tests of the owners of documents that were uploaded at the gateway, and of their cache."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from file_sync.adapters import document_owners
from file_sync.adapters.document_owners import DocumentOwnerResolver
from file_sync.models import ListedDocument
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from file_sync.adapters.document_store import DocumentStore

TENANT = make_tenant("tenanta")
DOCUMENT = ListedDocument("by-name", "finance", "plan.pdf", 10, "ready", stored_at=5)


class FakeDocumentStore:
    """A bucket with the owners of documents; the bucket does not answer while ``down`` is True."""

    def __init__(self) -> None:
        self.owners: dict[tuple[str, str], str] = {("tenanta", "by-name"): "anna"}
        self.reads = 0
        self.down = False

    async def read_owner(self, tenant: Tenant, document: ListedDocument) -> str | None:
        self.reads += 1
        if self.down:
            raise BackendUnavailable("s3", "head", "down")
        return self.owners.get((tenant.id, document.id))


@pytest.fixture
def store() -> FakeDocumentStore:
    return FakeDocumentStore()


@pytest.fixture
def owners(store: FakeDocumentStore) -> DocumentOwnerResolver:
    return DocumentOwnerResolver(cast("DocumentStore", store))


async def test_documents_get_their_owners(owners: DocumentOwnerResolver, store: FakeDocumentStore) -> None:
    store.owners["tenanta", "other"] = ""
    asked = [DOCUMENT, replace(DOCUMENT, id="other"), replace(DOCUMENT, id="gone")]
    found = await owners.resolve(TENANT, asked)
    assert [(each.id, each.owner) for each in found] == [("by-name", "anna"), ("other", ""), ("gone", None)]


async def test_an_owner_is_read_once_for_each_object(
    owners: DocumentOwnerResolver, store: FakeDocumentStore
) -> None:
    for _ in range(3):
        assert await owners.resolve(TENANT, [DOCUMENT]) == [replace(DOCUMENT, owner="anna")]
    assert store.reads == 1
    store.owners["tenanta", "by-name"] = "ben"
    stored_again = replace(DOCUMENT, stored_at=6)
    assert await owners.resolve(TENANT, [stored_again]) == [replace(stored_again, owner="ben")]


async def test_owners_of_documents_with_the_same_name_and_second_are_not_confused(
    owners: DocumentOwnerResolver, store: FakeDocumentStore
) -> None:
    just_stored = replace(DOCUMENT, stored_at=int(time.time()))
    for person in ("anna", "ben"):
        store.owners["tenanta", "by-name"] = person
        assert await owners.resolve(TENANT, [just_stored]) == [replace(just_stored, owner=person)]


async def test_documents_of_two_tenants_with_one_id_have_separate_owners(
    owners: DocumentOwnerResolver, store: FakeDocumentStore
) -> None:
    store.owners["tenantb", "by-name"] = "bob"
    await owners.resolve(TENANT, [DOCUMENT])
    (found,) = await owners.resolve(make_tenant("tenantb"), [DOCUMENT])
    assert found.owner == "bob"


@pytest.mark.parametrize("is_gone", [True, False])
async def test_an_unknown_owner_is_read_again(
    owners: DocumentOwnerResolver, store: FakeDocumentStore, *, is_gone: bool
) -> None:
    known = dict(store.owners)
    store.owners, store.down = ({}, False) if is_gone else (known, True)
    assert await owners.resolve(TENANT, [DOCUMENT]) == [DOCUMENT]
    store.owners, store.down = known, False
    assert await owners.resolve(TENANT, [DOCUMENT]) == [replace(DOCUMENT, owner="anna")]


async def test_the_least_recently_used_owner_is_evicted_first(
    owners: DocumentOwnerResolver, store: FakeDocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_owners, "MAX_CACHED", 2)
    first, second, third = (replace(DOCUMENT, stored_at=number) for number in (1, 2, 3))
    for each in (first, second, first, third, first):
        await owners.resolve(TENANT, [each])
    assert store.reads == 3
    await owners.resolve(TENANT, [second])
    assert store.reads == 4
