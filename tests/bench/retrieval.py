"""How well passages are found: by meaning, by words and by both, in one tenant's documents.

XQuAD's English articles are put into ONE tenant, so that every paragraph competes with all others. The file
is not ours to ship; without it there are no such figures. Words alone are no mode of the gateway's: they are
asked of Qdrant directly, with the gateway's own vectors and filter, so that the fusion can be held against
both of its halves.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from gateway import bm25
from gateway.vectors.filters import tenant_filter
from gateway.vectors.points import lexical
from qdrant_client import AsyncQdrantClient, models
from tenancy.names import COLLECTION, LEXICAL_VECTOR
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform

from tests.support.people import open_people
from tests.support.qdrant import open_qdrant
from tests.support.tenants import PLENTY, make_tenant, tenant_manifest

from .report import Figure

__all__ = ["measure"]

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(os.environ.get("TENANTRY_XQUAD") or ROOT.parent / "shared" / "data" / "xquad-en-16.json")
TENANT, NEIGHBOUR = "bench-xquad", "bench-neighbour"
CONCURRENCY = 4
DEPTH = 10
"""How far down a list a passage still counts for the mean reciprocal rank."""

Found = Callable[[str], Awaitable[list[str]]]


@dataclass(frozen=True)
class Quality:
    """Shares of questions whose paragraph came first, came among three, and how far up on average."""

    hit_1: float
    hit_3: float
    mrr: float


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform whose operator and gateway run; nothing when the file is not there."""
    paragraphs, questions = _read()
    if not questions:
        return []
    url = platform.context.url("gateway")
    with _tenants(platform):
        async with open_people(platform) as people, open_qdrant(platform) as qdrant:
            tokens = {}
            for tenant_id in (TENANT, NEIGHBOUR):
                await people.add(f"anna@{tenant_id}.example")
                tokens[tenant_id] = await people.token(f"anna@{tenant_id}.example")
            async with httpx.AsyncClient(base_url=url, timeout=120) as http:
                await _upload(http, tokens[TENANT], paragraphs)
                by_gateway = {}
                for mode in ("dense", "hybrid"):
                    _set_mode(platform, mode)
                    by_gateway[mode] = await _quality(questions, _searching(http, tokens[TENANT]))
                own = [await _lexical(qdrant, text, own=True) for _, text in questions]
                # A neighbour whose documents are full of the words of every third question.
                crowd = {f"n{n}": f"{text} " * 20 for n, (_, text) in enumerate(questions[::3])}
                await _upload(http, tokens[NEIGHBOUR], crowd)
                still = [await _lexical(qdrant, text, own=True) for _, text in questions]
                moved = [await _lexical(qdrant, text, own=False) for _, text in questions]
    words = _score(
        [found.index(n) if n in found else None for (n, _), found in zip(questions, own, strict=True)]
    )
    return [
        *_figures("dense", by_gateway["dense"]),
        *_figures("words", words),
        *_figures("hybrid", by_gateway["hybrid"], words=words, dense=by_gateway["dense"]),
        Figure(
            "lexical top 3 moved by a neighbour, IDF of the tenant",
            _changed(own, still),
            "share",
            0.0,
            note=f"{len(crowd)} documents of the neighbour's",
        ),
        Figure("lexical top 3 moved by a neighbour, IDF of all", _changed(own, moved), "share"),
    ]


