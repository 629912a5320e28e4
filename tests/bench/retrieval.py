"""How well passages are found: by meaning, by words and by both, in one tenant's documents.

A set's documents are put into ONE tenant, so that each competes with all others: our own samples, and
XQuAD's paragraphs when that file is there. Words alone are no mode of the gateway's: they are asked of Qdrant
directly, with the gateway's own vectors and filter, so that the fusion can be held against both of its
halves.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx
from gateway import bm25
from gateway.vectors.filters import tenant_filter
from gateway.vectors.points import to_sparse_vector
from qdrant_client import AsyncQdrantClient, models
from tenancy.names import COLLECTION, LEXICAL_VECTOR
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform

from tests.support.people import open_people
from tests.support.qdrant import open_qdrant
from tests.support.tenants import PLENTY, make_tenant, tenant_manifest

from .question_sets import XQUAD, Question, QuestionSet, read_own, read_xquad
from .report import Figure

__all__ = ["measure"]

CONCURRENCY = 4
DEPTH = 10
"""How far down a list a document still counts for the mean reciprocal rank."""

FOLLOW_SECONDS = 1.0
"""The gateway watches Tenants, and has followed a change by then."""

Search = Callable[[str], Awaitable[list[str]]]
Ranks = Sequence[int | None]


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform whose operator and gateway run; XQuAD only when its file is there."""
    async with _company(platform, "bench-samples") as company:
        figures = await _by_mode(company, read_own())
    xquad = read_xquad()
    if xquad is None:
        print(f"Skipping XQuAD: {XQUAD.name} is not there; TENANTRY_XQUAD names it")
        return figures
    async with _company(platform, "bench-xquad") as company:
        figures += await _by_mode(company, xquad)
        async with _company(platform, "bench-neighbour") as neighbour:
            return figures + await _moved(company, neighbour, xquad)


class _Company:
    """A tenant, and what one of its people does with its documents."""

    def __init__(
        self, platform: Platform, tenant_id: str, http: httpx.AsyncClient, qdrant: AsyncQdrantClient
    ) -> None:
        self._platform = platform
        self._tenant_id = tenant_id
        self._http = http
        self._qdrant = qdrant

    async def set_mode(self, mode: str) -> None:
        """Let the gateway search ``dense`` or ``hybrid`` from now on."""
        patch = json.dumps({"spec": {"retrieval": {"mode": mode}}})
        tenant = ("tenant", self._tenant_id)
        await _kubectl(self._platform, "patch", *tenant, "--type=merge", "-p", patch)
        await _kubectl(self._platform, "wait", "--for=condition=Ready", "--timeout=60s", *tenant)
        await asyncio.sleep(FOLLOW_SECONDS)

    async def upload(self, documents: dict[str, str]) -> None:
        """Put documents in, a few at a time."""
        bound = asyncio.Semaphore(CONCURRENCY)

        async def one(name: str, text: str) -> None:
            async with bound:
                files, data = {"file": (name, text.encode())}, {"personaId": "finance"}
                (await self._http.post("/v1/documents", files=files, data=data)).raise_for_status()

        await asyncio.gather(*(one(name, text) for name, text in documents.items()))

    async def search(self, text: str) -> list[str]:
        """Return the documents of the passages that the gateway finds, best first."""
        response = await self._http.post("/v1/search", json={"query": text, "topK": DEPTH})
        response.raise_for_status()
        return [passage["filename"] for passage in response.json()["passages"]]

    async def search_words(self, text: str, *, idf_of_all: bool = False) -> list[str]:
        """Return what words alone find, each weighed among the tenant's own points or among all."""
        mine = tenant_filter(make_tenant(self._tenant_id))
        idf = None if idf_of_all else models.IdfCorpusParams(corpus=mine)
        found = await self._qdrant.query_points(
            COLLECTION,
            query=to_sparse_vector(bm25.query_vector(text)),
            using=LEXICAL_VECTOR,
            query_filter=mine,
            search_params=models.SearchParams(idf=idf) if idf else None,
            limit=DEPTH,
            with_payload=["filename"],
        )
        return [str((point.payload or {})["filename"]) for point in found.points]


