"""Benchmark of the gateway: duration of a search, an answer and an ingest, and the gateway's overhead."""

import asyncio
import re
import statistics
import time
from typing import Any

import httpx
import psutil
from tenantry_local.demo_users import get_access_token
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform

from .report import Figure, get_percentile

__all__ = ["measure"]

TENANT = "tenantb"
PERSON = "diana.tenantb@gmail.com"
QUESTION = "What is the approved marketing budget for 2026?"
ROUNDS = 5
REQUESTS = 40
"""Number of requests per round. The report has the median over the rounds."""

PAGES = 60

_STAGE = re.compile(r"(\w+);dur=([\d.]+)")


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform that has ingested the sample documents."""
    # Neither limits nor cached answers may affect the measurement.
    limits = (
        '{"spec":{"quota":{"queriesPerMinute":1000000,"tokensPerMonth":1000000000},'
        '"model":{"cacheAnswers":false}}}'
    )
    await asyncio.to_thread(
        run_kubectl, platform.context, "patch", "tenant", TENANT, "--type=merge", "-p", limits
    )
    token = await asyncio.to_thread(get_access_token, platform.context, PERSON)
    async with httpx.AsyncClient(
        base_url=platform.context.build_url("gateway"),
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
    ) as http:
        figures = [
            *await _measure_requests(http, "search", "/v1/search", {"query": QUESTION}, goal=10),
            *await _measure_requests(http, "answer", "/v1/answers", {"question": QUESTION}, goal=None),
            await _ingest(http),
        ]
    process = platform.processes.find("gateway")
    if process is None:
        raise RuntimeError("the gateway does not run")
    processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    rss = sum(worker.memory_info().rss for worker in processes) / 2**20
    return [*figures, Figure("gateway memory (RSS)", rss, "MiB", note=f"{len(processes)} processes")]


async def _measure_requests(
    http: httpx.AsyncClient, name: str, path: str, body: dict[str, Any], *, goal: float | None
) -> list[Figure]:
    for _ in range(REQUESTS):  # warm up sessions, connections and the stand-in's model
        (await http.post(path, json=body)).raise_for_status()
    rounds = [[await _measure_request(http, path, body) for _ in range(REQUESTS)] for _ in range(ROUNDS)]
    total = statistics.median(
        statistics.median(timing["total"] for timing in measured_round) for measured_round in rounds
    )
    own = statistics.median(
        statistics.median(timing["own"] for timing in measured_round) for measured_round in rounds
    )
    slowest = statistics.median(
        get_percentile([timing["total"] for timing in measured_round], 99) for measured_round in rounds
    )
    return [
        Figure(f"{name}, whole, p50", total, "ms", note=f"median of {ROUNDS} rounds of {REQUESTS}"),
        Figure(f"{name}, whole, p99", slowest, "ms"),
        Figure(f"{name}, backends, p50", total - own, "ms", note="embedding, Qdrant, model: stand-ins here"),
        Figure(f"{name}, gateway's own share, p50", own, "ms", goal),
    ]


async def _measure_request(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, float]:
    response = await http.post(path, json=body)
    response.raise_for_status()
    stages = {name: float(value) for name, value in _STAGE.findall(response.headers["server-timing"])}
    backends = sum(stages.get(stage, 0.0) for stage in ("embed", "search", "model"))
    return {"total": stages["total"], "own": stages["total"] - backends}


async def _ingest(http: httpx.AsyncClient) -> Figure:
    """Ingest a text of many pages of 2,000 characters."""
    page = " ".join(f"Sentence {n} speaks of matter {n * n}." for n in range(70))[:2000]
    content = "\n\n".join(f"Page {number}. {page}" for number in range(PAGES)).encode()
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        files = {"file": ("bench.txt", content)}
        response = await http.post("/v1/documents", files=files, data={"personaId": "finance"})
        response.raise_for_status()
        seconds.append(time.monotonic() - started)
    rate = PAGES / statistics.median(seconds)
    return Figure("ingest", rate, "pages/s", better="higher", note=f"{PAGES} pages")
