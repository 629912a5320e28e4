"""Tests of the routes through the real client.

Rights are in test_access.py, restarts in test_durability.py.
"""

import uuid
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.support.programs.standins import QDRANT_KEY, Standin
from tests.support.timing.waiting import wait_until


@pytest.fixture
async def collection_name(client: AsyncQdrantClient) -> str:
    """Create a collection like the operator's, with four dimensions and a sparse vector; return its name."""
    name = f"k-{uuid.uuid4().hex[:8]}"
    await client.create_collection(
        name,
        vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE),
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
    )
    await client.create_payload_index(
        name, "tenantId", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    )
    return name


def make_point(number: int, tenant: str, *vector: float, **payload: Any) -> models.PointStruct:
    return models.PointStruct(id=number, vector=list(vector), payload={"tenantId": tenant, **payload})


def make_tenant_filter(tenant: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant))])


async def test_a_collection_reports_its_settings(client: AsyncQdrantClient, collection_name: str) -> None:
    await client.create_payload_index(
        collection_name, "documentId", models.PayloadSchemaType.KEYWORD, wait=True
    )
    await client.upsert(
        collection_name, [make_point(1, "a", 1, 0, 0, 0), make_point(2, "b", 0, 1, 0, 0, documentId="d")]
    )
    info = await client.get_collection(collection_name)
    assert isinstance(info.config.params.vectors, models.VectorParams)
    assert info.config.params.vectors.size == 4
    assert (info.config.hnsw_config.m, info.config.hnsw_config.payload_m) == (0, 16)
    assert info.config.params.sparse_vectors == {
        "words": models.SparseVectorParams(modifier=models.Modifier.IDF)
    }
    tenant, document = info.payload_schema["tenantId"], info.payload_schema["documentId"]
    assert isinstance(tenant.params, models.KeywordIndexParams)
    assert (tenant.params.is_tenant, tenant.points, document.points) == (True, 2, 1)
    assert info.points_count == 2


async def test_a_deleted_index_no_longer_exists(client: AsyncQdrantClient, collection_name: str) -> None:
    await client.delete_payload_index(collection_name, "tenantId")
    assert (await client.get_collection(collection_name)).payload_schema == {}
    assert (await client.count(collection_name, count_filter=make_tenant_filter("a"))).count == 0


async def test_collections_are_listed_and_deleted(client: AsyncQdrantClient, collection_name: str) -> None:
    assert collection_name in [point.name for point in (await client.get_collections()).collections]
    assert await client.collection_exists(collection_name)
    assert await client.delete_collection(collection_name)
    assert not await client.collection_exists(collection_name)
    assert not await client.delete_collection(collection_name)


async def test_hnsw_settings_can_be_changed(client: AsyncQdrantClient, collection_name: str) -> None:
    await client.update_collection(collection_name, hnsw_config=models.HnswConfigDiff(payload_m=32))
    config = (await client.get_collection(collection_name)).config.hnsw_config
    assert (config.m, config.payload_m) == (0, 32)


