"""Tests of ``Cache-Control`` and ``Cache-Status`` of answers."""

import json
from typing import Any

import httpx
import pytest

from .conftest import GatewayHarness

QUESTION = "What is the budget?"
ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "answers": ("/v1/answers", {"question": QUESTION, "personaId": "finance"}),
    "chat": (
        "/v1/chat/completions",
        {"model": "finance", "messages": [{"role": "user", "content": QUESTION}]},
    ),
}


@pytest.fixture(autouse=True)
async def grounded_answers(harness: GatewayHarness) -> None:
    await harness.upload()
    harness.bedrock.says = "It is $5 [cite:1]."


async def ask(
    harness: GatewayHarness, route: str, *, stream: bool = False, cache_control: tuple[str, ...] = ()
) -> httpx.Response:
    path, body = ROUTES[route]
    response = await harness.http.post(
        path,
        json={**body, "stream": stream},
        headers=[
            ("Authorization", "Bearer person-tenanta"),
            *(("Cache-Control", value) for value in cache_control),
        ],
    )
    assert response.status_code == 200, response.text
    assert "$5" in response.text
    return response


def get_cache_status(response: httpx.Response) -> str:
    return str(response.headers["cache-status"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES)
async def test_every_route_marks_a_hit(harness: GatewayHarness, route: str, stream: bool) -> None:
    assert get_cache_status(await ask(harness, route, stream=stream)) == "tenantry-answers; fwd=miss"
    for again in (False, True):
        response = await ask(harness, route, stream=again)
        assert get_cache_status(response) == "tenantry-answers; hit"
        assert response.headers["cache-control"] == "no-store", "intermediate caches do not store it"
    assert len(harness.bedrock.prompts) == 1


async def test_a_cached_answer_is_marked_and_has_no_tokens(harness: GatewayHarness) -> None:
    first, again = [(await ask(harness, "answers")).json() for _ in range(2)]
    assert (first.pop("cached"), again.pop("cached")) == (False, True)
    assert first.pop("usage") == {"inputTokens": 7, "outputTokens": 3}
    assert again.pop("usage") == {"inputTokens": 0, "outputTokens": 0}
    assert first == again
    # Chat answers are Markdown, so they have separate cache entries.
    assert get_cache_status(await ask(harness, "chat")) == "tenantry-answers; fwd=miss"
    completion = (await ask(harness, "chat")).json()
    assert completion["usage"]["total_tokens"] == 0


async def test_a_streamed_hit_is_one_piece_and_the_answer(harness: GatewayHarness) -> None:
    whole = (await ask(harness, "answers")).json()
    events = (await ask(harness, "answers", stream=True)).text.split("\n\n")
    words, answer = (json.loads(event.partition("data: ")[2]) for event in events[:2])
    assert words == {"text": whole["answer"]}
    assert answer["cached"] is True
    assert events[2:] == [""]


@pytest.mark.parametrize(
    "directives",
    [("no-cache",), ("no-store",), ("No-Cache",), ("max-age=0, no-store",), ("max-age=5", "no-cache")],
    ids=", ".join,
)
@pytest.mark.parametrize("route", ROUTES)
async def test_no_cache_and_no_store_bypass_the_cache(
    harness: GatewayHarness, route: str, directives: tuple[str, ...]
) -> None:
    await ask(harness, route)
    assert (
        get_cache_status(await ask(harness, route, cache_control=directives))
        == "tenantry-answers; fwd=bypass"
    )
    assert len(harness.bedrock.prompts) == 2


@pytest.mark.parametrize("directives", ["", "max-age=60", "private, no-storehouse", "no-cache=x", ",,"])
async def test_other_directives_are_ignored(harness: GatewayHarness, directives: str) -> None:
    await ask(harness, "answers")
    assert (
        get_cache_status(await ask(harness, "answers", cache_control=(directives,)))
        == "tenantry-answers; hit"
    )


async def test_a_hit_counts_against_the_rate(harness: GatewayHarness) -> None:
    for _ in range(3):
        response = await ask(harness, "answers")
        assert "ratelimit" in response.headers
    assert harness.rate.checked == ["tenanta"] * 3
