"""Qdrant's wire: filters, tokens, batches, and what is done with points that should not have come."""

import json
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import respx
import stamina
from gateway.metrics import FOREIGN_HITS
from gateway.models import Chunk, Document
from gateway.problems import CollectionMissing, DimensionMismatch
from gateway.vectors import BATCH, Vectors, _sign, tenant_filter
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr
from tenancy.errors import RemoteRefused, RemoteUnavailable
from tenancy.model import Tenant
from tenancy.names import point_id

from tests.support.backends import STORED_AT
from tests.support.tenants import make_tenant

URL = "http://qdrant.test:6333"
KEY = "the-api-key-of-qdrant"
COLLECTION = "digital_twin_knowledge"
TENANT = make_tenant("tenanta")
DOCUMENT = Document("finance", "doc-1", "a.md", "0" * 64, STORED_AT)
OWN = {"key": "tenantId", "match": {"value": "tenant-tenanta"}}


@pytest.fixture
async def vectors() -> AsyncIterator[Vectors]:
    with stamina.set_testing(True, attempts=2, cap=True):
        vectors = Vectors(url=URL, api_key=SecretStr(KEY), dimension=4)
        yield vectors
        await vectors.close()


@pytest.fixture
def qdrant() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        done = result({"operation_id": 1, "status": "completed"})
        router.put(path__regex=r"/points$", name="upsert").mock(return_value=done)
        router.post(path__regex=r"/points/delete$", name="delete").mock(return_value=done)
        yield router


def result(content: Any) -> httpx.Response:
    return httpx.Response(200, json={"result": content, "status": "ok", "time": 0})


def hit(tenant_key: str, text: str) -> dict[str, Any]:
    payload = {
        "tenantId": tenant_key,
        "personaId": "finance",
        "documentId": "d",
        "chunk": 0,
        "text": text,
        "filename": "a.md",
        "page": None,
        "sha256": "0",
        "createdAt": "2026-11-23T12:00:00+00:00",
    }
    return {"id": 1, "version": 1, "score": 0.5, "payload": payload}


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


def access(request: httpx.Request) -> Any:
    """Return what the token of a request opens; the signature is checked as Qdrant checks it."""
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    claims = jwt.decode(token, OctKey.import_key(KEY), algorithms=["HS256"]).claims
    assert 0 < claims["exp"] - time.time() <= 60
    return claims["access"]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        pytest.param({}, [OWN], id="all-of-the-tenant"),
        pytest.param(
            {"persona_id": "finance"},
            [OWN, {"key": "personaId", "match": {"value": "finance"}}],
            id="a-persona",
        ),
        pytest.param(
            {"document_id": "d", "from_chunk": 3},
            [OWN, {"key": "documentId", "match": {"value": "d"}}, {"key": "chunk", "range": {"gte": 3.0}}],
            id="the-end-of-a-document",
        ),
        pytest.param(
            {"from_chunk": 0}, [OWN, {"key": "chunk", "range": {"gte": 0.0}}], id="from-the-first-chunk"
        ),
    ],
)
def test_a_filter_always_begins_with_the_tenant(narrowed: dict[str, Any], expected: list[Any]) -> None:
    filter_ = tenant_filter(TENANT, **narrowed).model_dump(exclude_none=True)
    assert filter_ == {"must": expected}, "and joins all conditions with AND"


async def search(vectors: Vectors, tenant: Tenant = TENANT) -> list[str]:
    passages = await vectors.search(tenant, [1, 0, 0, 0], persona_id=None, limit=3, threshold=0.1)
    return [passage.text for passage in passages]


