"""Benchmark of retrieval quality: dense, lexical and hybrid search in one tenant's documents.

All documents of a set belong to one tenant, so each competes with all others. The sets are the samples and,
if the file exists, XQuAD. The gateway has no lexical mode, so lexical searches query Qdrant directly, with
the gateway's vectors and filter. So hybrid search can be compared with dense and with lexical search.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx
from gateway import bm25
from gateway.vectors.filters import build_tenant_filter
from gateway.vectors.points import to_sparse_vector
from qdrant_client import AsyncQdrantClient, models
from tenancy.names import COLLECTION, LEXICAL_VECTOR
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import open_qdrant
from tests.support.tenants.manifests import PLENTY, make_tenant, make_tenant_manifest

from .question_sets import XQUAD, BenchQuestion, QuestionSet, read_samples, read_xquad
from .report import Figure

__all__ = ["measure"]

CONCURRENCY = 4
DEPTH = 10
"""Lowest rank that counts for the mean reciprocal rank."""

WATCH_SECONDS = 1.0
"""Time within which the gateway applies a change of a Tenant."""

Search = Callable[[str], Awaitable[list[str]]]
Ranks = Sequence[int | None]


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform whose operator and gateway run; skip XQuAD if its file is absent."""
    async with _create_tenant(platform, "bench-samples") as company:
        figures = await _measure_modes(company, read_samples())
    xquad = read_xquad()
    if xquad is None:
        print(f"Skipping XQuAD: {XQUAD.name} does not exist; TENANTRY_XQUAD is its path")
        return figures
    async with _create_tenant(platform, "bench-xquad") as company:
        figures += await _measure_modes(company, xquad)
        async with _create_tenant(platform, "bench-neighbour") as neighbour:
            return figures + await _measure_neighbour_effect(company, neighbour, xquad)


class _TenantClient:
    """Client of a tenant's user."""

    def __init__(
        self, platform: Platform, tenant_id: str, http: httpx.AsyncClient, qdrant: AsyncQdrantClient
    ) -> None:
        self._platform = platform
        self._tenant_id = tenant_id
        self._http = http
        self._qdrant = qdrant

    async def set_mode(self, mode: str) -> None:
        """Set the tenant's retrieval mode: ``dense`` or ``hybrid``."""
        patch = json.dumps({"spec": {"retrieval": {"mode": mode}}})
        tenant = ("tenant", self._tenant_id)
        await _run_kubectl(self._platform, "patch", *tenant, "--type=merge", "-p", patch)
        await _run_kubectl(self._platform, "wait", "--for=condition=Ready", "--timeout=60s", *tenant)
        await asyncio.sleep(WATCH_SECONDS)

    async def upload(self, documents: dict[str, str]) -> None:
        """Upload documents, a few concurrently."""
        bound = asyncio.Semaphore(CONCURRENCY)

        async def run_one(name: str, text: str) -> None:
            async with bound:
                files, data = {"file": (name, text.encode())}, {"personaId": "finance"}
                (await self._http.post("/v1/documents", files=files, data=data)).raise_for_status()

        await asyncio.gather(*(run_one(name, text) for name, text in documents.items()))

    async def search(self, text: str) -> list[str]:
        """Return the filenames of the passages that the gateway finds, best first."""
        response = await self._http.post("/v1/search", json={"query": text, "topK": DEPTH})
        response.raise_for_status()
        return [passage["filename"] for passage in response.json()["passages"]]

    async def search_lexical(self, text: str, *, idf_of_all: bool = False) -> list[str]:
        """Return the results of a lexical search, with IDF over the tenant's points or over all points."""
        own_points = build_tenant_filter(make_tenant(self._tenant_id))
        idf = None if idf_of_all else models.IdfCorpusParams(corpus=own_points)
        response = await self._qdrant.query_points(
            COLLECTION,
            query=to_sparse_vector(bm25.build_query_vector(text)),
            using=LEXICAL_VECTOR,
            query_filter=own_points,
            search_params=models.SearchParams(idf=idf) if idf else None,
            limit=DEPTH,
            with_payload=["filename"],
        )
        return [str((point.payload or {})["filename"]) for point in response.points]


