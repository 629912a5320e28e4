"""Tests of the tenants' S3 sessions and of S3's errors. tests/isolation covers the real IAM."""

import asyncio
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
import stamina
from botocore.exceptions import ClientError
from gateway.objects import ObjectVersion, TenantObjects
from gateway.problems import DocumentMissing, DocumentTooLarge
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.model import TenantStatus
from tenancy.role_sessions import MAX_SESSIONS
from tenancy.sessions import build_session_policy

from tests.support.fakes.aws_errors import make_client_error
from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    import boto3

BUCKET = "documents"
ROLE = "arn:aws:iam::000000000000:role/tenantry-tenant"
TENANT = make_tenant("tenanta")
KEY = "tenant-tenanta/finance/documents/doc-1/a.md"
STORED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ETAG = '"0f"'
STAMP = ObjectVersion(STORED_AT, ETAG)


class FakeS3Session:
    """Fake boto3 session with STS and S3."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.puts: list[dict[str, Any]] = []
        self.assumed: list[dict[str, Any]] = []
        self.lifetime = timedelta(hours=1)
        self.get_fails: ClientError | None = None
        self.dead_codes: list[str] = []
        self.assume_fails: list[ClientError] = []
        self.opened = 0
        self.closed = 0
        self.assuming = threading.Event()
        self.assuming.set()

    def open(self) -> "boto3.Session":
        self.opened += 1
        return cast("boto3.Session", self)

    def client(self, service: str, **arguments: Any) -> Any:
        """Return the client of a service, as boto3 does."""
        if service == "s3":
            assert arguments["aws_session_token"], "the client must not use the gateway's credentials"
        return self

    def close(self) -> None:
        self.closed += 1

    def assume_role(self, **arguments: Any) -> dict[str, Any]:
        self.assuming.wait(5)
        if self.assume_fails:
            raise self.assume_fails.pop()
        self.assumed.append(arguments)
        return {
            "Credentials": {
                "AccessKeyId": "a",
                "SecretAccessKey": "s",
                "SessionToken": arguments["RoleSessionName"],
                "Expiration": datetime.now(UTC) + self.lifetime,
            }
        }

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if self.dead_codes:
            raise make_client_error(self.dead_codes.pop(), 403)
        if self.get_fails:
            raise self.get_fails
        content = self.contents[Key]
        return {
            "Body": io.BytesIO(content),
            "ContentLength": len(content),
            "LastModified": STORED_AT,
            "ETag": ETAG,
        }

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803
        listed = [{"Key": key} for key in self.contents if key.startswith(Prefix)]
        return {"Contents": listed[:MaxKeys]} if listed else {}

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        self.puts.append(arguments)
        return {"ETag": ETAG}

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"LastModified": STORED_AT, "ETag": ETAG, "Metadata": {"owner": "s%C3%BCb%3A1"}}


@pytest.fixture
def aws() -> FakeS3Session:
    return FakeS3Session()


@pytest.fixture
def objects(aws: FakeS3Session) -> Iterator[TenantObjects]:
    with stamina.set_testing(True, attempts=2, cap=True):
        objects = TenantObjects(aws.open, bucket=BUCKET, role_arn=ROLE)
        yield objects
        objects.close()


async def put(objects: TenantObjects, tenant_id: str = "tenanta") -> ObjectVersion:
    return await objects.put(make_tenant(tenant_id), KEY, b"Text.", media_type="text/plain", owner="süb:1")


async def test_the_owner_of_a_missing_object_is_none(aws: FakeS3Session, objects: TenantObjects) -> None:
    aws.contents[f"{KEY}.longer"] = b""
    assert await objects.find_owner(TENANT, KEY) is None
    aws.contents = {KEY: b""}
    assert await objects.find_owner(TENANT, KEY) == "süb:1"


def test_a_session_reaches_one_tenants_prefix_and_nothing_else() -> None:
    assert build_session_policy(BUCKET, TENANT) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
                "Resource": "arn:aws:s3:::documents/tenant-tenanta/*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::documents",
                "Condition": {"StringLike": {"s3:prefix": "tenant-tenanta/*"}},
            },
        ],
    }


async def test_the_role_is_assumed_with_policy_and_tag_of_the_tenant(
    objects: TenantObjects, aws: FakeS3Session
) -> None:
    await put(objects)
    (assumed,) = aws.assumed
    assert assumed["RoleArn"] == ROLE
    assert assumed["RoleSessionName"] == "gateway-tenant-tenanta"
    assert assumed["Tags"] == [{"Key": "tenant", "Value": "tenant-tenanta"}]
    assert json.loads(assumed["Policy"]) == build_session_policy(BUCKET, TENANT)


def test_the_session_name_of_the_longest_tenant_id_is_valid() -> None:
    assert len(f"gateway-{make_tenant('a' * 40).key}") <= 64


async def test_an_object_is_stored_encrypted_with_checksum_digest_and_owner(
    objects: TenantObjects, aws: FakeS3Session
) -> None:
    assert await put(objects) == STAMP
    (arguments,) = aws.puts
    assert arguments["ServerSideEncryption"] == "AES256"
    assert arguments["Metadata"] == {"sha256": hashlib.sha256(b"Text.").hexdigest(), "owner": "s%C3%BCb%3A1"}
    assert arguments["ContentType"] == "text/plain"


async def test_concurrent_calls_share_one_new_session(objects: TenantObjects, aws: FakeS3Session) -> None:
    aws.assuming.clear()
    puts = asyncio.gather(*(put(objects) for _ in range(20)))
    await asyncio.sleep(0.05)
    aws.assuming.set()
    await puts
    assert len(aws.assumed) == 1


async def test_each_tenant_has_a_separate_session(objects: TenantObjects, aws: FakeS3Session) -> None:
    for tenant_id in ("tenanta", "tenantb", "tenanta"):
        await put(objects, tenant_id)
    assert [call["RoleSessionName"] for call in aws.assumed] == [
        "gateway-tenant-tenanta",
        "gateway-tenant-tenantb",
    ]


async def test_close_closes_the_clients_of_all_tenants_and_of_sts(
    objects: TenantObjects, aws: FakeS3Session
) -> None:
    for tenant_id in ("tenanta", "tenantb"):
        await put(objects, tenant_id)
    objects.close()
    assert aws.closed == 3


async def test_a_session_is_renewed_before_it_ends(objects: TenantObjects, aws: FakeS3Session) -> None:
    aws.lifetime = timedelta(minutes=4)
    await put(objects)
    await put(objects)
    assert len(aws.assumed) == 2


async def test_the_least_used_session_is_evicted_beyond_the_limit(
    objects: TenantObjects, aws: FakeS3Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_SESSIONS >= 100
    monkeypatch.setattr("tenancy.role_sessions.MAX_SESSIONS", 2)
    for tenant_id in ("a", "b", "a", "c", "a", "b"):
        await put(objects, tenant_id)
    assert [call["RoleSessionName"][-1] for call in aws.assumed] == ["a", "b", "c", "b"]


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "ExpiredToken", "InvalidToken"])
async def test_an_expired_session_is_replaced(objects: TenantObjects, aws: FakeS3Session, code: str) -> None:
    aws.contents[KEY] = b"Text."
    await put(objects)
    aws.dead_codes = [code]
    assert (await objects.get(TENANT, KEY, max_bytes=5)).content == b"Text."
    assert len(aws.assumed) == 2
    assert aws.opened == 2, "the gateway's session expired as well and is opened again"


async def test_the_gateways_expired_session_is_replaced(objects: TenantObjects, aws: FakeS3Session) -> None:
    await put(objects)
    aws.assume_fails = [make_client_error("InvalidClientTokenId", 403)]
    await put(objects, "tenantb")
    assert aws.opened == 2


async def test_a_session_that_stays_invalid_is_an_error(objects: TenantObjects, aws: FakeS3Session) -> None:
    aws.get_fails = make_client_error("InvalidAccessKeyId", 403)
    with pytest.raises(BackendRefused):
        await objects.get(TENANT, KEY, max_bytes=5)
    assert len(aws.assumed) == 2


async def test_a_document_is_read(objects: TenantObjects, aws: FakeS3Session) -> None:
    aws.contents[KEY] = b"Text."
    stored = await objects.get(TENANT, KEY, max_bytes=5)
    assert (stored.content, stored.version) == (b"Text.", STAMP)


async def test_a_document_too_large_is_not_read(objects: TenantObjects, aws: FakeS3Session) -> None:
    aws.contents[KEY] = b"Text."
    with pytest.raises(DocumentTooLarge, match="more than 4 bytes"):
        await objects.get(TENANT, KEY, max_bytes=4)


@pytest.mark.parametrize(
    ("answer", "there", "problem"),
    [
        pytest.param(make_client_error("NoSuchKey", 404), False, DocumentMissing, id="not-there"),
        pytest.param(
            make_client_error("AccessDenied", 403), False, DocumentMissing, id="not-there-reported-as-denied"
        ),
        pytest.param(make_client_error("AccessDenied", 403), True, BackendRefused, id="denied"),
        pytest.param(make_client_error("SlowDown", 503), True, BackendUnavailable, id="busy"),
    ],
)
async def test_errors_for_absent_denied_and_busy_objects_are_distinguished(
    objects: TenantObjects, aws: FakeS3Session, answer: ClientError, there: bool, problem: type[Exception]
) -> None:
    aws.get_fails = answer
    aws.contents = {KEY: b"Text."} if there else {KEY + "x": b"Another."}
    with pytest.raises(problem):
        await objects.get(TENANT, KEY, max_bytes=5)


@pytest.mark.parametrize("prepared_for", ["an-earlier-one", None], ids=["an earlier Tenant", "no Tenant yet"])
async def test_nothing_is_read_or_stored_before_the_prefix_belongs_to_this_tenant(
    objects: TenantObjects, aws: FakeS3Session, prepared_for: str | None
) -> None:
    """Documents of an earlier Tenant with the same name may still exist under the prefix."""
    storage = {"bucket": BUCKET, "prefix": "tenant-tenanta/", "tenantUid": prepared_for}
    status = TenantStatus.model_validate({"storage": storage} if prepared_for else {})
    tenant = TENANT.model_copy(update={"status": status})
    aws.contents[KEY] = b"of an earlier one"
    with pytest.raises(BackendUnavailable, match="not been prepared"):
        await objects.get(tenant, KEY, max_bytes=100)
    with pytest.raises(BackendUnavailable, match="not been prepared"):
        await objects.list_documents(tenant)
    with pytest.raises(BackendUnavailable, match="not been prepared"):
        await objects.put(tenant, KEY, b"x", media_type="text/plain", owner="ann")
    assert aws.contents == {KEY: b"of an earlier one"}
    assert aws.assumed == []
