"""Operator part that keeps the tenant's prefix in the documents bucket.

It writes markers, with tags, for the tenant and each persona. The tags name the uid of the Tenant that owns
the prefix. Before it writes the markers, it moves documents of an earlier Tenant of the name to the retained
prefix (:mod:`.retention`). After that this part never lists documents, so a tenant with a million documents
reconciles as fast as an empty tenant.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from servicekit.remote import Remote
from tenancy.model import StorageStatus, Tenant
from tenancy.names import build_persona_prefix, build_retained_prefix, build_tenant_prefix

from ...clients.aws import CALL_TIMEOUT_SECONDS, AwsClients
from ...part import EnsureResult
from .retention import BATCH_SIZE, Retention, delete_versions

__all__ = ["StoragePart", "StorageState", "build_desired", "plan"]

UID_TAG = "tenant-uid"
"""Tag of a marker: the uid of the Tenant that owns the documents under the marker's key."""

UNKNOWN = "unknown"
"""Used in place of the uid for documents whose Tenant is not recorded anywhere."""

Tags = dict[str, str]


@dataclass(frozen=True)
class StorageState:
    """Tags of each existing marker, by key."""

    markers: dict[str, Tags] = field(default_factory=dict)


def build_desired(tenant: Tenant) -> StorageState:
    """Return the markers that a tenant needs."""
    tags = {"tenant": tenant.key, UID_TAG: tenant.uid, "managed-by": "tenantry"}
    personas = (build_persona_prefix(tenant.id, persona.id) for persona in tenant.spec.personas)
    return StorageState(dict.fromkeys((build_tenant_prefix(tenant.id), *personas), tags))


def plan(wanted: StorageState, observed: StorageState) -> dict[str, str]:
    """Return the action by marker: ``create`` it, or replace its tags (``tag``)."""
    return {
        key: "tag" if key in observed.markers else "create"
        for key, tags in wanted.markers.items()
        if observed.markers.get(key) != tags
    }


