"""Benchmark of the gateway's overhead under load: a real gateway process with stub backends.

The overhead is the time of a request beyond its calls to Qdrant and Bedrock, read from ``Server-Timing``. It
covers identity (a real Keycloak's token, the real API server's Tenants), limits (a real Redis) and FastAPI.
The total time at the client also includes the gateway's clients of Qdrant and Bedrock. Both include waits for
the processor, because the machine also runs the load driver and the stubs.
"""

import asyncio
import json
import math
import re
import statistics
import time
from dataclasses import dataclass, field

import httpx
import psutil
from gateway.bedrock import INGEST_CONCURRENCY
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform

from .kubernetes import BenchApiServer
from .load_driver import LoadDriver, Response
from .report import Figure, get_percentile
from .stubbed_gateway import StubbedGateway, run_stubbed_gateway

__all__ = ["measure"]

TENANT = "tenantb"
SEARCH = ("/v1/search", {"query": "What is the approved marketing budget for 2026?"})
SEARCH_CALLS = ("embed", "search")
ANSWER = ("/v1/answers", {"question": "What is the approved marketing budget for 2026?"})
ANSWER_CALLS = (*SEARCH_CALLS, "model")

SEARCH_RATE = 100.0
"""Searches per second."""

ANSWER_RATE = 25.0
"""Answers per second. One gateway process on one of two cores handles about 60 with stub backends; at higher
rates the benchmark would measure a queue."""

SECONDS = 5.0
ROUNDS = 5
"""Number of rounds. The report has the median over the rounds, so a disturbed round does not count."""

TENANT_COUNT = 10_000
"""Number of Tenants that must not slow down a request."""

STREAMS = 200
TITAN_SECONDS = 0.1
PAGES = 120


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform with the sample Tenants; stop the operator permanently."""
    quota = {"queriesPerMinute": 1_000_000, "tokensPerMonth": 1_000_000_000}
    spec = json.dumps({"spec": {"quota": quota, "model": {"cacheAnswers": False}}})
    await asyncio.to_thread(
        run_kubectl, platform.context, "patch", "tenant", TENANT, "--type=merge", "-p", spec
    )
    async with run_stubbed_gateway(platform) as gateway:
        few = await _measure_rounds(gateway, *SEARCH, SEARCH_CALLS, rate=SEARCH_RATE)
        answers = await _measure_rounds(gateway, *ANSWER, ANSWER_CALLS, rate=ANSWER_RATE)
    async with run_stubbed_gateway(platform, "--stream-events=20", "--stream-seconds=0.2") as gateway:
        streams = await _measure_streams(gateway)
    async with run_stubbed_gateway(platform, f"--embedding-seconds={TITAN_SECONDS}") as gateway:
        ingest = await _measure_ingest(gateway)
    await asyncio.to_thread(platform.stop, "operator")  # it must not reconcile ten thousand Tenants
    await _make_tenants(platform)
    async with run_stubbed_gateway(platform) as gateway:
        await _wait_until_idle()
        many = await _measure_rounds(gateway, *SEARCH, SEARCH_CALLS, rate=SEARCH_RATE)
    return [
        *_make_figures("search", few, SEARCH_RATE, p50=5, p99=20),
        *_make_figures("answer", answers, ANSWER_RATE, p50=None, p99=30),
        Figure(
            f"search, whole, with {TENANT_COUNT:,} tenants instead of 10",
            many.get_total(50) / few.get_total(50),
            "x",
            1.1,
            note="of the p50s",
        ),
        *streams,
        ingest,
    ]


@dataclass
class _OverheadRounds:
    """Milliseconds of the requests of each round: the gateway's overhead and the total time."""

    shares: list[list[float]] = field(default_factory=list)
    wholes: list[list[float]] = field(default_factory=list)

    def get_overhead(self, percent: int) -> float:
        """Compute a percentile of the overhead in each round; return the median of the percentiles."""
        return statistics.median(get_percentile(shares, percent) for shares in self.shares)

    def get_total(self, percent: int) -> float:
        """Compute a percentile of the total time in each round; return the median of the percentiles."""
        return statistics.median(get_percentile(wholes, percent) for wholes in self.wholes)


def _make_figures(
    name: str, rounds: _OverheadRounds, rate: float, *, p50: float | None, p99: float
) -> list[Figure]:
    note = f"{rate:g} requests/s, median of {ROUNDS} rounds"
    return [
        Figure(f"{name}, gateway's overhead at load, p50", rounds.get_overhead(50), "ms", p50, note=note),
        Figure(f"{name}, gateway's overhead at load, p99", rounds.get_overhead(99), "ms", p99, note=note),
        Figure(f"{name}, whole at load, p50", rounds.get_total(50), "ms", note=note),
        Figure(f"{name}, whole at load, p99", rounds.get_total(99), "ms", note=note),
    ]


