"""How soon after the model's first word somebody in Open WebUI has it, when the pipe asks the gateway itself.

The gateway stands before a model whose words say when they were sent.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

from tenantry_local.platform import Platform

from .canned_gateway import running_canned_gateway
from .chat import MODEL_SECONDS, PEOPLE
from .office import Office, open_office
from .page import Page
from .report import Figure, percentile

__all__ = ["measure"]

QUESTION = "What is the approved marketing budget for 2026?"
ROUNDS = 5
EACH = 5
"""Questions of each person a round."""

GOAL_MS = 150


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a whole platform."""
    options = (f"--model-seconds={MODEL_SECONDS}", "--stream-events=10", "--stream-seconds=0.05")
    async with (
        open_office(platform, "bench-streams", staff=PEOPLE) as office,
        running_canned_gateway(platform, *options) as gateway,
        office.webui.valves(orchestrator="direct", gateway_url=f"http://127.0.0.1:{gateway.port}"),
    ):
        return [
            *await _figures(office, "as a program", _as_program),
            *await _figures(office, "in a browser", _in_browser),
        ]


async def _figures(office: Office, name: str, late: Callable[[Page, str], Awaitable[float]]) -> list[Figure]:
    async def one(page: Page, place: int) -> list[float]:
        await asyncio.sleep(place * MODEL_SECONDS / PEOPLE)
        return [await late(page, office.model) for _ in range(EACH)]

    rounds = []
    for _ in range(ROUNDS + 1):
        answers = await asyncio.gather(*(one(page, place) for place, page in enumerate(office.pages)))
        rounds.append([value for values in answers for value in values])
    note = f"{PEOPLE} people at once, direct, median of {ROUNDS} rounds of {PEOPLE * EACH}"
    return [
        Figure(
            f"first word after the model's, {name}, p{percent}",
            statistics.median(percentile(each, percent) for each in rounds[1:]),
            "ms",
            GOAL_MS,
            note=note,
        )
        for percent in (50, 95)
    ]


async def _as_program(page: Page, model: str) -> float:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": model, "messages": messages, "stream": True}
    late = None
    async with page.person.http.stream("POST", "/api/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            at = time.time_ns()
            if late is None and (words := _words(line)):
                late = _late(at, words)
    if late is None:
        raise RuntimeError("no words came")
    return late


async def _in_browser(page: Page, model: str) -> float:
    said = await page.ask(model, QUESTION)
    return _late(said.first_at, said.first_words)


def _words(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    choices = json.loads(line[6:]).get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""


def _late(at: int, words: str) -> float:
    """Return how many milliseconds the first word was under way; it is the time of its sending."""
    return (at - int(words.split(maxsplit=1)[0])) / 1e6
