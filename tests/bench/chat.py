"""Questions through the whole chain: Open WebUI, the pipe, n8n and the gateway, with a model that takes 2 s.

Each of five people asks as soon as the answer is there, as a program does and as the browser does. They begin
at different moments. What n8n took is noted on the way, of the same requests.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tenantry_local.parts.n8n import N8n, N8nWebhook, N8nWorker
from tenantry_local.platform import Platform

from tests.support.n8n import told

from .office import Office, model_takes, open_office
from .page import Page
from .question_sets import read_own
from .report import Figure, percentile
from .stopwatch import Stopwatch, open_stopwatch

__all__ = ["MODEL_SECONDS", "PEOPLE", "Rounds", "crowd", "measure", "measure_engine"]

PEOPLE = 5
MODEL_SECONDS = 2.0
WARM = 60
"""Questions of each person before the first round: n8n's first hundreds are slower."""

WARM_AGAIN = 6
"""... and before the rounds of the next way to ask."""

EACH = 6
"""Questions of each person a round."""

ROUNDS = 5
"""The median over the rounds is reported: one in which the machine did something else drops out."""

Asks = Callable[[Page, str], Awaitable[float]]


@dataclass
class Rounds:
    """Measured values of each round."""

    rounds: list[list[float]] = field(default_factory=list)

    def median(self, percent: int) -> float:
        """Return the median over the rounds of a percentile."""
        return statistics.median(percentile(each, percent) for each in self.rounds)


async def measure(platform: Platform) -> list[Figure]:
    """Measure on a whole platform."""
    async with open_office(platform, "bench-chat", staff=PEOPLE) as office:
        measured = await _measured(office)
    note = f"{PEOPLE} people at once, model {MODEL_SECONDS:g} s, median of {ROUNDS} rounds of {PEOPLE * EACH}"
    return [
        figure
        for name, (wholes, shares) in measured.items()
        for figure in (
            Figure(f"chat, {name}, p50", wholes.median(50), "s", 2.5, note=note),
            Figure(f"chat, {name}, p95", wholes.median(95), "s", 3, note=note),
            Figure(f"chat, {name}, n8n's share, p50", shares.median(50), "ms", note="of the same requests"),
            Figure(
                f"chat, {name}, n8n's share, p95", shares.median(95), "ms", 100, note="of the same requests"
            ),
        )
    ]


async def measure_engine(platform: Platform) -> list[Figure]:
    """Measure n8n's share with its other engine for expressions, and leave n8n as it was."""
    parts = (N8n.name, N8nWorker.name, N8nWebhook.name)
    async with open_office(platform, "bench-engine", staff=PEOPLE) as office:
        try:
            with told({"N8N_EXPRESSION_ENGINE": "vm"}):
                await asyncio.to_thread(platform.up, parts)
                _, shares = (await _measured(office, {"as a program": _as_program}))["as a program"]
        finally:
            await asyncio.to_thread(platform.up, parts)
    note = "N8N_EXPRESSION_ENGINE=vm, n8n's default"
    return [
        Figure(f"n8n's share, expressions in a VM, p{percent}", shares.median(percent), "ms", note=note)
        for percent in (50, 95)
    ]


async def crowd(
    pages: Sequence[Page], asks: Asks, questions: Sequence[str], *, each: int, apart: float
) -> list[float]:
    """Let all ask some questions one after the other; each begins ``apart`` seconds after the one before."""

    async def one(place: int, page: Page) -> list[float]:
        await asyncio.sleep(place * apart)
        first = place * len(questions) // len(pages)
        return [await asks(page, questions[(first + number) % len(questions)]) for number in range(each)]

    return [value for values in await asyncio.gather(*map(one, range(len(pages)), pages)) for value in values]


async def _measured(
    office: Office, ways: "dict[str, Callable[[str], Asks]] | None" = None
) -> dict[str, tuple[Rounds, Rounds]]:
    """Return the whole time (seconds) and n8n's share (milliseconds) of each way to ask."""
    own = read_own()
    questions = [question.text for question in own.questions]
    await office.upload(own.documents)
    port = office.platform.context.ports[N8nWebhook.name]
    measured: dict[str, tuple[Rounds, Rounds]] = {}
    async with (
        open_stopwatch(port) as (stopwatch, url),
        office.webui.valves(n8n_url=url, fallback_to_direct=False),
    ):
        for name, way in (ways or WAYS).items():
            asks = way(office.model)
            before = WARM_AGAIN if measured else WARM
            await crowd(office.pages, asks, questions, each=before, apart=0)
            async with model_takes(office.platform, MODEL_SECONDS):
                measured[name] = await _rounds(office, asks, questions, stopwatch)
    return measured


async def _rounds(
    office: Office, asks: Asks, questions: Sequence[str], stopwatch: Stopwatch
) -> tuple[Rounds, Rounds]:
    wholes, shares = Rounds(), Rounds()
    for _ in range(ROUNDS):
        stopwatch.take()
        seconds = await crowd(office.pages, asks, questions, each=EACH, apart=MODEL_SECONDS / PEOPLE)
        taken = stopwatch.take()
        if len(taken) != len(seconds):
            raise RuntimeError(f"of {len(seconds)} questions n8n had {len(taken)}")
        wholes.rounds.append(seconds)
        shares.rounds.append(taken)
    return wholes, shares


def _as_program(model: str) -> Asks:
    async def asks(page: Page, question: str) -> float:
        began = time.perf_counter()
        response = await page.person.ask(model, question)
        response.raise_for_status()
        return time.perf_counter() - began

    return asks


def _in_browser(model: str) -> Asks:
    async def asks(page: Page, question: str) -> float:
        return (await page.ask(model, question)).seconds

    return asks


WAYS = {"as a program": _as_program, "in a browser": _in_browser}