def _read() -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return paragraphs by name, and questions with the name of the paragraph that answers them."""
    if not FILE.exists():
        return {}, []
    held = [each for article in json.loads(FILE.read_text())["data"] for each in article["paragraphs"]]
    questions = [(str(n), asked["question"]) for n, each in enumerate(held) for asked in each["qas"]]
    return {str(n): each["context"] for n, each in enumerate(held)}, questions


@contextmanager
def _tenants(platform: Platform) -> Iterator[None]:
    names = (TENANT, NEIGHBOUR)
    manifests = [
        tenant_manifest(
            name, identity={"emails": [f"*@{name}.example"]}, quota=PLENTY, deletionPolicy="Delete"
        )
        for name in names
    ]
    text = "\n---\n".join(map(json.dumps, manifests))
    kubectl(platform.context, "apply", "-f", "-", stdin=text)
    try:
        kubectl(platform.context, "wait", "--for=condition=Ready", "--timeout=60s", "tenant", *names)
        yield
    finally:
        kubectl(platform.context, "delete", "tenant", *names, "--timeout=120s")


def _set_mode(platform: Platform, mode: str) -> None:
    patch = json.dumps({"spec": {"retrieval": {"mode": mode}}})
    kubectl(platform.context, "patch", "tenant", TENANT, "--type=merge", "-p", patch)
    # The gateway follows within a second; Ready says that the operator has, too.
    kubectl(platform.context, "wait", "--for=condition=Ready", "--timeout=60s", "tenant", TENANT)


async def _upload(http: httpx.AsyncClient, token: str, texts: dict[str, str]) -> None:
    bound = asyncio.Semaphore(CONCURRENCY)

    async def one(name: str, text: str) -> None:
        async with bound:
            response = await http.post(
                "/v1/documents",
                files={"file": (f"{name}.txt", text.encode())},
                data={"personaId": "finance"},
                headers={"Authorization": f"Bearer {token}"},
            )
            response.raise_for_status()

    await asyncio.gather(*(one(name, text) for name, text in texts.items()))


def _searching(http: httpx.AsyncClient, token: str) -> Found:
    async def search(text: str) -> list[str]:
        response = await http.post(
            "/v1/search",
            json={"query": text, "topK": DEPTH},
            headers={"Authorization": f"Bearer {token}"},
        )
        response.raise_for_status()
        return [passage["filename"].removesuffix(".txt") for passage in response.json()["passages"]]

    return search


async def _lexical(qdrant: AsyncQdrantClient, text: str, *, own: bool) -> list[str]:
    """Return what words alone find, each weighed among the tenant's own points or among all."""
    mine = tenant_filter(make_tenant(TENANT))
    found = await qdrant.query_points(
        COLLECTION,
        query=lexical(bm25.query_vector(text)),
        using=LEXICAL_VECTOR,
        query_filter=mine,
        search_params=models.SearchParams(idf=models.IdfCorpusParams(corpus=mine)) if own else None,
        limit=DEPTH,
        with_payload=["filename"],
    )
    return [str((point.payload or {})["filename"]).removesuffix(".txt") for point in found.points]


async def _quality(questions: list[tuple[str, str]], search: Found) -> Quality:
    bound = asyncio.Semaphore(CONCURRENCY)

    async def rank(paragraph: str, text: str) -> int | None:
        async with bound:
            found = await search(text)
        return found.index(paragraph) if paragraph in found else None

    return _score(await asyncio.gather(*(rank(*each) for each in questions)))


def _score(ranks: list[int | None]) -> Quality:
    found = [rank for rank in ranks if rank is not None]
    return Quality(
        hit_1=sum(rank == 0 for rank in found) / len(ranks),
        hit_3=sum(rank < 3 for rank in found) / len(ranks),
        mrr=sum(1 / (rank + 1) for rank in found) / len(ranks),
    )


def _figures(
    name: str, quality: Quality, *, words: Quality | None = None, dense: Quality | None = None
) -> list[Figure]:
    goals: dict[str, Any] = {"hit_1": None, "hit_3": None, "mrr": None}
    if words and dense:
        goals |= {"hit_1": dense.hit_1, "hit_3": max(words.hit_3, dense.hit_3)}
    labels = {"hit_1": "hit@1", "hit_3": "hit@3", "mrr": "MRR"}
    return [
        Figure(
            f"{name}, {label}", getattr(quality, field), "share", goals[field], "higher", "one tenant, XQuAD"
        )
        for field, label in labels.items()
    ]


def _changed(before: list[list[str]], after: list[list[str]]) -> float:
    """Return the share of questions whose first three passages are others now."""
    pairs = list(zip(before, after, strict=True))
    return sum(first[:3] != second[:3] for first, second in pairs) / len(pairs)