async def test_a_search_finds_the_nearest_of_one_tenant_only(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    await client.upsert(
        collection_name,
        [
            make_point(1, "a", 1, 0, 0, 0),
            make_point(2, "a", 1, 1, 0, 0),
            make_point(3, "b", 1, 0, 0, 0, page=None),
        ],
    )
    found = await client.query_points(
        collection_name, query=[1.0, 0.0, 0.0, 0.0], query_filter=make_tenant_filter("a"), with_payload=True
    )
    assert [(point.id, round(point.score, 3)) for point in found.points] == [(1, 1.0), (2, 0.707)]
    found = await client.query_points(
        collection_name,
        query=[1.0, 0.0, 0.0, 0.0],
        query_filter=make_tenant_filter("b"),
        limit=1,
        with_payload=["page"],
    )
    assert found.points[0].payload == {"page": None}
    found = await client.query_points(
        collection_name, query=[1.0, 0.0, 0.0, 0.0], score_threshold=0.9, with_payload=False
    )
    assert {point.id for point in found.points} == {1, 3}
    assert found.points[0].payload is None


async def test_dense_and_sparse_are_fused(client: AsyncQdrantClient, collection_name: str) -> None:
    words = [models.SparseVector(indices=[1], values=[1.0]), models.SparseVector(indices=[2], values=[1.0])]
    await client.upsert(
        collection_name,
        [
            models.PointStruct(id=1, vector={"": [1, 0, 0, 0], "words": words[0]}, payload={"tenantId": "a"}),
            models.PointStruct(
                id=2, vector={"": [1, 0.5, 0, 0], "words": words[1]}, payload={"tenantId": "a"}
            ),
            models.PointStruct(id=3, vector={"": [0, 0, 1, 0], "words": words[1]}, payload={"tenantId": "b"}),
        ],
    )
    found = await client.query_points(
        collection_name,
        prefetch=[
            models.Prefetch(query=[1.0, 0.0, 0.0, 0.0], limit=5),
            models.Prefetch(query=words[1], using="words", limit=5),
        ],
        query=models.FusionQuery(fusion=models.Fusion.RRF),
        query_filter=make_tenant_filter("a"),
    )
    assert [point.id for point in found.points] == [2, 1]


async def test_points_are_replaced_retrieved_counted_and_deleted(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    one = str(uuid.uuid4())
    for text in ("old", "new"):
        written = await client.upsert(
            collection_name,
            [models.PointStruct(id=one, vector=[1, 0, 0, 0], payload={"tenantId": "a", "text": text})],
            wait=True,
        )
        assert written.status is models.UpdateStatus.COMPLETED
    retrieved = await client.retrieve(collection_name, [one], with_vectors=True)
    assert retrieved[0].payload == {"tenantId": "a", "text": "new"}
    assert retrieved[0].vector == [1, 0, 0, 0]
    await client.upsert(collection_name, [make_point(number, "b", 0, 1, 0, 0) for number in range(5)])
    assert (await client.count(collection_name)).count == 6
    await client.delete(collection_name, models.FilterSelector(filter=make_tenant_filter("b")), wait=True)
    assert (await client.count(collection_name, count_filter=make_tenant_filter("b"))).count == 0
    await client.delete(collection_name, [one])
    assert (await client.count(collection_name)).count == 0


async def test_a_point_that_is_inserted_again_is_found(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    await client.upsert(collection_name, [make_point(1, "a", 1, 0, 0, 0)])
    await client.delete(collection_name, [1])
    await client.upsert(collection_name, [make_point(1, "b", 1, 0, 0, 0)])
    assert (await client.count(collection_name, count_filter=make_tenant_filter("a"))).count == 0
    assert (await client.count(collection_name, count_filter=make_tenant_filter("b"))).count == 1


async def test_scrolling_returns_every_point_once(client: AsyncQdrantClient, collection_name: str) -> None:
    await client.upsert(
        collection_name, [make_point(number, "ab"[number % 2], 1, 0, 0, 0) for number in range(25)]
    )
    seen: list[Any] = []
    offset: Any = None
    while True:
        points, offset = await client.scroll(
            collection_name, scroll_filter=make_tenant_filter("a"), limit=5, offset=offset, with_vectors=True
        )
        seen += [point.id for point in points]
        assert all(point.vector and point.payload for point in points)
        if offset is None:
            break
    assert seen == list(range(0, 25, 2))


async def test_filters_use_the_changed_payload(client: AsyncQdrantClient, collection_name: str) -> None:
    await client.upsert(collection_name, [make_point(1, "a", 1, 0, 0, 0, text="kept")])
    await client.set_payload(collection_name, {"tenantId": "b"}, points=make_tenant_filter("a"))
    assert (await client.count(collection_name, count_filter=make_tenant_filter("a"))).count == 0
    assert (await client.retrieve(collection_name, [1]))[0].payload == {"tenantId": "b", "text": "kept"}
    assert (await client.count(collection_name, count_filter=make_tenant_filter("b"))).count == 1


async def test_values_of_an_indexed_field_are_counted(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    await client.upsert(
        collection_name, [make_point(number, "aab"[number], 1, 0, 0, 0) for number in range(3)]
    )
    hits = (await client.facet(collection_name, "tenantId")).hits
    assert [(hit.value, hit.count) for hit in hits] == [("a", 2), ("b", 1)]
    with pytest.raises(UnexpectedResponse, match="Index required but not found"):
        await client.facet(collection_name, "text")


async def get_refusal(response: Any) -> tuple[int | None, str]:
    with pytest.raises(UnexpectedResponse) as caught:
        await response
    return caught.value.status_code, caught.value.structured()["status"]["error"]


async def test_invalid_requests_have_qdrants_error_messages(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    gone = "Not found: Collection `nowhere` doesn't exist!"
    four = "Wrong input: Vector dimension error: expected dim: 4, got 3"
    size = models.VectorParams(size=4, distance=models.Distance.COSINE)
    assert await get_refusal(client.get_collection("nowhere")) == (404, gone)
    assert await get_refusal(client.query_points("nowhere", query=[1.0])) == (404, gone)
    assert await get_refusal(client.upsert("nowhere", [make_point(1, "a", 1)])) == (404, gone)
    assert await get_refusal(client.upsert(collection_name, [make_point(1, "a", 1, 0, 0)])) == (400, four)
    assert await get_refusal(client.query_points(collection_name, query=[1.0, 0.0, 0.0])) == (400, four)
    assert await get_refusal(
        client.query_points(collection_name, query=[1.0, 0.0, 0.0, 0.0], using="other")
    ) == (
        400,
        "Wrong input: Not existing vector name error: other",
    )
    assert await get_refusal(client.create_collection(collection_name, vectors_config=size)) == (
        409,
        f"Wrong input: Collection `{collection_name}` already exists!",
    )
    assert await get_refusal(client.set_payload(collection_name, {"a": 1}, points=[77])) == (
        404,
        "Not found: No point with id 77 found",
    )


async def test_a_batch_with_an_invalid_point_is_rejected_as_a_whole(
    client: AsyncQdrantClient, collection_name: str
) -> None:
    with pytest.raises(UnexpectedResponse):
        await client.upsert(collection_name, [make_point(1, "a", 1, 0, 0, 0), make_point(2, "a", 1, 0)])
    assert (await client.count(collection_name)).count == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("PUT", "/collections/x/points", {"points": 7}, 400, "Format error in JSON body"),
        ("POST", "/collections/x/points/scroll", {"limit": "many"}, 400, "Format error in JSON body: limit"),
        ("POST", "/collections/aliases", {}, 404, "does not serve POST /collections/aliases"),
        ("GET", "/telemetry", None, 404, "does not serve GET /telemetry"),
    ],
)
def test_an_unsupported_call_is_named_in_the_error(
    standin: Standin, method: str, path: str, body: Any, status: int, error: str
) -> None:
    answer = httpx.request(method, f"{standin.url}{path}", json=body, headers={"api-key": QDRANT_KEY})
    assert answer.status_code == status
    assert error in answer.json()["status"]["error"]


async def test_every_request_is_logged_without_its_key(standin: Standin) -> None:
    path = "/collections/logged/exists"
    async with httpx.AsyncClient(headers={"api-key": QDRANT_KEY}) as http:
        await http.get(f"{standin.url}{path}")
    # The server writes the line after the response.
    await wait_until(lambda: any(record.get("path") == path for record in standin.records))
    lines = [record for record in standin.records if record.get("path") == path]
    assert [(line["event"], line["method"], line["status"]) for line in lines] == [
        ("Request answered", "GET", 200)
    ]
    assert QDRANT_KEY not in standin.log.read_text()
