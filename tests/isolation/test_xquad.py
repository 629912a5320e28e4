"""Tests of isolation with real text (XQuAD): 16 articles are 16 tenants, a paragraph is a document.

Every question is asked as its own tenant and as another tenant. The file cannot be shipped (CC BY-SA).
``TENANTRY_XQUAD`` names it; by default it is in a folder next to the checkout.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from tenantry_local.platform import Platform

from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.fakes.issuer import open_issuer
from tests.support.programs.gateway import RunningGateway, count_cross_tenant_hits, run_gateway
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(os.environ.get("TENANTRY_XQUAD") or ROOT.parent / "shared" / "data" / "xquad-en-16.json")
CONCURRENCY = 8
GOAL = 0.97

pytestmark = [
    pytest.mark.xquad,
    pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is missing; set TENANTRY_XQUAD"),
]


@dataclass(frozen=True)
class XquadQuestion:
    """A question, and the position of its answer."""

    article: int
    paragraph: int
    text: str


class Corpus:
    """The articles, and the gateway that has them."""

    def __init__(self, gateway: RunningGateway, articles: list[dict[str, Any]], tokens: list[str]) -> None:
        self.gateway = gateway
        self.articles = articles
        self.tokens = tokens
        self.questions = [
            XquadQuestion(article, paragraph, asked["question"])
            for article, content in enumerate(articles)
            for paragraph, held in enumerate(content["paragraphs"])
            for asked in held["qas"]
        ]

    async def ingest(self) -> None:
        """Upload every paragraph to its tenant."""
        await gather_bounded(
            self._upload(article, paragraph, held["context"])
            for article, content in enumerate(self.articles)
            for paragraph, held in enumerate(content["paragraphs"])
        )

    async def search(self, article: int, question: str) -> list[str]:
        """Return the names of the documents of the passages that an article's tenant finds."""
        response = await self._post("/v1/search", article, json={"query": question})
        assert response.status_code == 200, response.text
        return [passage["filename"] for passage in response.json()["passages"]]

    async def _upload(self, article: int, paragraph: int, text: str) -> None:
        files = {"file": (make_filename(article, paragraph), text.encode())}
        response = await self._post("/v1/documents", article, files=files, data={"personaId": "finance"})
        assert response.status_code == 201, response.text

    async def _post(self, path: str, article: int, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[article]}"}
        return await self.gateway.http.post(path, headers=headers, **arguments)


def make_filename(article: int, paragraph: int) -> str:
    """Return the name of a paragraph's document, which contains its tenant."""
    return f"article-{article:02}-paragraph-{paragraph:02}.txt"


def make_tenant_id(article: int) -> str:
    return f"xquad-{article:02}"


def make_manifest(tenant_id: str) -> dict[str, Any]:
    return make_tenant_manifest(tenant_id, identity={"emails": [f"*@{tenant_id}.example"]}, quota=PLENTY)


async def gather_bounded(work: Iterable[Awaitable[T]]) -> list[T]:
    """Await all with limited concurrency, and return the results in order."""
    slots = asyncio.Semaphore(CONCURRENCY)

    async def run_in_slot(awaitable: Awaitable[T]) -> T:
        async with slots:
            return await awaitable

    return await asyncio.gather(*map(run_in_slot, work))


@pytest.fixture(scope="module")
def articles() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(FILE.read_text())["data"]
    return read


@pytest.fixture(scope="module")
async def corpus(platform: Platform, articles: list[dict[str, Any]]) -> AsyncIterator[Corpus]:
    ids = [make_tenant_id(article) for article in range(len(articles))]
    async with open_qdrant(platform) as qdrant, open_issuer() as issuer:
        await make_collection(qdrant)
        with apply_tenants(platform, *map(make_manifest, ids)):
            async with run_gateway(platform, oidc_issuer=issuer.url) as gateway:
                await wait_until(lambda: all(gateway.context.registry.get(tenant_id) for tenant_id in ids))
                uids = {tenant.id: tenant.uid for tenant in gateway.context.registry.list_tenants()}
                tokens = [issuer.issue_token(tenant_id, uids[tenant_id]) for tenant_id in ids]
                corpus = Corpus(gateway, articles, tokens)
                await corpus.ingest()
                yield corpus


async def test_the_expected_passage_is_among_the_top_three(
    corpus: Corpus, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    results = await gather_bounded(corpus.search(asked.article, asked.text) for asked in corpus.questions)
    pairs = list(zip(corpus.questions, results, strict=True))
    hits = sum(make_filename(asked.article, asked.paragraph) in names for asked, names in pairs)
    rate = hits / len(pairs)
    record_property("hit@3", rate)
    with capsys.disabled():
        print(f"\nXQuAD: hit@3 {rate:.4f} ({hits} of {len(pairs)} questions, each to its own tenant)")
    assert all(name.startswith(f"article-{asked.article:02}-") for asked, names in pairs for name in names)
    assert rate >= GOAL


async def test_no_question_finds_another_tenants_passage(corpus: Corpus) -> None:
    """Each question goes to one other tenant; the other tenant rotates through all pairs."""
    count = len(corpus.articles)
    others = [(asked.article + 1 + n % (count - 1)) % count for n, asked in enumerate(corpus.questions)]
    pairs = {(asked.article, other) for asked, other in zip(corpus.questions, others, strict=True)}
    assert len(pairs) == count * (count - 1)
    dropped = count_cross_tenant_hits()
    results = await gather_bounded(
        corpus.search(other, asked.text) for asked, other in zip(corpus.questions, others, strict=True)
    )
    assert count_cross_tenant_hits() == dropped
    leaks = [
        (other, name)
        for other, names in zip(others, results, strict=True)
        for name in names
        if not name.startswith(f"article-{other:02}-")
    ]
    assert sum(map(bool, results)) > len(results) / 2, "empty answers alone would prove nothing"
    assert not leaks
