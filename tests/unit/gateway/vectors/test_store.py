"""Tests of the Qdrant store: requests, tokens, versions and points of other tenants."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import respx
import stamina
from gateway.bm25 import build_query_vector
from gateway.metrics import CROSS_TENANT_HITS
from gateway.models import Chunk, Document, DocumentVersion, IndexedDocument, Passage
from gateway.problems import DimensionMismatch, TenantNotReady
from gateway.vectors import Vectors
from gateway.vectors.access import sign_token
from gateway.vectors.store import MAX_SEARCH_ROUNDS, MIN_CANDIDATES, SCROLL_PAGE_SIZE
from httpx_aiohttp import AiohttpTransport
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.model import Tenant
from tenancy.names import derive_commit_marker_id, derive_point_id

from tests.support.backends.qdrant import accept_any_version
from tests.support.documents.index_writes import publish
from tests.support.fakes.aiohttp_mocker import AIOHTTP
from tests.support.fakes.backends import STORED_AT
from tests.support.tenants.manifests import make_tenant, make_uid

URL = "http://qdrant.test:6333"
KEY = "the-api-key-of-qdrant"
AUTHORITIES = ssl.create_default_context()
COLLECTION = "digital_twin_knowledge"
TENANT = make_tenant("tenanta")
DOCUMENT = Document("finance", "doc-1", "a.md", "0" * 64, STORED_AT)
OWN = [
    {"key": "tenantId", "match": {"value": "tenant-tenanta"}},
    {"key": "tenantUid", "match": {"value": "uid-tenanta"}},
]


@asynccontextmanager
async def allow_write(tenant: Tenant) -> AsyncIterator[None]:
    """Allow every write."""
    yield


def make_vectors(**settings: Any) -> Vectors:
    """Return a store of Qdrant at ``URL`` that allows every write, except for what ``settings`` change."""
    defaults: dict[str, Any] = {
        "url": URL,
        "api_key": SecretStr(KEY),
        "dimension": 4,
        "write_fence": allow_write,
        "require_supported": accept_any_version,
    }
    return Vectors(**defaults | settings)


@pytest.fixture
async def vectors() -> AsyncIterator[Vectors]:
    with stamina.set_testing(True, attempts=2, cap=True):
        vectors = make_vectors()
        yield vectors
        await vectors.close()


@pytest.fixture
def qdrant() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False, using=AIOHTTP) as router:
        done = make_result({"operation_id": 1, "status": "completed"})
        router.put(path__regex=r"/points$", name="upsert").mock(return_value=done)
        router.post(path__regex=r"/points/delete$", name="delete").mock(return_value=done)
        yield router


def make_result(content: Any) -> httpx.Response:
    return httpx.Response(200, json={"result": content, "status": "ok", "time": 0})


def make_hit(
    tenant_key: str, text: str, *, document_id: str = "d", chunk: int = 0, version: str = "v1", uid: str = ""
) -> dict[str, Any]:
    payload = {
        "tenantId": tenant_key,
        "tenantUid": uid or make_uid(tenant_key.removeprefix("tenant-")),
        "personaId": "finance",
        "documentId": document_id,
        "chunk": chunk,
        "chunks": 9,
        "version": version,
        "text": text,
        "heading": "",
        "filename": "a.md",
        "page": None,
        "sha256": "0",
        "createdAt": "2026-11-23T12:00:00+00:00",
    }
    return {"id": 1, "version": 1, "score": 0.5, "payload": payload, "vector": {"dense": [0.6, 0.8, 0, 0]}}


def make_marker(version: str) -> dict[str, Any]:
    return {
        **make_hit("tenant-tenanta", "marker", version=version),
        "id": derive_commit_marker_id("tenanta", make_uid("tenanta"), "d"),
    }


def read_sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


def read_access(request: httpx.Request) -> Any:
    """Return the access claim of a request's token, after a check of its signature."""
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    claims = jwt.decode(token, OctKey.import_key(KEY), algorithms=["HS256"]).claims
    assert 0 < claims["exp"] - time.time() <= 60
    return claims["access"]


