"""Tests of the limits that S3 and Qdrant enforce on the gateway's calls for one tenant.

A bug that builds a wrong key or names a wrong collection is refused by S3 and Qdrant.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError
from gateway.objects import TenantObjects
from servicekit.errors import BackendRefused
from tenancy.model import Tenant
from tenancy.names import COLLECTION, build_collection_name, build_object_key, derive_document_id
from tenantry_local.parts.aws import BUCKET

from .conftest import DEDICATED, FILENAME, MARKERS, A, B, IsolationHarness

if TYPE_CHECKING:
    from gateway.vectors import Vectors

OWN = build_collection_name(DEDICATED, dedicated=True)


def get_tenant(harness: IsolationHarness, tenant_id: str) -> Tenant:
    tenant = harness.gateway.context.registry.get(tenant_id)
    assert tenant
    return tenant


def make_key(tenant_id: str, filename: str = FILENAME) -> str:
    return build_object_key(
        tenant_id, "finance", derive_document_id(tenant_id, "finance", FILENAME), filename
    )


@pytest.fixture
def objects(harness: IsolationHarness) -> TenantObjects:
    return harness.gateway.context.documents._objects


@pytest.fixture
async def tenant_s3(harness: IsolationHarness, objects: TenantObjects) -> Any:
    """Return the S3 client that the gateway uses for A's requests, after a successful read."""
    await objects.get(get_tenant(harness, A), make_key(A), max_bytes=1000)
    return await objects.sessions.get_client(get_tenant(harness, A))


async def test_a_tenants_session_reads_and_writes_its_prefix(
    harness: IsolationHarness, objects: TenantObjects
) -> None:
    stored = await objects.get(get_tenant(harness, A), make_key(A), max_bytes=1000)
    assert MARKERS[A].encode() in stored.content
    await objects.put(get_tenant(harness, A), make_key(A, "b.md"), b"x", media_type="text/plain", owner="o")


async def test_a_key_of_another_tenant_is_refused(harness: IsolationHarness, objects: TenantObjects) -> None:
    with pytest.raises(BackendRefused):
        await objects.get(get_tenant(harness, A), make_key(B), max_bytes=1000)
    with pytest.raises(BackendRefused):
        await objects.put(
            get_tenant(harness, A), make_key(B, "b.md"), b"x", media_type="text/plain", owner="o"
        )


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda s3: s3.get_object(Bucket=BUCKET, Key=make_key(B)), id="read"),
        pytest.param(lambda s3: s3.head_object(Bucket=BUCKET, Key=make_key(B)), id="head"),
        pytest.param(lambda s3: s3.put_object(Bucket=BUCKET, Key=make_key(B), Body=b"x"), id="overwrite"),
        pytest.param(lambda s3: s3.delete_object(Bucket=BUCKET, Key=make_key(B)), id="delete"),
        pytest.param(
            lambda s3: s3.copy_object(
                Bucket=BUCKET, Key=make_key(A, "c.md"), CopySource=f"{BUCKET}/{make_key(B)}"
            ),
            id="copy-to-own",
        ),
        pytest.param(lambda s3: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"tenant-{B}/"), id="list"),
        pytest.param(lambda s3: s3.list_objects_v2(Bucket=BUCKET), id="list-everything"),
        pytest.param(lambda s3: s3.list_objects_v2(Bucket=BUCKET, Prefix="tenant-"), id="list-all-tenants"),
        pytest.param(lambda s3: s3.list_buckets(), id="list-buckets"),
        pytest.param(
            lambda s3: s3.get_object(Bucket=BUCKET, Key=f"tenant-{A}-more/x"),
            id="key-with-the-tenants-name-as-prefix",
        ),
    ],
)
async def test_a_tenants_session_is_refused_outside_its_prefix(tenant_s3: Any, call: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(tenant_s3)
    # The response to a HEAD has no body, so its only code is the status.
    assert caught.value.response["Error"]["Code"] in {"AccessDenied", "403"}


async def test_the_gateway_itself_may_read_no_document(
    harness: IsolationHarness, objects: TenantObjects
) -> None:
    own = objects.sessions._sessions._open_session().client("s3")
    with pytest.raises(ClientError) as caught:
        own.get_object(Bucket=BUCKET, Key=make_key(A))
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    own.close()


@pytest.fixture
async def dedicated_qdrant(harness: IsolationHarness) -> AsyncIterator[httpx.AsyncClient]:
    """Client of Qdrant with the token of a dedicated tenant's search."""
    vectors: Vectors = harness.gateway.context.retrieval._vectors
    sent: list[str] = []
    http = vectors._client.http.client._async_client

    async def record(request: httpx.Request) -> None:
        sent.append(request.headers["authorization"])

    http.event_hooks["request"].append(record)
    one = [1.0, *[0.0] * 767]
    await vectors.search(
        get_tenant(harness, DEDICATED), one, sparse=None, persona_id=None, limit=1, threshold=0
    )
    http.event_hooks["request"].remove(record)
    url = harness.gateway.context.settings.qdrant_url
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": sent[0]}) as client:
        yield client


async def test_the_points_of_a_dedicated_tenant_are_in_its_collection(harness: IsolationHarness) -> None:
    for collection, expected in ((OWN, {MARKERS[DEDICATED]}), (COLLECTION, {MARKERS[A], MARKERS[B]})):
        points, _ = await harness.qdrant.scroll(collection, limit=10_000)
        texts = " ".join(str((point.payload or {}).get("text")) for point in points)
        assert {marker for marker in MARKERS.values() if marker in texts} == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", f"/collections/{OWN}/points/scroll", {"limit": 1}, 200, id="its-own"),
        pytest.param(
            "POST", f"/collections/{COLLECTION}/points/scroll", {"limit": 1}, 403, id="the-shared-one"
        ),
        pytest.param(
            "POST",
            f"/collections/{OWN}/points/delete",
            {"filter": {"must": []}},
            403,
            id="delete-while-reading",
        ),
        pytest.param("GET", f"/collections/{COLLECTION}", None, 403, id="inspect-the-shared-one"),
        pytest.param("DELETE", f"/collections/{OWN}", None, 403, id="drop-its-own"),
    ],
)
async def test_a_dedicated_tenants_token_reads_only_its_collection(
    dedicated_qdrant: httpx.AsyncClient, method: str, path: str, body: Any, status: int
) -> None:
    response = await dedicated_qdrant.request(method, path, json=body)
    assert response.status_code == status, response.text


async def test_a_dedicated_tenants_token_lists_only_its_collection(
    dedicated_qdrant: httpx.AsyncClient,
) -> None:
    listed = (await dedicated_qdrant.get("/collections")).json()["result"]["collections"]
    assert {collection["name"] for collection in listed} <= {OWN}
