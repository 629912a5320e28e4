"""Benchmark of questions through Open WebUI, the pipe, n8n and the gateway, with a model that takes 2 s.

Each of five users asks the next question when the answer has arrived, as an API client and as the browser.
They start at different moments. The timing proxy records n8n's overhead of the same requests.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tenantry_local.parts.n8n import N8n, N8nWebhook, N8nWorker
from tenantry_local.platform import Platform

from tests.support.programs.n8n import set_n8n_variables

from .chat_client import ChatClient
from .question_sets import read_samples
from .report import Figure, get_percentile
from .tenant_fixture import TenantFixture, create_tenant, delay_model
from .timing_proxy import TimingProxy, open_timing_proxy

__all__ = ["MODEL_SECONDS", "USERS", "MeasuredRounds", "ask_concurrently", "measure", "measure_engine"]

USERS = 5
MODEL_SECONDS = 2.0
WARM_UP_QUESTIONS = 60
"""Warm-up questions per user before the first round: n8n's first hundreds are slower."""

SHORT_WARM_UP_QUESTIONS = 6
"""Warm-up questions per user before the rounds of the second client."""

QUESTIONS_PER_ROUND = 6
"""Questions per user in a round."""

ROUNDS = 5
"""Number of rounds. The report has the median over the rounds, so a disturbed round does not count."""

AskFunction = Callable[[ChatClient, str], Awaitable[float]]


@dataclass
class MeasuredRounds:
    """Values of all measurements, by round."""

    rounds: list[list[float]] = field(default_factory=list)

    def compute_median(self, percent: int) -> float:
        """Compute a percentile of each round; return the median of the percentiles."""
        return statistics.median(get_percentile(seconds, percent) for seconds in self.rounds)


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform with all parts."""
    async with create_tenant(platform, "bench-chat", user_count=USERS) as tenant:
        measured = await _measure_clients(tenant)
    size = USERS * QUESTIONS_PER_ROUND
    note = f"{USERS} concurrent users, model {MODEL_SECONDS:g} s, median of {ROUNDS} rounds of {size}"
    return [
        figure
        for name, (wholes, shares) in measured.items()
        for figure in (
            Figure(f"chat, {name}, p50", wholes.compute_median(50), "s", 2.5, note=note),
            Figure(f"chat, {name}, p95", wholes.compute_median(95), "s", 3, note=note),
            Figure(
                f"chat, {name}, n8n's share, p50",
                shares.compute_median(50),
                "ms",
                note="of the same requests",
            ),
            Figure(
                f"chat, {name}, n8n's share, p95",
                shares.compute_median(95),
                "ms",
                100,
                note="of the same requests",
            ),
        )
    ]


async def measure_engine(platform: Platform) -> list[Figure]:
    """Measure n8n's overhead with its other expression engine, then restore n8n."""
    parts = (N8n.name, N8nWorker.name, N8nWebhook.name)
    async with create_tenant(platform, "bench-engine", user_count=USERS) as tenant:
        try:
            with set_n8n_variables({"N8N_EXPRESSION_ENGINE": "vm"}):
                await asyncio.to_thread(platform.start_parts, parts)
                _, shares = (await _measure_clients(tenant, {"as a program": _make_api_client}))[
                    "as a program"
                ]
        finally:
            await asyncio.to_thread(platform.start_parts, parts)
    note = "N8N_EXPRESSION_ENGINE=vm, n8n's default"
    return [
        Figure(
            f"n8n's share, expressions in a VM, p{percent}", shares.compute_median(percent), "ms", note=note
        )
        for percent in (50, 95)
    ]


async def ask_concurrently(
    clients: Sequence[ChatClient], ask: AskFunction, questions: Sequence[str], *, each: int, apart: float
) -> list[float]:
    """Let every user ask ``each`` questions sequentially; users start ``apart`` seconds after each other."""

    async def ask_questions(user: int, client: ChatClient) -> list[float]:
        await asyncio.sleep(user * apart)
        first = user * len(questions) // len(clients)
        return [await ask(client, questions[(first + number) % len(questions)]) for number in range(each)]

    return [
        value
        for values in await asyncio.gather(*map(ask_questions, range(len(clients)), clients))
        for value in values
    ]


async def _measure_clients(
    tenant: TenantFixture, ways: "dict[str, Callable[[str], AskFunction]] | None" = None
) -> dict[str, tuple[MeasuredRounds, MeasuredRounds]]:
    """Return the total time (seconds) and n8n's overhead (milliseconds) for each client."""
    own = read_samples()
    questions = [question.text for question in own.questions]
    await tenant.upload(own.documents)
    port = tenant.platform.context.ports[N8nWebhook.name]
    measured: dict[str, tuple[MeasuredRounds, MeasuredRounds]] = {}
    async with (
        open_timing_proxy(port) as (timing_proxy, url),
        tenant.webui.override_valves(n8n_url=url, fallback_to_direct=False),
    ):
        for name, way in (ways or WAYS).items():
            ask = way(tenant.model)
            before = SHORT_WARM_UP_QUESTIONS if measured else WARM_UP_QUESTIONS
            await ask_concurrently(tenant.clients, ask, questions, each=before, apart=0)
            async with delay_model(tenant.platform, MODEL_SECONDS):
                measured[name] = await _measure_rounds(tenant, ask, questions, timing_proxy)
    return measured


async def _measure_rounds(
    tenant: TenantFixture, ask: AskFunction, questions: Sequence[str], timing_proxy: TimingProxy
) -> tuple[MeasuredRounds, MeasuredRounds]:
    wholes, shares = MeasuredRounds(), MeasuredRounds()
    for _ in range(ROUNDS):
        timing_proxy.pop_overheads()
        seconds = await ask_concurrently(
            tenant.clients, ask, questions, each=QUESTIONS_PER_ROUND, apart=MODEL_SECONDS / USERS
        )
        taken = timing_proxy.pop_overheads()
        if len(taken) != len(seconds):
            raise RuntimeError(f"n8n received {len(taken)} of {len(seconds)} questions")
        wholes.rounds.append(seconds)
        shares.rounds.append(taken)
    return wholes, shares


def _make_api_client(model: str) -> AskFunction:
    async def ask(client: ChatClient, question: str) -> float:
        began = time.perf_counter()
        response = await client.person.ask(model, question)
        response.raise_for_status()
        return time.perf_counter() - began

    return ask


def _make_browser_client(model: str) -> AskFunction:
    async def ask(client: ChatClient, question: str) -> float:
        return (await client.ask(model, question)).seconds

    return ask


WAYS = {"as a program": _make_api_client, "in a browser": _make_browser_client}