@asynccontextmanager
async def _company(platform: Platform, tenant_id: str) -> AsyncIterator[_Company]:
    """Make a tenant and one of its people; both the tenant and its documents go at the end."""
    email = f"anna@{tenant_id}.example"
    manifest = tenant_manifest(
        tenant_id, identity={"emails": [f"*@{tenant_id}.example"]}, quota=PLENTY, deletionPolicy="Delete"
    )
    tenant = ("tenant", tenant_id)
    await _kubectl(platform, "apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        await _kubectl(platform, "wait", "--for=condition=Ready", "--timeout=60s", *tenant)
        async with open_people(platform) as people:
            await people.add(email)
            headers = {"Authorization": f"Bearer {await people.token(email)}"}
        url = platform.context.url("gateway")
        async with (
            open_qdrant(platform) as qdrant,
            httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as http,
        ):
            yield _Company(platform, tenant_id, http, qdrant)
    finally:
        await _kubectl(platform, "delete", *tenant, "--timeout=120s")


async def _kubectl(platform: Platform, *arguments: str, stdin: str | None = None) -> None:
    await asyncio.to_thread(kubectl, platform.context, *arguments, stdin=stdin)


async def _by_mode(company: _Company, held: QuestionSet) -> list[Figure]:
    """Put a set into a tenant that holds nothing else, and ask all its questions in each mode."""
    await company.upload(held.documents)
    ranks = {}
    for mode in ("dense", "hybrid"):
        await company.set_mode(mode)
        ranks[mode] = await _ranks(held.questions, company.search)
    return _figures(held, {**ranks, "words": await _ranks(held.questions, company.search_words)})


async def _ranks(questions: list[Question], search: Search) -> Ranks:
    """Return where the answering document came for each question, from 0; ``None`` where it did not."""
    found = await _find(questions, search)
    return [
        names.index(question.document) if question.document in names else None
        for question, names in zip(questions, found, strict=True)
    ]


async def _find(questions: list[Question], search: Search) -> list[list[str]]:
    bound = asyncio.Semaphore(CONCURRENCY)

    async def one(text: str) -> list[str]:
        async with bound:
            return await search(text)

    return await asyncio.gather(*(one(question.text) for question in questions))


def _hits(ranks: Ranks, among: int) -> float:
    return sum(rank is not None and rank < among for rank in ranks) / len(ranks)


def _mrr(ranks: Ranks) -> float:
    return sum(1 / (rank + 1) for rank in ranks if rank is not None) / len(ranks)


MEASURES: dict[str, Callable[[Ranks], float]] = {
    "hit@1": partial(_hits, among=1),
    "hit@3": partial(_hits, among=3),
    "MRR": _mrr,
}


def _figures(held: QuestionSet, ranks: dict[str, Ranks]) -> list[Figure]:
    """Return each measure of each mode; the fusion's goals are what its halves reached."""
    dense, words = ranks["dense"], ranks["words"]
    goals = {
        ("hybrid", "hit@1"): _hits(dense, 1),
        ("hybrid", "hit@3"): max(_hits(dense, 3), _hits(words, 3)),
    }
    return [
        Figure(
            f"{mode}, {label}, {held.name}",
            MEASURES[label](ranks[mode]),
            "share",
            goals.get((mode, label)),
            "higher",
            _by_kind(held, ranks[mode], label),
            strict=label == "hit@1",
        )
        for mode in ("dense", "words", "hybrid")
        for label in MEASURES
    ]


def _by_kind(held: QuestionSet, ranks: Ranks, label: str) -> str:
    """Return a measure of each kind of question; how large the set is where it has no kinds."""
    if not held.kinds:
        return f"one tenant, {len(held.documents)} documents, {len(held.questions)} questions"
    parts = []
    for kind in held.kinds:
        of_kind = [
            rank for question, rank in zip(held.questions, ranks, strict=True) if question.kind == kind
        ]
        parts.append(f"{kind} {MEASURES[label](of_kind):.2f}")
    return ", ".join(parts)


async def _moved(company: _Company, neighbour: _Company, held: QuestionSet) -> list[Figure]:
    """Fill a neighbour with the words of every third question, and see whose lists of words change."""
    search_all = partial(company.search_words, idf_of_all=True)
    own = await _find(held.questions, company.search_words)
    crowd = {f"n{n}.txt": f"{question.text} " * 20 for n, question in enumerate(held.questions[::3])}
    await neighbour.upload(crowd)
    still = await _find(held.questions, company.search_words)
    moved = await _find(held.questions, search_all)
    note = f"{len(crowd)} documents of the neighbour's"
    return [
        Figure(
            "to_sparse_vector top 3 moved by a neighbour, IDF of the tenant",
            _changed(own, still),
            "share",
            0.0,
            note=note,
        ),
        Figure("to_sparse_vector top 3 moved by a neighbour, IDF of all", _changed(own, moved), "share"),
    ]


def _changed(before: list[list[str]], after: list[list[str]]) -> float:
    """Return the share of questions whose first three passages are others now."""
    pairs = list(zip(before, after, strict=True))
    return sum(first[:3] != second[:3] for first, second in pairs) / len(pairs)
