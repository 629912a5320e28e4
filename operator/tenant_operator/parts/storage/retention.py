"""Retention of an earlier Tenant's documents in a prefix that no tenant's session can read.

``Retain`` keeps documents. A Tenant that is created again under the name must not find these documents, and
no document may be lost. Before the new Tenant's storage is ready, the operator moves them from
``tenant-x/...`` to ``retained/tenant-x/{uid}/...``, with the earlier Tenant's uid. The operator has no right
to read documents, so it assumes a role for the move. The role's session can only read one tenant's prefix,
and read and write its retained prefix.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Any

from servicekit.errors import BackendUnavailable
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import build_retained_prefix, build_tenant_prefix

from ...clients.aws import AwsClients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["BATCH_SIZE", "Retention", "delete_versions"]

ROLE = "tenantry-retention"
"""Name of the role, in the operator's AWS account."""

BATCH_SIZE = 1000
"""Number of keys that S3 lists or deletes in one call."""


class Retention:
    """Moves documents to the retained prefix.

    Parameters
    ----------
    bucket
        The documents bucket.
    clients
        Clients of AWS. The operator may list and delete documents, but not read them.
    remote
        Runs calls to S3 with retries.
    """

    def __init__(self, bucket: str, clients: AwsClients, remote: Remote) -> None:
        self._bucket = bucket
        self._clients = clients
        self._remote = remote

    async def move_documents(self, tenant: Tenant, owner: str) -> int:
        """Move every version of every document under the tenant's prefix; return the number of documents.

        Each document is copied, compared and only then deleted. A run that is killed loses nothing; the next
        run continues the move.

        Parameters
        ----------
        owner
            Uid of the Tenant that owned the documents, or ``unknown``.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or refused. It refuses to copy an archived document that was not restored.
        """
        prefix, moved = build_tenant_prefix(tenant.id), 0
        keys = await self._remote.call_in_thread("list-versions", self._list_keys, prefix)
        if not keys:
            return 0
        client = await self._remote.call_in_thread("assume-role", self._assume, tenant)
        while keys:
            targets = {
                key: build_retained_prefix(tenant.id, owner) + key.removeprefix(prefix) for key in keys
            }
            await asyncio.gather(
                *(
                    self._remote.call_in_thread("move-document", self._move, client, key, target)
                    for key, target in targets.items()
                )
            )
            moved += sum(not key.endswith("/") for key in keys)
            keys = await self._remote.call_in_thread("list-versions", self._list_keys, prefix)
        return moved

    def _list_keys(self, prefix: str) -> list[str]:
        page = self._clients.s3.list_object_versions(Bucket=self._bucket, Prefix=prefix, MaxKeys=BATCH_SIZE)
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return sorted({version["Key"] for version in versions})

    def _move(self, client: "S3Client", key: str, target: str) -> None:
        pages = self._clients.s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=key
        )
        versions: list[Any] = []
        markers: list[Any] = []
        for page in pages:
            versions += [version for version in page.get("Versions", []) if version["Key"] == key]
            markers += [marker for marker in page.get("DeleteMarkers", []) if marker["Key"] == key]
        if not key.endswith("/"):  # a key that ends in a slash is a folder's marker without content
            for version in reversed(versions):  # the newest version last, so that it stays the newest
                self._copy(client, key, version["VersionId"], target)
            if versions and any(marker["IsLatest"] for marker in markers):
                client.delete_object(Bucket=self._bucket, Key=target)
        delete_versions(self._clients.s3, self._bucket, [*versions, *markers])

    def _copy(self, client: "S3Client", key: str, version: str, target: str) -> None:
        """Copy one version, and compare the copy with the original.

        Raises
        ------
        BackendUnavailable
            The copy differs; the original is not deleted.
        """
        source: Any = {"Bucket": self._bucket, "Key": key, "VersionId": version}
        copied = client.copy_object(Bucket=self._bucket, Key=target, CopySource=source)
        before = client.head_object(**source)
        after = client.head_object(Bucket=self._bucket, Key=target, VersionId=copied["VersionId"])
        if _identify_content(before) != _identify_content(after):
            raise BackendUnavailable("s3", "move-document", f"the copy of {key} differs from the original")

    def _assume(self, tenant: Tenant) -> "S3Client":
        sts = self._clients.sts
        _, partition, _, _, account, _ = sts.get_caller_identity()["Arn"].split(":", 5)
        assumed = sts.assume_role(
            RoleArn=f"arn:{partition}:iam::{account}:role/{ROLE}",
            RoleSessionName=f"operator-{tenant.key}",
            Policy=json.dumps(_build_session_policy(self._bucket, tenant)),
        )
        return self._clients.create_s3_client(assumed["Credentials"])


def delete_versions(client: "S3Client", bucket: str, versions: list[Any]) -> None:
    """Delete the listed versions and delete markers.

    Raises
    ------
    ClientError
        S3 refused to delete a version.
    """
    for start in range(0, len(versions), BATCH_SIZE):
        batch: list[Any] = [
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in versions[start : start + BATCH_SIZE]
        ]
        response = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        for error in response.get("Errors", []):
            # The response is a success that lists the errors of single objects.
            refused: Any = {"Error": {"Code": error.get("Code", "Unknown")}}
            raise client.exceptions.ClientError(
                refused | {"ResponseMetadata": response["ResponseMetadata"]}, "DeleteObjects"
            )


def _identify_content(head: Any) -> tuple[Any, ...]:
    """Return the properties that a copy shares with its original.

    The ETag of a multipart upload is left out, because it depends on the parts.
    """
    etag = head["ETag"] if "-" not in head["ETag"] else ""
    return head["ContentLength"], etag, head["Metadata"], head["ContentType"]


def _build_session_policy(bucket: str, tenant: Tenant) -> dict[str, Any]:
    """Return the session policy: read a tenant's documents, read and write its retained prefix."""
    arn = f"arn:aws:s3:::{bucket}"
    read = ["s3:GetObject", "s3:GetObjectVersion"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": read, "Resource": f"{arn}/{build_tenant_prefix(tenant.id)}*"},
            {
                "Effect": "Allow",
                "Action": [*read, "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"{arn}/{build_retained_prefix(tenant.id)}*",
            },
        ],
    }
