"""Documents of an earlier Tenant, set aside inside the bucket where no tenant's session can read them.

``Retain`` keeps documents. A Tenant that is created again under the name must not find them, and none must
be lost. So they are moved from ``tenant-x/...`` to ``retained/tenant-x/{uid}/...``, with the earlier Tenant's
uid, before the new Tenant's storage is ready. The operator itself may read no document: for this it assumes a
role, with a session that reads one tenant's prefix and writes what is set aside of that tenant, and no more.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from tenancy.errors import RemoteUnavailable
from tenancy.model import Tenant
from tenancy.names import retained_prefix, tenant_prefix
from tenancy.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

__all__ = ["BATCH", "Retention", "delete_versions"]

ROLE = "tenantry-retention"
"""Name of the role, in the operator's own account."""

BATCH = 1000
"""Keys that S3 lists or deletes in one call."""


class Retention:
    """Moves documents aside.

    Parameters
    ----------
    bucket
        The documents bucket.
    own
        Returns the operator's own client: it lists and deletes, and reads nothing.
    remote
        Bounds calls to S3.
    config
        Of the role's client.
    """

    def __init__(self, bucket: str, own: "Callable[[], S3Client]", remote: Remote, config: Config) -> None:
        self._bucket = bucket
        self._own = own
        self._remote = remote
        self._config = config

    async def set_aside(self, tenant: Tenant, owner: str) -> int:
        """Move every version of every document under the tenant's prefix, and return how many documents.

        Each document is copied, compared and only then deleted, so a run that is killed loses nothing and
        the next one completes it.

        Parameters
        ----------
        owner
            Uid of the Tenant that they belonged to, or ``unknown``.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or refused: an archived document has to be restored first.
        """
        prefix, moved = tenant_prefix(tenant.id), 0
        keys = await self._remote.call_in_thread("list-versions", self._keys, prefix)
        if not keys:
            return 0
        client = await self._remote.call_in_thread("assume-role", self._assume, tenant)
        while keys:
            targets = {key: retained_prefix(tenant.id, owner) + key.removeprefix(prefix) for key in keys}
            await asyncio.gather(
                *(
                    self._remote.call_in_thread("set-aside", self._move, client, key, target)
                    for key, target in targets.items()
                )
            )
            moved += sum(not key.endswith("/") for key in keys)
            keys = await self._remote.call_in_thread("list-versions", self._keys, prefix)
        return moved

    def _keys(self, prefix: str) -> list[str]:
        page = self._own().list_object_versions(Bucket=self._bucket, Prefix=prefix, MaxKeys=BATCH)
        found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return sorted({each["Key"] for each in found})

    def _move(self, client: "S3Client", key: str, target: str) -> None:
        pages = self._own().get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
        versions: list[Any] = []
        markers: list[Any] = []
        for page in pages:
            versions += [each for each in page.get("Versions", []) if each["Key"] == key]
            markers += [each for each in page.get("DeleteMarkers", []) if each["Key"] == key]
        if not key.endswith("/"):  # else it is the marker of a folder, and holds nothing
            for version in reversed(versions):  # the newest last, so that it is the newest again
                self._copy(client, key, version["VersionId"], target)
            if versions and any(marker["IsLatest"] for marker in markers):
                client.delete_object(Bucket=self._bucket, Key=target)
        delete_versions(self._own(), self._bucket, [*versions, *markers])

    def _copy(self, client: "S3Client", key: str, version: str, target: str) -> None:
        """Copy one version, and compare the copy with it.

        Raises
        ------
        RemoteUnavailable
            They differ: nothing is deleted.
        """
        source: Any = {"Bucket": self._bucket, "Key": key, "VersionId": version}
        copied = client.copy_object(Bucket=self._bucket, Key=target, CopySource=source)
        before = client.head_object(**source)
        after = client.head_object(Bucket=self._bucket, Key=target, VersionId=copied["VersionId"])
        if _content(before) != _content(after):
            raise RemoteUnavailable("s3", "set-aside", f"the copy of {key} is not what it was made of")

    def _assume(self, tenant: Tenant) -> "S3Client":
        session = boto3.Session()
        sts = session.client("sts", config=self._config)
        _, partition, _, _, account, _ = sts.get_caller_identity()["Arn"].split(":", 5)
        credentials = sts.assume_role(
            RoleArn=f"arn:{partition}:iam::{account}:role/{ROLE}",
            RoleSessionName=f"operator-{tenant.key}",
            Policy=json.dumps(_session_policy(self._bucket, tenant)),
        )["Credentials"]
        client: S3Client = session.client(
            "s3",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=self._config,
        )
        return client


def delete_versions(client: "S3Client", bucket: str, versions: list[Any]) -> None:
    """Delete versions and delete markers, as a listing shows them.

    Raises
    ------
    ClientError
        S3 refused one of them.
    """
    for start in range(0, len(versions), BATCH):
        doomed: list[Any] = [
            {"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions[start : start + BATCH]
        ]
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        for error in answer.get("Errors", []):
            # In a list of its own, not as an HTTP status: a refusal must not look like progress.
            raise client.exceptions.ClientError(
                {"Error": {"Code": error.get("Code", "Unknown")}}, "DeleteObjects"
            )


def _content(head: Any) -> tuple[Any, ...]:
    """Return what two versions of the same content share. A copy of an upload in parts has another ETag."""
    etag = head["ETag"] if "-" not in head["ETag"] else ""
    return head["ContentLength"], etag, head["Metadata"], head["ContentType"]


def _session_policy(bucket: str, tenant: Tenant) -> dict[str, Any]:
    """Return the policy that narrows a session to a tenant's documents, and to what is set aside of them."""
    arn = f"arn:aws:s3:::{bucket}"
    read = ["s3:GetObject", "s3:GetObjectVersion"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": read, "Resource": f"{arn}/{tenant_prefix(tenant.id)}*"},
            {
                "Effect": "Allow",
                "Action": [*read, "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"{arn}/{retained_prefix(tenant.id)}*",
            },
        ],
    }
