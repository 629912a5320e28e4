"""Tests of the client of the documents bucket, with a fake S3. Integration tests cover the access rules."""

import asyncio
import base64
import io
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError
from file_sync.adapters.document_store import DocumentStore
from file_sync.adapters.downloads import Content
from file_sync.models import File, ListedDocument
from file_sync.problems import RetryLater
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

from tests.support.file_sync.files import make_file
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")
FILE = make_file("f1", subject="anna/1")
KEY = "tenant-tenanta/finance/documents/owui-f1/plan.pdf"
TEXT = b"Tide at noon."


class FakeS3:
    """A session of one tenant, and its S3 client; ``failing`` is the operation that fails."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.tenants: set[str] = set()
        self.metadata: dict[str, dict[str, str]] = {}
        self.failing = ""
        self.error = "NoSuchKey"

    async def call(self, tenant: Tenant, operation: str, function: Callable[..., Any], *args: Any) -> Any:
        self.tenants.add(tenant.id)
        if operation == self.failing:
            raise BackendUnavailable("s3", operation, "it is down")
        return await asyncio.to_thread(function, self, *args)

    def __getattr__(self, name: str) -> Any:
        def record(**arguments: Any) -> dict[str, Any]:
            assert arguments["Bucket"] == "documents"
            self.calls.append((name, arguments))
            if name == "head_object":
                if arguments["Key"] not in self.metadata:
                    raise ClientError({"Error": {"Code": self.error}}, "HeadObject")
                return {"Metadata": self.metadata[arguments["Key"]]}
            if name == "abort_multipart_upload" and self.failing == "complete-put":
                raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")
            return {"UploadId": "u1", "ETag": "e1"}

        return record

    def list_names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


def make_store(s3: FakeS3, *, is_current: bool = True) -> DocumentStore:
    async def check(_: Tenant) -> bool:
        return is_current

    def open_session() -> Any:
        raise AssertionError("no session is opened")

    store = DocumentStore(
        open_session, bucket="documents", role_arn="arn:aws:iam::0:role/x", is_current=check
    )
    store._sessions = s3  # type: ignore[assignment]
    return store


async def put(store: DocumentStore, file: File = FILE) -> None:
    content = Content(io.BytesIO(TEXT), len(TEXT), sha256(TEXT).digest())
    await store.put(TENANT, "finance", "plan.pdf", file, content)


async def test_an_object_has_the_metadata_of_its_file_and_a_checked_content(s3: FakeS3) -> None:
    await put(make_store(s3))
    assert s3.list_names() == ["create_multipart_upload", "upload_part", "complete_multipart_upload"]
    (_, begun), (_, part), (_, completed) = s3.calls
    assert begun["Key"] == part["Key"] == completed["Key"] == KEY
    assert begun["ContentType"] == "application/pdf"
    assert begun["ServerSideEncryption"] == "AES256"
    assert begun["Metadata"] == {
        "sha256": sha256(TEXT).hexdigest(),
        "tenant-uid": TENANT.uid,
        "owner": "anna/1",
        "open-webui-file": "f1",
        "open-webui-version": FILE.version,
    }
    checksum = base64.b64encode(sha256(TEXT).digest()).decode()
    assert (part["ChecksumSHA256"], part["ContentLength"]) == (checksum, len(TEXT))
    assert completed["MultipartUpload"]["Parts"] == [
        {"PartNumber": 1, "ETag": "e1", "ChecksumSHA256": checksum}
    ]
    assert s3.tenants == {"tenanta"}


async def test_nothing_is_completed_for_a_tenant_that_is_being_deleted(s3: FakeS3) -> None:
    with pytest.raises(RetryLater):
        await put(make_store(s3, is_current=False))
    assert s3.list_names() == ["create_multipart_upload", "upload_part", "abort_multipart_upload"]


@pytest.mark.parametrize("operation", ["put", "complete-put"])
async def test_an_upload_that_fails_is_aborted(s3: FakeS3, operation: str) -> None:
    s3.failing = operation
    with pytest.raises(BackendUnavailable, match=operation):
        await put(make_store(s3))
    assert s3.list_names()[-1] == "abort_multipart_upload"


async def test_an_upload_that_did_not_begin_is_not_aborted(s3: FakeS3) -> None:
    s3.failing = "begin-put"
    with pytest.raises(BackendUnavailable, match="begin-put"):
        await put(make_store(s3))
    assert s3.list_names() == []


async def test_the_stored_version_is_compared_with_the_files(s3: FakeS3) -> None:
    store = make_store(s3)
    assert not await store.has_version(TENANT, "finance", "plan.pdf", FILE)
    s3.metadata[KEY] = {"open-webui-version": FILE.version}
    assert await store.has_version(TENANT, "finance", "plan.pdf", FILE)
    assert not await store.has_version(TENANT, "finance", "plan.pdf", make_file("f1", size=11))


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [({"owner": "anna%2F1"}, "anna/1"), ({}, ""), (None, None)],
    ids=["an owner", "no owner", "no object"],
)
async def test_the_owner_is_read_from_the_metadata(
    s3: FakeS3, metadata: dict[str, str] | None, owner: str | None
) -> None:
    if metadata is not None:
        s3.metadata[KEY] = metadata
    document = ListedDocument("owui-f1", "finance", "plan.pdf", 10, "ready")
    assert await make_store(s3).read_owner(TENANT, document) == owner


@pytest.mark.parametrize("error", ["404", "403", "NoSuchKey", "AccessDenied"])
async def test_an_object_that_may_not_be_listed_is_missing(s3: FakeS3, error: str) -> None:
    s3.error = error
    assert not await make_store(s3).has_version(TENANT, "finance", "plan.pdf", FILE)


async def test_any_other_error_of_a_lookup_is_raised(s3: FakeS3) -> None:
    s3.error = "SlowDown"
    with pytest.raises(ClientError):
        await make_store(s3).has_version(TENANT, "finance", "plan.pdf", FILE)


async def test_an_object_is_deleted_by_its_key(s3: FakeS3) -> None:
    await make_store(s3).delete(TENANT, "finance", "plan.pdf", "owui-f1")
    assert s3.calls == [("delete_object", {"Bucket": "documents", "Key": KEY})]