async def _measure_rounds(
    gateway: StubbedGateway, path: str, body: dict[str, str], calls: tuple[str, ...], *, rate: float
) -> _OverheadRounds:
    driver = LoadDriver(gateway.port, gateway.token)
    await driver.send_at_rate(path, body, rate=rate, seconds=SECONDS)  # warm
    rounds = _OverheadRounds()
    for _ in range(ROUNDS):
        responses = await driver.send_at_rate(path, body, rate=rate, seconds=SECONDS)
        _require_ok(responses)
        rounds.wholes.append([response.seconds * 1000 for response in responses])
        rounds.shares.append(
            [
                response.get_stage_ms("total") - sum(map(response.get_stage_ms, calls))
                for response in responses
            ]
        )
    driver.close()
    return rounds


async def _measure_streams(gateway: StubbedGateway) -> list[Figure]:
    """Read many streams concurrently; their words contain the time at which the backend sent them."""
    driver = LoadDriver(gateway.port, gateway.token)
    body = {**ANSWER[1], "stream": True}
    await driver.stream(ANSWER[0], body)
    most_rss = 0.0

    async def watch() -> None:
        nonlocal most_rss
        while True:
            most_rss = max(most_rss, gateway.rss)
            await asyncio.sleep(0.25)

    watching = asyncio.create_task(watch())
    streams = await asyncio.gather(*(driver.stream(ANSWER[0], body) for _ in range(STREAMS)))
    watching.cancel()
    lost = sum(b"event: answer" not in chunks[-1][1] for chunks in streams)
    alone = [await driver.stream(ANSWER[0], body) for _ in range(10)]
    return [
        Figure(
            "first streamed word forwarded after, p50",
            statistics.median(map(_get_first_word_ms, alone)),
            "ms",
            10,
        ),
        Figure(
            f"the same with {STREAMS} concurrent streams, p50",
            statistics.median(map(_get_first_word_ms, streams)),
            "ms",
        ),
        Figure(f"{STREAMS} concurrent streams, lost", lost, "streams", 0),
        Figure(f"{STREAMS} concurrent streams, memory (RSS)", most_rss, "MiB", 400),
    ]


def _get_first_word_ms(chunks: list[tuple[int, bytes]]) -> float:
    at, event = next((at, event) for at, event in chunks if b"event: words" in event)
    sent = re.search(rb'"text":"t(\d+)', event)
    assert sent
    return (at - int(sent[1])) / 1e6


async def _measure_ingest(gateway: StubbedGateway) -> Figure:
    """Ingest documents; the gateway's metrics show the duration of its embedding calls.

    A limited number of calls run concurrently and take about the same time, so they run in batches. The time
    of all batches is the time of the embedding model.
    """
    text = "\n\n".join(f"Page {number}. {_make_page()}" for number in range(PAGES)).encode()
    shares = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=120) as http:
        for number in range(ROUNDS + 1):
            calls, seconds = await _read_embedding_metrics(gateway, http)
            response = await http.post(
                "/v1/documents",
                files={"file": (f"bench-{number}.txt", text)},
                data={"personaId": "finance"},
                headers={"Authorization": f"Bearer {gateway.token}"},
            )
            response.raise_for_status()
            total = re.search(r"total;dur=([\d.]+)", response.headers["server-timing"])
            assert total
            calls_after, seconds_after = await _read_embedding_metrics(gateway, http)
            made = calls_after - calls
            batches = math.ceil(made / INGEST_CONCURRENCY)
            shares.append(1 - 1000 * batches * (seconds_after - seconds) / made / float(total[1]))
    share = statistics.median(shares[1:])  # without the first ingest, which starts the reader process
    note = f"{PAGES} pages, {TITAN_SECONDS:g} s an embedding"
    return Figure("ingest, all but embedding calls", share * 100, "%", 10, note=note)


def _make_page() -> str:
    """Return the text of a printed page: 2,000 characters in seven paragraphs."""
    sentences = [f"Sentence {n} speaks of matter {n * n}." for n in range(56)]
    return "\n\n".join(" ".join(sentences[start : start + 8]) for start in range(0, 56, 8))


async def _read_embedding_metrics(gateway: StubbedGateway, http: httpx.AsyncClient) -> tuple[float, float]:
    """Return the number of embedding calls so far and their total duration."""
    metrics = (await http.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics")).text
    name = r'tenantry_backend_seconds_{}\{{operation="embed",.*system="bedrock"\}} (\S+)'
    calls, seconds = (sum(map(float, re.findall(name.format(what), metrics))) for what in ("count", "sum"))
    return calls, seconds


async def _make_tenants(platform: Platform) -> None:
    api, bound = BenchApiServer(platform), asyncio.Semaphore(32)

    async def make(number: int) -> None:
        async with bound:
            await api.create(f"tenant-{number}")

    try:
        await asyncio.gather(*(make(number) for number in range(TENANT_COUNT)))
    finally:
        await api.close()


async def _wait_until_idle() -> None:
    """Wait until the machine is idle after the creation of many objects, but at most a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end and await asyncio.to_thread(psutil.cpu_percent, 2) > 15:
        pass


def _require_ok(responses: list[Response]) -> None:
    if failed := [response for response in responses if response.status != 200]:
        raise RuntimeError(f"{len(failed)} of {len(responses)} failed: {failed[0].body.decode()}")
