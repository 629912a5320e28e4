"""Tests that the words of one tenant do not change another's ranking, and that an older Qdrant is refused.

Both tenants are in the shared collection of a separate Qdrant stand-in, over HTTP. Qdrant before 1.19 ignores
``params.idf.corpus`` without an error.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from gateway.bm25 import build_query_vector
from gateway.models import Chunk, Document
from gateway.vectors import Vectors, create_monitor
from pydantic import SecretStr
from servicekit.tasks import run_background_task
from tenancy import qdrant_server
from tenancy.errors import UnsupportedQdrant
from tenancy.model import Tenant
from tenancy.qdrant_server import QdrantMonitor, QdrantServer
from tenant_operator.parts.vectors import DIMENSIONS, connect

from tests.support.backends.qdrant import make_collection
from tests.support.documents.index_writes import publish
from tests.support.fakes.backends import STORED_AT
from tests.support.programs.standins import QDRANT_KEY, run_qdrant
from tests.support.tenants.manifests import make_tenant
from tests.support.timing.waiting import wait_until

OWN, NEIGHBOUR = make_tenant("words-own"), make_tenant("words-neighbour")
QUESTION = "invoice holiday"
TEXTS = {"first": "invoice invoice", "second": "holiday", "third": "nothing of both"}
"""Documents with the ranks of their dense vectors below. Both words weigh the same in these documents."""

COSINES = {"first": 0.9, "second": 0.8, "third": 1.0}
OLD = "1.18.3"


def make_vector(cosine: float) -> list[float]:
    """Return a vector of length 1 with a cosine to the question's vector."""
    return [cosine, (1 - cosine**2) ** 0.5, *[0.0] * (DIMENSIONS - 2)]


@asynccontextmanager
async def skip_write_fence(_: Tenant) -> AsyncIterator[None]:
    """Do nothing around a change."""
    yield


@asynccontextmanager
async def open_vectors(url: str) -> AsyncIterator[tuple[Vectors, QdrantMonitor]]:
    """Open the gateway's client and monitor of a Qdrant, after the operator has prepared it."""
    key = SecretStr(QDRANT_KEY)
    operator = QdrantServer(url, lambda _: {"api-key": QDRANT_KEY}, creates_probe=True)
    await operator.find_obstacle()
    client = connect(url, QDRANT_KEY)
    await make_collection(client)
    await client.close()
    monitor = create_monitor(url, key, verify=True)
    vectors = Vectors(
        url=url,
        api_key=key,
        dimension=DIMENSIONS,
        write_fence=skip_write_fence,
        require_supported=monitor.require_supported,
    )
    try:
        yield vectors, monitor
    finally:
        await vectors.close()


async def write(vectors: Vectors, tenant: Tenant, name: str, text: str, cosine: float) -> None:
    document = Document("finance", name, f"{name}.md", "0" * 64, STORED_AT)
    await publish(vectors, tenant, document, [Chunk(text)], [make_vector(cosine)])


async def rank(vectors: Vectors) -> list[str]:
    """Return the ids of the tenant's documents in the order of a hybrid search."""
    passages = await vectors.search(
        OWN, make_vector(1.0), sparse=build_query_vector(QUESTION), persona_id=None, limit=3, threshold=0
    )
    return [passage.document_id for passage in passages]


async def write_all(vectors: Vectors) -> None:
    for name, text in TEXTS.items():
        await write(vectors, OWN, name, text, COSINES[name])


async def write_neighbour(vectors: Vectors) -> None:
    """Write documents of another tenant that are full of one of the question's words."""
    for number in range(40):
        await write(vectors, NEIGHBOUR, f"n{number}", "invoice", 1.0)


async def test_a_neighbours_words_do_not_change_the_ranking(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as standin:
        async with open_vectors(standin.url) as (vectors, _):
            await write_all(vectors)
            before = await rank(vectors)
            assert before == ["first", "second", "third"]
            await write_neighbour(vectors)
            assert await rank(vectors) == before


async def test_a_search_is_refused_on_an_older_qdrant(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD) as standin:
        async with open_vectors(standin.url) as (vectors, _):
            await write_all(vectors)
            with pytest.raises(UnsupportedQdrant, match=re.escape(f"version {OLD}. Tenantry needs 1.19")):
                await rank(vectors)


async def test_a_search_is_refused_if_one_peer_is_older(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, QDRANT_KEY, "--peer-version", "1.20.0", "--peer-version", OLD) as standin:
        async with open_vectors(standin.url) as (vectors, _):
            with pytest.raises(UnsupportedQdrant, match=OLD):
                await rank(vectors)


async def test_a_search_is_refused_on_a_server_that_ignores_the_corpus(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD) as standin:
        async with run_proxy([standin.url], version="1.20.0") as url, open_vectors(url) as (vectors, _):
            with pytest.raises(UnsupportedQdrant, match=r"ignores idf\.corpus"):
                await rank(vectors)


async def test_a_downgrade_at_runtime_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is replaced between two checks, and later upgraded again."""
    _shorten_pauses(monkeypatch)
    with run_qdrant(tmp_path) as standin:
        port = int(standin.url.rpartition(":")[2])
        async with open_vectors(standin.url) as (vectors, monitor), run_background_task(monitor.run(), "m"):
            await write_all(vectors)
            before = await rank(vectors)
            standin.kill()
            with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD, port=port):
                await wait_until(lambda: bool(monitor.obstacle))
                with pytest.raises(UnsupportedQdrant):
                    await rank(vectors)
            with run_qdrant(tmp_path, port=port):
                await wait_until(lambda: not monitor.obstacle)
                assert await rank(vectors) == before


async def test_peers_of_two_versions_behind_one_service_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peers do not know each other: each new connection reaches the next of them."""
    _shorten_pauses(monkeypatch)
    (new_folder := tmp_path / "new").mkdir()
    (old_folder := tmp_path / "old").mkdir()
    with (
        run_qdrant(new_folder) as new,
        run_qdrant(old_folder, QDRANT_KEY, "--server-version", OLD) as old,
    ):
        async with run_proxy([new.url] * 3 + [old.url]) as url:
            monitor = create_monitor(url, SecretStr(QDRANT_KEY), verify=True)
            async with run_background_task(monitor.run(), "monitor"):
                await wait_until(lambda: bool(monitor.obstacle))
                for _ in range(40):
                    await asyncio.sleep(0.02)
                    assert monitor.obstacle, "the refusal ended while an old peer answers"


def _shorten_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_server, "CHECK_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(qdrant_server, "RETRY_INTERVAL_SECONDS", 0.05)


@asynccontextmanager
async def run_proxy(servers: list[str], version: str = "") -> AsyncIterator[str]:
    """Run a proxy that sends each request to the next server; with ``version`` it reports that version."""
    following = itertools.cycle(servers)

    async def forward(request: web.Request) -> web.Response:
        headers = {
            name: request.headers[name] for name in ("api-key", "authorization") if name in request.headers
        }
        async with httpx.AsyncClient(base_url=next(following)) as http:
            answer = await http.request(
                request.method,
                request.path_qs,
                headers=headers,
                json=await request.json() if request.can_read_body else None,
            )
        body = answer.json()
        if version and request.path == "/":
            body["version"] = version
        if version and request.path == "/cluster/telemetry":
            return web.json_response({}, status=404)
        return web.json_response(body, status=answer.status_code)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