@asynccontextmanager
async def _create_tenant(platform: Platform, tenant_id: str) -> AsyncIterator[_TenantClient]:
    """Create a tenant with a user; delete the tenant and its documents at the end."""
    email = f"anna@{tenant_id}.example"
    manifest = make_tenant_manifest(
        tenant_id, identity={"emails": [f"*@{tenant_id}.example"]}, quota=PLENTY, deletionPolicy="Delete"
    )
    tenant = ("tenant", tenant_id)
    await _run_kubectl(platform, "apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        await _run_kubectl(platform, "wait", "--for=condition=Ready", "--timeout=60s", *tenant)
        async with open_people(platform) as people:
            await people.add(email)
            headers = {"Authorization": f"Bearer {await people.fetch_token(email)}"}
        url = platform.context.build_url("gateway")
        async with (
            open_qdrant(platform) as qdrant,
            httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as http,
        ):
            yield _TenantClient(platform, tenant_id, http, qdrant)
    finally:
        await _run_kubectl(platform, "delete", *tenant, "--timeout=120s")


async def _run_kubectl(platform: Platform, *arguments: str, stdin: str | None = None) -> None:
    await asyncio.to_thread(run_kubectl, platform.context, *arguments, stdin=stdin)


async def _measure_modes(company: _TenantClient, held: QuestionSet) -> list[Figure]:
    """Upload a set into an empty tenant and ask all its questions in each mode."""
    await company.upload(held.documents)
    ranks = {}
    for mode in ("dense", "hybrid"):
        await company.set_mode(mode)
        ranks[mode] = await _get_ranks(held.questions, company.search)
    return _make_figures(held, {**ranks, "words": await _get_ranks(held.questions, company.search_lexical)})


async def _get_ranks(questions: list[BenchQuestion], search: Search) -> Ranks:
    """Return the rank (from 0) of each question's document in the results; ``None`` if it was not found."""
    results = await _find(questions, search)
    return [
        names.index(question.document) if question.document in names else None
        for question, names in zip(questions, results, strict=True)
    ]


async def _find(questions: list[BenchQuestion], search: Search) -> list[list[str]]:
    bound = asyncio.Semaphore(CONCURRENCY)

    async def run_one(text: str) -> list[str]:
        async with bound:
            return await search(text)

    return await asyncio.gather(*(run_one(question.text) for question in questions))


def _get_hit_rate(ranks: Ranks, among: int) -> float:
    return sum(rank is not None and rank < among for rank in ranks) / len(ranks)


def _get_mrr(ranks: Ranks) -> float:
    return sum(1 / (rank + 1) for rank in ranks if rank is not None) / len(ranks)


MEASURES: dict[str, Callable[[Ranks], float]] = {
    "hit@1": partial(_get_hit_rate, among=1),
    "hit@3": partial(_get_hit_rate, among=3),
    "MRR": _get_mrr,
}


def _make_figures(held: QuestionSet, ranks: dict[str, Ranks]) -> list[Figure]:
    """Return each measure of each mode; the goals of hybrid search are the results of the other modes."""
    dense, words = ranks["dense"], ranks["words"]
    goals = {
        ("hybrid", "hit@1"): _get_hit_rate(dense, 1),
        ("hybrid", "hit@3"): max(_get_hit_rate(dense, 3), _get_hit_rate(words, 3)),
    }
    return [
        Figure(
            f"{mode}, {label}, {held.name}",
            MEASURES[label](ranks[mode]),
            "share",
            goals.get((mode, label)),
            "higher",
            _format_by_kind(held, ranks[mode], label),
            strict=label == "hit@1",
        )
        for mode in ("dense", "words", "hybrid")
        for label in MEASURES
    ]


def _format_by_kind(held: QuestionSet, ranks: Ranks, label: str) -> str:
    """Return a measure per kind of question, or the set's size if it has no kinds."""
    if not held.kinds:
        return f"one tenant, {len(held.documents)} documents, {len(held.questions)} questions"
    parts = []
    for kind in held.kinds:
        of_kind = [
            rank for question, rank in zip(held.questions, ranks, strict=True) if question.kind == kind
        ]
        parts.append(f"{kind} {MEASURES[label](of_kind):.2f}")
    return ", ".join(parts)


async def _measure_neighbour_effect(
    company: _TenantClient, neighbour: _TenantClient, held: QuestionSet
) -> list[Figure]:
    """Compare lexical results before and after another tenant uploads the words of every third question."""
    search_all = partial(company.search_lexical, idf_of_all=True)
    own = await _find(held.questions, company.search_lexical)
    crowd = {f"n{n}.txt": f"{question.text} " * 20 for n, question in enumerate(held.questions[::3])}
    await neighbour.upload(crowd)
    still = await _find(held.questions, company.search_lexical)
    moved = await _find(held.questions, search_all)
    note = f"{len(crowd)} documents of the other tenant"
    return [
        Figure(
            "lexical top 3 moved by a neighbour, IDF of the tenant",
            _get_share_changed(own, still),
            "share",
            0.0,
            note=note,
        ),
        Figure("lexical top 3 moved by a neighbour, IDF of all", _get_share_changed(own, moved), "share"),
    ]


def _get_share_changed(before: list[list[str]], after: list[list[str]]) -> float:
    """Return the share of questions whose first three passages changed."""
    pairs = list(zip(before, after, strict=True))
    return sum(first[:3] != second[:3] for first, second in pairs) / len(pairs)
