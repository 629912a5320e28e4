"""Fake of the trash in memory: versions of deleted contents, and the records of removals."""

from datetime import datetime, timedelta
from typing import cast

from gateway.documents.service import DocumentService
from gateway.documents.trash import Trash
from gateway.objects import ObjectMetadata, ObjectVersion, Removal, TrashObjects
from gateway.problems import TrashedDocumentMissing
from tenancy.model import Tenant
from tenancy.names import build_removal_key

from tests.support.fakes.backends import FakeBedrock, FakeObjects, FakeVectors, make_object_version

__all__ = ["FakeTrashObjects", "make_trash"]


class FakeTrashObjects:
    """Stores records and embeddings by tenant, document and removal."""

    def __init__(self, objects: FakeObjects) -> None:
        self._objects = objects
        self.records: dict[tuple[str, str, str], Removal] = {}
        self.embeddings: dict[tuple[str, str, str], bytes] = {}
        self.fails: Exception | None = None
        self.versioned = True

    async def get_current(self, tenant: Tenant, key: str) -> ObjectMetadata | None:
        if key not in self._objects.contents:
            return None
        version = str(len(self._objects.versions.get(key, []))) if self.versioned else ""
        return ObjectMetadata(version, self._objects.owners.get(key, ""), "")

    async def put(self, tenant: Tenant, removal: Removal) -> None:
        if self.fails:
            raise self.fails
        self.records[tenant.id, removal.document_id, removal.id] = removal

    async def get(self, tenant: Tenant, document_id: str, removal: str) -> Removal | None:
        return self.records.get((tenant.id, document_id, removal))

    async def list_ids(
        self, tenant: Tenant, *, document_id: str = "", after: str = "", limit: int
    ) -> list[tuple[str, str]]:
        ids = sorted(entry[1:] for entry in self.records if entry[0] == tenant.id)
        listed = [
            entry
            for entry in ids
            if build_removal_key(tenant.id, tenant.uid, *entry) > after and document_id in ("", entry[0])
        ]
        return listed[:limit]

    async def put_embeddings(self, tenant: Tenant, removal: Removal, content: bytes) -> None:
        self.embeddings[tenant.id, removal.document_id, removal.id] = content

    async def get_embeddings(self, tenant: Tenant, document_id: str, removal: str) -> bytes:
        return self.embeddings.get((tenant.id, document_id, removal), b"")

    async def restore(self, tenant: Tenant, removal: Removal, key: str) -> ObjectVersion:
        versions = self._objects.versions.get(removal.key, [])
        if int(removal.version_id) >= len(versions):
            raise TrashedDocumentMissing("The bucket does not keep it.")
        content = versions[int(removal.version_id)]
        self._objects.contents[key] = content
        self._objects.owners[key] = removal.owner
        return make_object_version(content)

    async def delete_removal(self, tenant: Tenant, document_id: str, removal: str) -> None:
        self.records.pop((tenant.id, document_id, removal), None)

    async def delete_embeddings(self, tenant: Tenant, document_id: str, removal: str) -> None:
        self.embeddings.pop((tenant.id, document_id, removal), None)

    async def delete_older(self, tenant: Tenant, before: datetime) -> int:
        old = [key for key, each in self.records.items() if key[0] == tenant.id and each.removed_at < before]
        for key in old:
            del self.records[key]
            self.embeddings.pop(key, None)
        return len(old)

    def cast_to_real_class(self) -> TrashObjects:
        """Return the fake with the type of the real class."""
        return cast("TrashObjects", self)


def make_trash(
    objects: FakeObjects,
    vectors: FakeVectors,
    documents: DocumentService,
    *,
    kept: FakeTrashObjects | None = None,
    retention: timedelta = timedelta(days=30),
) -> Trash:
    """Return a trash that uses fakes."""
    return Trash(
        (kept or FakeTrashObjects(objects)).cast_to_real_class(),
        objects.cast_to_real_class(),
        vectors.cast_to_real_class(),
        documents,
        embedding=(FakeBedrock.embedding_model, 64),
        retention=retention,
    )