async def test_a_search_sends_the_tenants_filter(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(return_value=result({"points": [hit("tenant-tenanta", "mine")]}))
    assert await search(vectors) == ["mine"]
    body = sent(route)
    assert body["filter"] == {"must": [OWN]}
    assert (body["limit"], body["score_threshold"], body["with_payload"]) == (3, 0.1, True)


async def test_a_point_of_another_tenant_is_dropped_and_counted(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    points = [
        hit("tenant-tenantb", "foreign"),
        hit("tenant-tenanta", "mine"),
        {"id": 3, "version": 1, "score": 0.4},
    ]
    qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=result({"points": points}))
    before = FOREIGN_HITS._value.get()
    assert await search(vectors) == ["mine"]
    assert FOREIGN_HITS._value.get() - before == 2


async def test_a_token_opens_one_collection_for_reading_or_writing(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    reading = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=result({"points": []}))
    await search(vectors)
    await vectors.replace(make_tenant("dedi", tier="dedicated"), DOCUMENT, [Chunk("x")], [[1, 0, 0, 0]])
    assert access(reading.calls.last.request) == [{"collection": COLLECTION, "access": "r"}]
    for writing in (qdrant["upsert"].calls.last.request, qdrant["delete"].calls.last.request):
        assert writing.url.path.startswith(f"/collections/{COLLECTION}--tenant-dedi/")
        assert access(writing) == [{"collection": f"{COLLECTION}--tenant-dedi", "access": "rw"}]


def test_a_call_that_forgot_its_collection_gets_no_token() -> None:
    with pytest.raises(LookupError):
        _sign(OctKey.import_key(KEY))


async def test_the_key_itself_is_never_sent(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=result({"points": []}))
    await search(vectors)
    assert KEY not in str(route.calls.last.request.headers)


async def test_without_a_key_no_token_is_sent(qdrant: respx.MockRouter) -> None:
    open_qdrant = Vectors(url=URL, api_key=SecretStr(""), dimension=4)
    route = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=result({"points": []}))
    await search(open_qdrant)
    assert "authorization" not in route.calls.last.request.headers
    await open_qdrant.close()


async def test_the_operator_says_where_a_tenants_points_lie(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.post("/collections/elsewhere/points/query").mock(return_value=result({"points": []}))
    await search(vectors, make_tenant("tenanta", collection="elsewhere"))
    assert route.called


async def test_points_carry_the_whole_payload_under_lasting_ids(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant["upsert"]
    await vectors.replace(
        TENANT, DOCUMENT, [Chunk("One.", 1), Chunk("Two.", 2)], [[1, 0, 0, 0], [0, 1, 0, 0]]
    )
    points = sent(route)["points"]
    assert [point["id"] for point in points] == [point_id("tenanta", "doc-1", number) for number in (0, 1)]
    assert points[1]["payload"] == {
        "tenantId": "tenant-tenanta",
        "personaId": "finance",
        "documentId": "doc-1",
        "chunk": 1,
        "text": "Two.",
        "filename": "a.md",
        "page": 2,
        "sha256": "0" * 64,
        "createdAt": "2026-11-23T12:00:00+00:00",
    }
    assert route.calls.last.request.url.params["wait"] == "true", (
        "a document is searchable when it is reported"
    )


async def test_many_chunks_go_in_batches_and_then_the_surplus_goes(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    count = 2 * BATCH + 1
    await vectors.replace(TENANT, DOCUMENT, [Chunk("x")] * count, [[1, 0, 0, 0]] * count)
    assert len(qdrant["upsert"].calls) == math.ceil(count / BATCH)
    assert sent(qdrant["delete"])["filter"]["must"] == [
        OWN,
        {"key": "documentId", "match": {"value": "doc-1"}},
        {"key": "chunk", "range": {"gte": count}},
    ]


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        pytest.param(
            httpx.Response(404, json={"status": {"error": "Not found"}}),
            CollectionMissing,
            id="no-collection",
        ),
        pytest.param(httpx.Response(503), RemoteUnavailable, id="unavailable"),
        pytest.param(httpx.Response(429), RemoteUnavailable, id="busy"),
        pytest.param(
            httpx.Response(403, json={"status": {"error": "Forbidden"}}), RemoteRefused, id="forbidden"
        ),
        pytest.param(httpx.ConnectError("refused"), RemoteUnavailable, id="down"),
    ],
)
async def test_errors_of_qdrant_become_ours(
    vectors: Vectors, qdrant: respx.MockRouter, response: Any, problem: type[Exception]
) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(side_effect=response) if isinstance(response, Exception) else route.mock(return_value=response)
    with pytest.raises(problem):
        await search(vectors)


def collection_of(size: int) -> httpx.Response:
    return result(
        {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "config": {
                "params": {"vectors": {"size": size, "distance": "Cosine"}},
                "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
            },
            "payload_schema": {},
        }
    )


async def test_a_collection_that_fits_or_is_not_there_yet_is_fine(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.get(f"/collections/{COLLECTION}").mock(return_value=collection_of(4))
    await vectors.check()
    assert access(route.calls.last.request) == [{"collection": COLLECTION, "access": "r"}]
    route.mock(return_value=httpx.Response(404, json={"status": {"error": "Not found"}}))
    await vectors.check()


async def test_a_collection_of_another_dimension_says_what_to_change(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    qdrant.get(f"/collections/{COLLECTION}").mock(return_value=collection_of(1024))
    with pytest.raises(DimensionMismatch, match="1024 numbers, but GATEWAY_EMBEDDING_DIMENSION is 4"):
        await vectors.check()
