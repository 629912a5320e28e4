"""Tests of uploads to S3 that end while their Tenant is deleted: no object and no upload remains."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import boto3
import pytest
from file_sync.adapters.document_store import DocumentStore
from file_sync.adapters.downloads import Content
from file_sync.models import File
from file_sync.problems import RetryLater
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenant_operator.clients.aws import AwsClients
from tenant_operator.parts.storage.part import StoragePart
from tenantry_local.parts.aws import BUCKET, Aws
from tenantry_local.parts.services import build_file_sync_env, build_operator_env
from tenantry_local.platform import Platform

from tests.support.programs.gateway import set_environment
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("fs-late")
TEXT = b"The quay is closed on Sundays."
FILE = File("f1", "ann", "subject", "quay.txt", "s3://files/f1", len(TEXT), "", 1, 1)


@asynccontextmanager
async def open_document_store(
    platform: Platform, is_current: Callable[[Tenant], Awaitable[bool]]
) -> AsyncIterator[DocumentStore]:
    role = build_file_sync_env(platform.context)["FILE_SYNC_TENANT_ROLE_ARN"]
    store = DocumentStore(
        lambda: boto3.Session(profile_name="file-sync"), bucket=BUCKET, role_arn=role, is_current=is_current
    )
    with set_environment(build_operator_env(platform.context)):
        try:
            yield store
        finally:
            store.close()


async def put(store: DocumentStore) -> None:
    content = Content(io.BytesIO(TEXT), len(TEXT), sha256(TEXT).digest())
    await store.put(TENANT, "finance", "quay.txt", FILE, content)


def list_remainders(platform: Platform) -> list[str]:
    """Return the tenant's versions and unfinished uploads in the bucket."""
    s3: Any = Aws(platform.context).s3
    page = s3.list_object_versions(Bucket=BUCKET, Prefix="tenant-fs-late/")
    uploads = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="tenant-fs-late/").get("Uploads", [])
    entries = (*page.get("Versions", []), *page.get("DeleteMarkers", []), *uploads)
    return [each["Key"] for each in entries]


async def test_an_upload_completed_after_the_deletion_is_refused(platform: Platform) -> None:
    async def is_current(tenant: Tenant) -> bool:
        # The test deletes the Tenant between this answer and the completion.
        await StoragePart(BUCKET, AwsClients()).remove(tenant)
        return True

    async with open_document_store(platform, is_current) as store:
        with pytest.raises(BackendError, match="complete-put"):
            await put(store)
    assert list_remainders(platform) == []


async def test_nothing_is_completed_for_a_tenant_that_is_being_deleted(platform: Platform) -> None:
    async def is_current(tenant: Tenant) -> bool:
        return False

    async with open_document_store(platform, is_current) as store:
        with pytest.raises(RetryLater):
            await put(store)
    assert list_remainders(platform) == []


async def test_an_upload_completed_before_the_deletion_is_deleted(platform: Platform) -> None:
    async def is_current(tenant: Tenant) -> bool:
        return True

    async with open_document_store(platform, is_current) as store:
        await put(store)
        assert list_remainders(platform) == ["tenant-fs-late/finance/documents/owui-f1/quay.txt"]
        await StoragePart(BUCKET, AwsClients()).remove(TENANT)
    assert list_remainders(platform) == []
