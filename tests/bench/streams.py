"""Benchmark of streaming: delay from the model's first word until a user of Open WebUI receives it.

The pipe asks the gateway directly, and the words of the stub model contain their sending time.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

from tenantry_local.platform import Platform

from .chat import MODEL_SECONDS, USERS
from .chat_client import ChatClient
from .report import Figure, get_percentile
from .stubbed_gateway import run_stubbed_gateway
from .tenant_fixture import TenantFixture, create_tenant

__all__ = ["measure"]

QUESTION = "What is the approved marketing budget for 2026?"
ROUNDS = 5
QUESTIONS_PER_ROUND = 5
"""Questions per user in a round."""

GOAL_MS = 150


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a platform with all parts."""
    options = (f"--model-seconds={MODEL_SECONDS}", "--stream-events=10", "--stream-seconds=0.05")
    async with (
        create_tenant(platform, "bench-streams", user_count=USERS) as tenant,
        run_stubbed_gateway(platform, *options) as gateway,
        tenant.webui.override_valves(orchestrator="direct", gateway_url=f"http://127.0.0.1:{gateway.port}"),
    ):
        return [
            *await _measure_figures(tenant, "as a program", _measure_api),
            *await _measure_figures(tenant, "in a browser", _measure_browser),
        ]


async def _measure_figures(
    tenant: TenantFixture, name: str, late: Callable[[ChatClient, str], Awaitable[float]]
) -> list[Figure]:
    async def measure_user(client: ChatClient, place: int) -> list[float]:
        await asyncio.sleep(place * MODEL_SECONDS / USERS)
        return [await late(client, tenant.model) for _ in range(QUESTIONS_PER_ROUND)]

    rounds = []
    for _ in range(ROUNDS + 1):
        answers = await asyncio.gather(
            *(measure_user(client, place) for place, client in enumerate(tenant.clients))
        )
        rounds.append([value for values in answers for value in values])
    note = f"{USERS} concurrent users, direct, median of {ROUNDS} rounds of {USERS * QUESTIONS_PER_ROUND}"
    return [
        Figure(
            f"first word after the model's, {name}, p{percent}",
            statistics.median(get_percentile(each, percent) for each in rounds[1:]),
            "ms",
            GOAL_MS,
            note=note,
        )
        for percent in (50, 95)
    ]


async def _measure_api(client: ChatClient, model: str) -> float:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": model, "messages": messages, "stream": True}
    late = None
    async with client.person.http.stream("POST", "/api/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            at = time.time_ns()
            if late is None and (words := _extract_words(line)):
                late = _get_delay_ms(at, words)
    if late is None:
        raise RuntimeError("no words arrived")
    return late


async def _measure_browser(client: ChatClient, model: str) -> float:
    reply = await client.ask(model, QUESTION)
    return _get_delay_ms(reply.first_at, reply.first_words)


def _extract_words(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    choices = json.loads(line[6:]).get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""


def _get_delay_ms(at: int, words: str) -> float:
    """Return the delay of the first word in milliseconds; the word is "t" and its sending time."""
    return (at - int(words.split(maxsplit=1)[0].removeprefix("t"))) / 1e6
