"""The tenant's prefix in the documents bucket: markers for it and for each persona, with their tags.

The tags name the uid of the Tenant that the prefix belongs to. What lies there of an earlier Tenant of the
name is set aside (:mod:`.retention`) before the markers say so. Once they do, documents are never listed
here, so a tenant with a million of them reconciles as fast as an empty one.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import persona_prefix, retained_prefix, tenant_prefix

from ...clients.aws import CALL_SECONDS, AwsClients
from ...part import Ensured, Leftovers
from .retention import BATCH, Retention, delete_versions

__all__ = ["StoragePart", "StorageState", "desired", "plan"]

UID_TAG = "tenant-uid"
"""Tag of a marker: the uid of the Tenant whose documents lie behind it."""

UNKNOWN = "unknown"
"""In the place of a uid, for documents that nothing says the Tenant of."""

Tags = dict[str, str]


@dataclass(frozen=True)
class StorageState:
    """The tags of each marker that is there."""

    markers: dict[str, Tags] = field(default_factory=dict)


def desired(tenant: Tenant) -> StorageState:
    """Return the markers that a tenant should have."""
    tags = {"tenant": tenant.key, UID_TAG: tenant.uid, "managed-by": "tenantry"}
    personas = (persona_prefix(tenant.id, persona.id) for persona in tenant.spec.personas)
    return StorageState(dict.fromkeys((tenant_prefix(tenant.id), *personas), tags))


def plan(wanted: StorageState, observed: StorageState) -> dict[str, str]:
    """Return what to do by marker: ``create`` it, or ``tag`` it anew."""
    return {
        key: "tag" if key in observed.markers else "create"
        for key, tags in wanted.markers.items()
        if observed.markers.get(key) != tags
    }


class StoragePart:
    """Markers in one bucket.

    Parameters
    ----------
    bucket
        The documents bucket. It exists already: who may use it is the platform's matter, not a tenant's.
    clients
        The operator's clients of AWS.
    """

    name = "storage"
    after = ""

    def __init__(self, bucket: str, clients: AwsClients) -> None:
        self._bucket = bucket
        self._clients = clients
        self._remote = Remote("s3", clients.classify, timeout=CALL_SECONDS)
        self._retention = Retention(bucket, clients, self._remote)

    async def observe(self, tenant: Tenant) -> StorageState:
        """Look for every marker that should be there."""
        keys = list(desired(tenant).markers)
        tags = await asyncio.gather(
            *(self._remote.call_in_thread("get-tags", self._get_tags, key) for key in keys)
        )
        return StorageState({key: found for key, found in zip(keys, tags, strict=True) if found is not None})

    async def ensure(self, tenant: Tenant, observed: StorageState) -> Ensured:
        """Set aside what is of an earlier Tenant, make missing markers, and put changed tags right."""
        changes: list[str] = []
        if not _owns_prefix(tenant, observed):
            await self._remote.call_in_thread("abort-uploads", self._abort_uploads, tenant_prefix(tenant.id))
            owner = _owner(tenant, observed)
            if moved := await self._retention.set_aside(tenant, owner):
                changes.append(f"set {moved} documents of Tenant {owner} aside")
            observed = StorageState()
        wanted = desired(tenant)
        steps = plan(wanted, observed)
        await asyncio.gather(
            *(
                self._remote.call_in_thread(f"{step}-marker", self._write, step, key, wanted.markers[key])
                for key, step in steps.items()
            )
        )
        status = {"bucket": self._bucket, "prefix": tenant_prefix(tenant.id), "tenantUid": tenant.uid}
        return Ensured([*changes, *(f"{step} {key}" for key, step in steps.items())], status)

    async def remove(self, tenant: Tenant) -> None:
        """Delete uploads that are under way, and every version of every object that is this Tenant's.

        What an earlier Tenant of the name has left is not: it stays under the prefix as long as it was not
        set aside, and aside after that.
        """
        prefix = tenant_prefix(tenant.id)
        doomed = [retained_prefix(tenant.id, tenant.uid)]
        if _owns_prefix(tenant, await self.observe(tenant)):
            # Uploads first: one that is completed after this is refused, one before is deleted as an object.
            await self._remote.call_in_thread("abort-uploads", self._abort_uploads, prefix)
            doomed.append(prefix)
        for each in doomed:
            # The root marker last: as long as it is there, it says whose the rest is.
            while await self._remote.call_in_thread("delete-versions", self._delete_page, each, each):
                pass
            while await self._remote.call_in_thread("delete-versions", self._delete_page, each, ""):
                pass

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count versions, delete markers and unfinished uploads of this Tenant's, page by page."""
        prefix = tenant_prefix(tenant.id)
        owned = _owns_prefix(tenant, await self.observe(tenant))
        found = 0
        uploads = 0
        for each in (retained_prefix(tenant.id, tenant.uid), *([prefix] if owned else [])):
            found += await self._count_versions(each)
        if owned:
            uploads = await self._remote.call_in_thread(
                "list-uploads", lambda: sum(1 for _ in self._uploads(prefix))
            )
        return Leftovers(
            {
                f"object versions and delete markers under {prefix}": found,
                f"unfinished uploads under {prefix}": uploads,
            }
        )

    async def forget(self, tenant: Tenant) -> None:
        """Do nothing: documents are no copies."""

    def _get_tags(self, key: str) -> Tags | None:
        try:
            answer = self._clients.s3.get_object_tagging(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def _write(self, step: str, key: str, tags: Tags) -> None:
        if step == "create":
            self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=b"", Tagging=urlencode(tags))
        else:
            pairs: list[Any] = [{"Key": name, "Value": value} for name, value in tags.items()]
            self._clients.s3.put_object_tagging(Bucket=self._bucket, Key=key, Tagging={"TagSet": pairs})

    def _delete_page(self, prefix: str, after: str) -> bool:
        """Delete the first thousand versions of keys behind ``after``; tell whether there were any."""
        page = self._clients.s3.list_object_versions(
            Bucket=self._bucket, Prefix=prefix, KeyMarker=after, MaxKeys=BATCH
        )
        found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        delete_versions(self._clients.s3, self._bucket, found)
        return bool(found)

    async def _count_versions(self, prefix: str) -> int:
        versions = 0
        page: dict[str, Any] | None = {}
        while page is not None:
            found, page = await self._remote.call_in_thread("list-versions", self._count_page, prefix, page)
            versions += found
        return versions

    def _count_page(self, prefix: str, start: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Return how many versions a page has, and where the next one begins."""
        page = self._clients.s3.list_object_versions(
            Bucket=self._bucket, Prefix=prefix, MaxKeys=BATCH, **start
        )
        found = len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))
        if not page.get("IsTruncated"):
            return found, None
        return found, {
            "KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"],
        }  # fmt: skip

    def _abort_uploads(self, prefix: str) -> None:
        for upload in self._uploads(prefix):
            self._clients.s3.abort_multipart_upload(
                Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )

    def _uploads(self, prefix: str) -> Iterator[Any]:
        for page in self._clients.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        ):
            yield from page.get("Uploads", [])


def _owns_prefix(tenant: Tenant, observed: StorageState) -> bool:
    """Tell whether all that lies under the prefix is this Tenant's.

    Its status says so when the markers were made before, and may be gone by now. A status without a uid is of
    an operator that did not write one yet, for this very Tenant.
    """
    storage = tenant.status.storage
    if storage and storage.tenant_uid in (None, tenant.uid):
        return True
    return _owner(tenant, observed) == tenant.uid


def _owner(tenant: Tenant, observed: StorageState) -> str:
    """Return the uid that the root marker names."""
    return observed.markers.get(tenant_prefix(tenant.id), {}).get(UID_TAG) or UNKNOWN