async def search(vectors: Vectors, tenant: Tenant = TENANT) -> list[str]:
    passages = await vectors.search(
        tenant, [1, 0, 0, 0], sparse=None, persona_id=None, limit=3, threshold=0.1
    )
    return [passage.text for passage in passages]


async def test_a_search_sends_the_tenants_filter(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(return_value=make_result({"points": [make_hit("tenant-tenanta", "mine")]}))
    assert await search(vectors) == ["mine"]
    body = read_sent(route)
    assert body["filter"] == {"must": OWN}
    assert (body["limit"], body["score_threshold"], body["with_payload"]) == (3, 0.1, True)


async def test_a_search_of_a_persona_finds_nothing_of_another(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(
        return_value=make_result({"points": []})
    )
    await vectors.search(TENANT, [1, 0, 0, 0], sparse=None, persona_id="hr", limit=3, threshold=0.0)
    assert read_sent(route)["filter"] == {"must": [*OWN, {"key": "personaId", "match": {"value": "hr"}}]}


async def test_a_passage_has_its_position(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    hit = make_hit("tenant-tenanta", "mine")
    hit["payload"] |= {"page": 7, "heading": "Plan > Part two"}
    qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=make_result({"points": [hit]}))
    (passage,) = await vectors.search(
        TENANT, [1, 0, 0, 0], sparse=None, persona_id=None, limit=3, threshold=0.1
    )
    assert passage == Passage("finance", "d", "a.md", 7, 0, "mine", 0.5, "v1", "Plan > Part two")


async def test_a_point_of_another_tenant_is_dropped_and_counted(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    points = [
        make_hit("tenant-tenantb", "foreign"),
        make_hit("tenant-tenanta", "of an earlier tenant of the name", uid="an-earlier-one"),
        make_hit("tenant-tenanta", "mine"),
        {"id": 3, "version": 1, "score": 0.4},
    ]
    qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=make_result({"points": points}))
    before = CROSS_TENANT_HITS._value.get()
    assert await search(vectors) == ["mine"]
    assert CROSS_TENANT_HITS._value.get() - before == 3


async def test_a_token_opens_one_collection_for_reading_or_writing(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    reading = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(
        return_value=make_result({"points": []})
    )
    await search(vectors)
    await publish(vectors, make_tenant("dedi", tier="dedicated"), DOCUMENT, [Chunk("x")], [[1, 0, 0, 0]])
    assert read_access(reading.calls.last.request) == [{"collection": COLLECTION, "access": "r"}]
    for writing in (qdrant["upsert"].calls.last.request, qdrant["delete"].calls.last.request):
        assert writing.url.path.startswith(f"/collections/{COLLECTION}--tenant-dedi/")
        assert read_access(writing) == [{"collection": f"{COLLECTION}--tenant-dedi", "access": "rw"}]


async def test_reading_by_id_opens_the_tenants_collection_for_reading(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    dedicated = make_tenant("dedi", tier="dedicated")
    by_id = qdrant.post(f"/collections/{COLLECTION}--tenant-dedi/points").mock(return_value=make_result([]))
    scroll = qdrant.post(f"/collections/{COLLECTION}--tenant-dedi/points/scroll")
    scroll.mock(return_value=make_result({"points": [], "next_page_offset": None}))
    await vectors.get_indexed(dedicated, ["d"])
    await vectors.get_neighbours(dedicated, [Passage("finance", "d", "a.md", None, 1, "x", 0.5, "v1")])
    assert [batch async for batch in vectors.iter_embeddings(dedicated, "d")] == [[]]
    for call in (*by_id.calls, *scroll.calls):
        assert read_access(call.request) == [{"collection": f"{COLLECTION}--tenant-dedi", "access": "r"}]


def test_a_call_without_a_collection_gets_no_token() -> None:
    with pytest.raises(LookupError):
        sign_token(OctKey.import_key(KEY))


async def test_the_key_itself_is_never_sent(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(
        return_value=make_result({"points": []})
    )
    await search(vectors)
    assert KEY not in str(route.calls.last.request.headers)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://qdrant.test", "https://qdrant.test:443"),
        ("http://qdrant.test", "http://qdrant.test:80"),
        ("https://qdrant.test:6333", "https://qdrant.test:6333"),
    ],
)
async def test_a_url_without_a_port_has_the_port_of_its_scheme(url: str, address: str) -> None:
    vectors = make_vectors(url=url)
    remote: Any = vectors._client._client
    assert remote.rest_uri == address
    await vectors.close()


async def test_without_a_key_no_token_is_sent(qdrant: respx.MockRouter) -> None:
    open_qdrant = make_vectors(api_key=SecretStr(""))
    route = qdrant.post(f"/collections/{COLLECTION}/points/query").mock(
        return_value=make_result({"points": []})
    )
    await search(open_qdrant)
    assert "authorization" not in route.calls.last.request.headers
    await open_qdrant.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, True, id="the system's authorities"),
        pytest.param({"verify": AUTHORITIES}, AUTHORITIES, id="one's own"),
    ],
)
async def test_qdrants_certificate_is_verified(
    given: dict[str, Any], expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []

    class Recorded(AiohttpTransport):
        def __init__(self, *, verify: Any, limits: httpx.Limits) -> None:
            checked.append(verify)
            super().__init__(verify=verify, limits=limits)

    monkeypatch.setattr("gateway.vectors.store.AiohttpTransport", Recorded)
    vectors = make_vectors(**given)
    await vectors.close()
    assert checked == [expected]


async def test_the_collection_comes_from_the_tenants_status(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.post("/collections/elsewhere/points/query").mock(return_value=make_result({"points": []}))
    await search(vectors, make_tenant("tenanta", collection="elsewhere"))
    assert route.called


async def test_points_have_the_whole_payload_and_stable_ids(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant["upsert"]
    chunks = [Chunk("One.", 1), Chunk("Two.", 2, "Plan > Part two")]
    await publish(vectors, TENANT, replace(DOCUMENT, etag='"e"'), chunks, [[1, 0, 0, 0], [0, 1, 0, 0]])
    version = DocumentVersion.from_chunks(DOCUMENT, chunks).id
    second, first = (json.loads(call.request.content)["points"][0] for call in route.calls)
    assert first["id"] == derive_commit_marker_id("tenanta", make_uid("tenanta"), "doc-1")
    assert second["id"] == derive_point_id("tenanta", make_uid("tenanta"), "doc-1", version, 1)
    assert first["payload"]["etag"] == '"e"'
    assert second["payload"] == {
        "tenantId": "tenant-tenanta",
        "tenantUid": "uid-tenanta",
        "personaId": "finance",
        "documentId": "doc-1",
        "chunk": 1,
        "chunks": 2,
        "text": "Two.",
        "heading": "Plan > Part two",
        "filename": "a.md",
        "page": 2,
        "sha256": "0" * 64,
        "createdAt": "2026-11-23T12:00:00+00:00",
        "version": version,
    }
    assert second["vector"]["dense"] == [0, 1, 0, 0]
    assert second["vector"]["bm25"]["indices"] == build_query_vector("plan part two").indices
    assert route.calls.last.request.url.params["wait"] == "true", (
        "a document is searchable when it is reported"
    )


async def test_the_commit_marker_is_written_last_and_then_other_versions_are_deleted(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    chunks = [Chunk("x")] * 5
    version = DocumentVersion.from_chunks(DOCUMENT, chunks)
    for start in (0, 2, 4):
        await vectors.upsert_unpublished(TENANT, version, start, [[1, 0, 0, 0]] * min(2, 5 - start))
    assert not qdrant["delete"].called
    await vectors.publish(TENANT, version, [1, 0, 0, 0])
    batches = [json.loads(call.request.content)["points"] for call in qdrant["upsert"].calls]
    assert [[point["payload"]["chunk"] for point in batch] for batch in batches] == [[1], [2, 3], [4], [0]]
    assert read_sent(qdrant["delete"])["filter"] == {
        "must": [*OWN, {"key": "documentId", "match": {"value": "doc-1"}}],
        "must_not": [
            {"key": "version", "match": {"value": DocumentVersion.from_chunks(DOCUMENT, chunks).id}}
        ],
    }


async def test_a_document_is_published_with_its_chunks_counted(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    version = DocumentVersion.from_chunks(DOCUMENT, [Chunk("x")] * 5)
    published = await vectors.publish(TENANT, version, [1, 0, 0, 0])
    assert published == IndexedDocument(DOCUMENT, version.id, 5)


async def test_a_delete_waits_for_its_completion(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    await vectors.remove(TENANT, "doc-1")
    assert {call.request.url.params["wait"] for call in qdrant["delete"].calls} == {"true"}


async def test_an_indexed_document_is_returned_with_all_fields(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    stored = make_marker("v1")
    stored["payload"] |= {"etag": '"e"', "sha256": "0" * 64, "documentId": "doc-1"}
    route = qdrant.post(f"/collections/{COLLECTION}/points").mock(return_value=make_result([stored]))
    expected = IndexedDocument(replace(DOCUMENT, etag='"e"'), "v1", 9)
    assert await vectors.get_indexed(TENANT, ["doc-1"]) == {"doc-1": expected}
    assert {"tenantId", "tenantUid"} < set(read_sent(route)["with_payload"])
    del stored["payload"]["etag"]
    route.mock(return_value=make_result([stored]))
    assert await vectors.get_indexed(TENANT, ["doc-1"]) == {"doc-1": IndexedDocument(DOCUMENT, "v1", 9)}


async def test_the_old_version_is_kept_until_the_commit_marker_has_changed(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    qdrant["upsert"].mock(side_effect=[make_result({"status": "completed"}), httpx.Response(403)])
    with pytest.raises(BackendRefused):
        await publish(vectors, TENANT, DOCUMENT, [Chunk("x"), Chunk("y")], [[1, 0, 0, 0]] * 2)
    assert not qdrant["delete"].called


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param((DOCUMENT, [Chunk("x", 2)]), id="page"),
        pytest.param((DOCUMENT, [Chunk("y", 1)]), id="text"),
        pytest.param((DOCUMENT, [Chunk("x", 1, "Title")]), id="heading"),
        pytest.param((DOCUMENT, [Chunk("x", 1), Chunk("x", 1)]), id="number-of-chunks"),
        pytest.param((replace(DOCUMENT, persona_id="hr"), [Chunk("x", 1)]), id="persona"),
        pytest.param((replace(DOCUMENT, filename="b.md"), [Chunk("x", 1)]), id="filename"),
    ],
)
def test_each_visible_change_changes_the_version(changed: tuple[Document, list[Chunk]]) -> None:
    assert (
        DocumentVersion.from_chunks(*changed).id != DocumentVersion.from_chunks(DOCUMENT, [Chunk("x", 1)]).id
    )


async def test_chunks_of_a_version_that_is_not_committed_are_ignored(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    old = make_hit("tenant-tenanta", "old", chunk=3, version="v0")
    gone = make_hit("tenant-tenanta", "gone", document_id="deleted", chunk=1)
    good = make_hit("tenant-tenanta", "good", chunk=2)
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(side_effect=[make_result({"points": [old, gone]}), make_result({"points": [good]})])
    markers = qdrant.post(f"/collections/{COLLECTION}/points")
    markers.mock(
        return_value=make_result(
            [
                {
                    **make_hit("tenant-tenanta", "marker"),
                    "id": derive_commit_marker_id("tenanta", make_uid("tenanta"), "d"),
                }
            ]
        )
    )
    assert await search(vectors) == ["good"]
    assert json.loads(markers.calls[0].request.content)["ids"] == [
        derive_commit_marker_id("tenanta", make_uid("tenanta"), "d"),
        derive_commit_marker_id("tenanta", make_uid("tenanta"), "deleted"),
    ]
    left_out = read_sent(route)["filter"]["must_not"]
    assert [[condition["match"]["value"] for condition in excluded["must"]] for excluded in left_out] == [
        ["d", "v0"],
        ["deleted", "v1"],
    ], "a second search replaces the dropped points"


async def test_points_without_a_version_are_found(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    old = make_hit("tenant-tenanta", "old", chunk=1)
    for field in ("version", "heading", "chunks"):
        del old["payload"][field]
    qdrant.post(f"/collections/{COLLECTION}/points/query").mock(return_value=make_result({"points": [old]}))
    qdrant.post(f"/collections/{COLLECTION}/points").mock(return_value=make_result([old]))
    assert await search(vectors) == ["old"]
    assert (await vectors.get_indexed(TENANT, ["d"]))["d"].chunks == 0


async def test_a_version_that_is_committed_between_two_rounds_is_found(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    new = make_hit("tenant-tenanta", "v2", chunk=3, version="v2")
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    # v2 is being written and is excluded; it is committed before the second round.
    route.mock(side_effect=[make_result({"points": hits}) for hits in ([new], [], [new])])
    markers = qdrant.post(f"/collections/{COLLECTION}/points")
    markers.mock(side_effect=[make_result([make_marker(version)]) for version in ("v1", "v2", "v2")])
    assert await search(vectors) == ["v2"]


async def test_there_is_no_second_round_if_the_result_was_not_full(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    good = make_hit("tenant-tenanta", "v1")
    half_written = make_hit("tenant-tenanta", "v2", chunk=3, version="v2")
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(return_value=make_result({"points": [half_written, good]}))
    assert await search(vectors) == ["v1"]
    assert len(route.calls) == 1


async def test_a_search_that_finds_only_stale_versions_ends(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(
        return_value=make_result({"points": [make_hit("tenant-tenanta", "x", chunk=n) for n in (1, 2, 3)]})
    )
    qdrant.post(f"/collections/{COLLECTION}/points").mock(return_value=make_result([]))
    assert await search(vectors) == []
    assert len(route.calls) == MAX_SEARCH_ROUNDS


async def test_a_hybrid_search_fuses_two_lists_of_the_tenants_points(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(return_value=make_result({"points": [make_hit("tenant-tenanta", "mine")]}))
    words = build_query_vector("budget")
    (passage,) = await vectors.search(
        TENANT, [1, 0, 0, 0], sparse=words, persona_id=None, limit=3, threshold=0.0
    )
    body = read_sent(route)
    assert passage.score == pytest.approx(0.6), "the score is the cosine, not that of the fusion"
    assert (body["query"], body["limit"], body["with_payload"]) == ({"fusion": "rrf"}, 3, True)
    dense, lexical = body["prefetch"]
    assert (dense["query"], lexical["query"]["indices"]) == ([1, 0, 0, 0], words.indices)
    assert dense["limit"] == lexical["limit"] == MIN_CANDIDATES
    assert (dense["using"], lexical["using"]) == ("dense", "bm25")
    assert dense["filter"] == lexical["filter"] == {"must": OWN}
    assert lexical["params"]["idf"] == {"corpus": {"must": OWN}}, (
        "other tenants do not change the weight of a word"
    )


async def test_the_threshold_applies_to_a_hybrid_search_too(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    weak = {**make_hit("tenant-tenanta", "weak", document_id="e"), "vector": {"dense": [0.1, 0.9, 0, 0]}}
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(return_value=make_result({"points": [weak, make_hit("tenant-tenanta", "strong")]}))
    passages = await vectors.search(
        TENANT, [1, 0, 0, 0], sparse=build_query_vector("x"), persona_id=None, limit=1, threshold=0.5
    )
    assert [passage.text for passage in passages] == ["strong"]
    passages = await vectors.search(
        TENANT, [1, 0, 0, 0], sparse=build_query_vector("x"), persona_id=None, limit=1, threshold=0.6
    )
    assert [passage.text for passage in passages] == ["strong"], "a score equal to the threshold is accepted"
    assert read_sent(route)["limit"] == MIN_CANDIDATES, "points below the threshold do not displace others"


async def test_the_commit_marker_of_a_removed_document_is_deleted_first(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    await vectors.remove(TENANT, "doc-1")
    calls = qdrant["delete"].calls
    marker_filter, rest = (json.loads(call.request.content)["filter"]["must"] for call in calls)
    assert marker_filter == [
        *OWN,
        {"has_id": [derive_commit_marker_id("tenanta", make_uid("tenanta"), "doc-1")]},
    ]
    assert rest == [*OWN, {"key": "documentId", "match": {"value": "doc-1"}}]


async def test_a_commit_marker_of_another_tenant_is_ignored(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    markers = [make_hit("tenant-tenantb", "theirs"), make_hit("tenant-tenanta", "ours", document_id="e")]
    qdrant.post(f"/collections/{COLLECTION}/points").mock(return_value=make_result(markers))
    assert set(await vectors.get_indexed(TENANT, ["d", "e"])) == {"e"}


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        pytest.param(
            httpx.Response(404, json={"status": {"error": "Not found"}}),
            TenantNotReady,
            id="no-collection",
        ),
        pytest.param(httpx.Response(500), BackendUnavailable, id="failed"),
        pytest.param(httpx.Response(503), BackendUnavailable, id="unavailable"),
        pytest.param(httpx.Response(408), BackendUnavailable, id="too-slow"),
        pytest.param(httpx.Response(409), BackendRefused, id="conflict"),
        pytest.param(httpx.Response(429), BackendUnavailable, id="busy"),
        pytest.param(
            httpx.Response(403, json={"status": {"error": "Forbidden"}}), BackendRefused, id="forbidden"
        ),
        pytest.param(httpx.ConnectError("refused"), BackendUnavailable, id="down"),
    ],
)
async def test_errors_of_qdrant_are_mapped(
    vectors: Vectors, qdrant: respx.MockRouter, response: Any, problem: type[Exception]
) -> None:
    route = qdrant.post(f"/collections/{COLLECTION}/points/query")
    route.mock(side_effect=response) if isinstance(response, Exception) else route.mock(return_value=response)
    with pytest.raises(problem):
        await search(vectors)


@pytest.mark.parametrize(
    "answer", [b"", b"who are you?\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"]
)
async def test_a_broken_connection_or_protocol_is_an_outage(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with stamina.set_testing(True, attempts=2, cap=True):
            vectors = make_vectors(url=url)
            with pytest.raises(BackendUnavailable):
                await search(vectors)
            await vectors.close()


def make_collection_response(size: int) -> httpx.Response:
    return make_result(
        {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "config": {
                "params": {"vectors": {"dense": {"size": size, "distance": "Cosine"}}},
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


async def test_a_matching_or_missing_collection_is_accepted(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    route = qdrant.get(f"/collections/{COLLECTION}").mock(return_value=make_collection_response(4))
    await vectors.check()
    assert read_access(route.calls.last.request) == [{"collection": COLLECTION, "access": "r"}]
    route.mock(return_value=httpx.Response(404, json={"status": {"error": "Not found"}}))
    await vectors.check()


async def test_a_collection_of_another_dimension_is_refused_with_the_setting(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    qdrant.get(f"/collections/{COLLECTION}").mock(return_value=make_collection_response(1024))
    with pytest.raises(DimensionMismatch, match="1024 numbers, but GATEWAY_EMBEDDING_DIMENSION is 4"):
        await vectors.check()


async def test_neighbours_of_a_passage_are_of_the_same_version(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    passage = Passage("finance", "d", "a.md", None, 1, "x", 0.5, "v1")
    points = [
        make_hit("tenant-tenanta", "newer commit marker", version="v2"),
        make_hit("tenant-tenanta", "after", chunk=2),
        make_hit("tenant-tenantb", "theirs", chunk=2),
    ]
    route = qdrant.post(f"/collections/{COLLECTION}/points").mock(return_value=make_result(points))
    neighbours = await vectors.get_neighbours(TENANT, [passage])
    assert {position: (neighbour.text, neighbour.score) for position, neighbour in neighbours.items()} == {
        ("d", 2): ("after", 0.0)
    }
    assert read_sent(route)["with_payload"] is True
    assert set(read_sent(route)["ids"]) == {
        derive_commit_marker_id("tenanta", make_uid("tenanta"), "d"),
        derive_point_id("tenanta", make_uid("tenanta"), "d", "v1", 2),
    }
    assert await vectors.get_neighbours(TENANT, []) == {}


@pytest.mark.parametrize("change", ["publish", "remove"])
async def test_every_write_is_fenced_and_nothing_is_written_if_the_fence_refuses(
    qdrant: respx.MockRouter, change: str
) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def fence_write(tenant: Tenant) -> AsyncIterator[None]:
        assert not qdrant.calls
        if refused:
            raise refused
        seen.append(tenant.id)
        yield
        seen.append(f"after {len(qdrant.calls)} calls")

    async def apply_change() -> None:
        if change == "publish":
            await vectors.publish(TENANT, DocumentVersion.from_chunks(DOCUMENT, [Chunk("x")]), [1, 0, 0, 0])
        else:
            await vectors.remove(TENANT, "doc-1")

    vectors = make_vectors(write_fence=fence_write)
    refused: BackendUnavailable | None = BackendUnavailable("redis", "begin-index-write", "gone")
    with pytest.raises(BackendUnavailable):
        await apply_change()
    refused = None
    await apply_change()
    assert seen == ["tenanta", f"after {len(qdrant.calls)} calls"]
    await vectors.close()


async def test_embeddings_of_another_tenant_are_dropped(vectors: Vectors, qdrant: respx.MockRouter) -> None:
    def scroll(request: httpx.Request) -> httpx.Response:
        wanted = json.loads(request.content)["with_payload"]
        hits = [make_hit("tenant-tenanta", "Own."), make_hit("tenant-tenantb", "Theirs.")]
        if "offset" in json.loads(request.content):
            hits[0]["payload"]["heading"] = "Plan"
        for hit in hits:
            hit["payload"] = {name: value for name, value in hit["payload"].items() if name in wanted}
        return make_result({"points": hits, "next_page_offset": next_page.pop()})

    next_page = [None, 33]

    route = qdrant.post(path__regex=r"/points/scroll$").mock(side_effect=scroll)
    embeddings = [embedding async for batch in vectors.iter_embeddings(TENANT, "d") for embedding in batch]
    assert embeddings == [
        ("Own.", [0.6, 0.8, 0, 0]),
        (Chunk("Own.", heading="Plan").embedded_text, [0.6, 0.8, 0, 0]),
    ]
    first, second = (json.loads(call.request.content) for call in route.calls)
    assert first["filter"] == {"must": [*OWN, {"key": "documentId", "match": {"value": "d"}}]}
    assert (first["limit"], first["with_vector"]) == (SCROLL_PAGE_SIZE, ["dense"])
    assert second == {**first, "offset": 33}


async def test_embeddings_of_points_without_a_heading_are_read(
    vectors: Vectors, qdrant: respx.MockRouter
) -> None:
    old = make_hit("tenant-tenanta", "Own.")
    del old["payload"]["heading"]
    route = qdrant.post(path__regex=r"/points/scroll$")
    route.mock(return_value=make_result({"points": [old], "next_page_offset": None}))
    embeddings = [embedding async for batch in vectors.iter_embeddings(TENANT, "d") for embedding in batch]
    assert embeddings == [("Own.", [0.6, 0.8, 0, 0])]