class StoragePart:
    """Keeps the markers of a tenant's S3 prefix, with their tags.

    Parameters
    ----------
    bucket
        The documents bucket. It exists already, with the access rules of the platform.
    clients
        Clients of AWS.
    """

    name = "storage"
    after = ""
    section = StorageStatus
    retained = ("object versions", "unfinished uploads")

    def __init__(self, bucket: str, clients: AwsClients) -> None:
        self._bucket = bucket
        self._clients = clients
        self._remote = Remote("s3", clients.classify, timeout=CALL_TIMEOUT_SECONDS)
        self._retention = Retention(bucket, clients, self._remote)

    async def observe(self, tenant: Tenant) -> StorageState:
        """Read the tags of every marker that the tenant needs."""
        keys = list(build_desired(tenant).markers)
        tags = await asyncio.gather(
            *(self._remote.call_in_thread("get-tags", self._get_tags, key) for key in keys)
        )
        return StorageState({key: found for key, found in zip(keys, tags, strict=True) if found is not None})

    async def ensure(self, tenant: Tenant, observed: StorageState) -> EnsureResult:
        """Move documents of an earlier Tenant, create missing markers, and repair changed tags."""
        changes: list[str] = []
        if not _owns_prefix(tenant, observed):
            await self._remote.call_in_thread(
                "abort-uploads", self._abort_uploads, build_tenant_prefix(tenant.id)
            )
            owner = _get_owner(tenant, observed)
            if moved := await self._retention.move_documents(tenant, owner):
                changes.append(f"move {moved} documents of Tenant {owner} to the retained prefix")
            observed = StorageState()
        wanted = build_desired(tenant)
        steps = plan(wanted, observed)
        await asyncio.gather(
            *(
                self._remote.call_in_thread(f"{step}-marker", self._write, step, key, wanted.markers[key])
                for key, step in steps.items()
            )
        )
        status = {"bucket": self._bucket, "prefix": build_tenant_prefix(tenant.id), "tenantUid": tenant.uid}
        return EnsureResult([*changes, *(f"{step} {key}" for key, step in steps.items())], status)

    async def remove(self, tenant: Tenant) -> None:
        """Abort multipart uploads, and delete every version of every object of this Tenant.

        Documents of an earlier Tenant of the name are not deleted: neither under the prefix nor under the
        retained prefix.
        """
        prefix = build_tenant_prefix(tenant.id)
        prefixes = [build_retained_prefix(tenant.id, tenant.uid)]
        if _owns_prefix(tenant, await self.observe(tenant)):
            # Uploads first: an aborted upload cannot become an object after the objects are deleted.
            await self._remote.call_in_thread("abort-uploads", self._abort_uploads, prefix)
            prefixes.append(prefix)
        for owned_prefix in prefixes:
            # Delete the root marker last: it names the owner of the remaining objects.
            while await self._remote.call_in_thread(
                "delete-versions", self._delete_page, owned_prefix, owned_prefix
            ):
                pass
            while await self._remote.call_in_thread("delete-versions", self._delete_page, owned_prefix, ""):
                pass

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Count versions, delete markers and unfinished uploads of this Tenant, page by page."""
        prefix = build_tenant_prefix(tenant.id)
        owned = _owns_prefix(tenant, await self.observe(tenant))
        versions = 0
        uploads = 0
        for owned_prefix in (build_retained_prefix(tenant.id, tenant.uid), *([prefix] if owned else [])):
            versions += await self._count_versions(owned_prefix)
        if owned:
            uploads = await self._remote.call_in_thread(
                "list-uploads", lambda: sum(1 for _ in self._list_uploads(prefix))
            )
        return {
            f"object versions and delete markers under {prefix}": versions,
            f"unfinished uploads under {prefix}": uploads,
        }

    async def release(self, tenant: Tenant) -> None:
        """Do nothing: documents are retained."""

    def _get_tags(self, key: str) -> Tags | None:
        try:
            response = self._clients.s3.get_object_tagging(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        return {tag["Key"]: tag["Value"] for tag in response["TagSet"]}

    def _write(self, step: str, key: str, tags: Tags) -> None:
        if step == "create":
            self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=b"", Tagging=urlencode(tags))
        else:
            pairs: list[Any] = [{"Key": name, "Value": value} for name, value in tags.items()]
            self._clients.s3.put_object_tagging(Bucket=self._bucket, Key=key, Tagging={"TagSet": pairs})

    def _delete_page(self, prefix: str, after: str) -> bool:
        """Delete the first thousand versions of the keys after ``after``; return False if there are none."""
        page = self._clients.s3.list_object_versions(
            Bucket=self._bucket, Prefix=prefix, KeyMarker=after, MaxKeys=BATCH_SIZE
        )
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        delete_versions(self._clients.s3, self._bucket, versions)
        return bool(versions)

    async def _count_versions(self, prefix: str) -> int:
        versions = 0
        page: dict[str, Any] | None = {}
        while page is not None:
            count, page = await self._remote.call_in_thread("list-versions", self._count_page, prefix, page)
            versions += count
        return versions

    def _count_page(self, prefix: str, start: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Return the number of versions of a page, and the start of the next page."""
        page = self._clients.s3.list_object_versions(
            Bucket=self._bucket, Prefix=prefix, MaxKeys=BATCH_SIZE, **start
        )
        count = len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))
        if not page.get("IsTruncated"):
            return count, None
        return count, {
            "KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"],
        }  # fmt: skip

    def _abort_uploads(self, prefix: str) -> None:
        for upload in self._list_uploads(prefix):
            self._clients.s3.abort_multipart_upload(
                Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )

    def _list_uploads(self, prefix: str) -> Iterator[Any]:
        for page in self._clients.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        ):
            yield from page.get("Uploads", [])


def _owns_prefix(tenant: Tenant, observed: StorageState) -> bool:
    """Return True if every object under the prefix belongs to this Tenant.

    The status is proof, even when the markers were deleted since. An earlier version of the operator wrote a
    status without a uid, for this Tenant.
    """
    storage = tenant.status.storage
    if storage and storage.tenant_uid in (None, tenant.uid):
        return True
    return _get_owner(tenant, observed) == tenant.uid


def _get_owner(tenant: Tenant, observed: StorageState) -> str:
    """Return the uid that the root marker names."""
    return observed.markers.get(build_tenant_prefix(tenant.id), {}).get(UID_TAG) or UNKNOWN
